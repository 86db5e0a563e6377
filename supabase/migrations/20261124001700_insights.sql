-- Is it getting better? What is counted over a period, and lists that show exactly the rows behind each number.

-- Facts ----------------------------------------------------------------------------------------------------------

create function private.incident_fact(fact text) returns text
language plpgsql immutable set search_path = '' as $$
declare
    of_runs text := 'i.id in (select a.incident_id from public.ai_analyses a where a.organization_id = $1 and a.problem is not null and exists ('
        'select from jsonb_each(a.raw) as step where step.key <> ''aggregate'' and %s))';
    condition text := case fact
        when 'acknowledged' then 'i.acknowledged_at >= i.created_at'
        when 'not_acknowledged' then 'i.acknowledged_at is null'
        when 'acknowledged_too_early' then 'i.acknowledged_at < i.created_at'
        when 'resolved' then 'i.status in (''resolved'', ''closed'') and coalesce(i.resolved_at, i.closed_at) >= i.created_at'
        when 'unresolved' then 'i.status not in (''resolved'', ''closed'')'
        when 'resolved_too_early' then 'i.status in (''resolved'', ''closed'') and coalesce(i.resolved_at, i.closed_at) < i.created_at'
        when 'repeated' then 'i.occurrences > 1'
        when 'imported' then 'i.source = ''import'''
        when 'reopened' then 'i.id in (select e.incident_id from public.incident_events e where e.organization_id = $1 and e.kind = ''reopened'')'
        when 'escalated' then 'i.id in (select s.incident_id from public.escalations s where s.organization_id = $1)'
        when 'escalation_unacknowledged'
            then 'i.id in (select s.incident_id from public.escalations s where s.organization_id = $1 and s.acknowledged_at is null)'
        when 'run_failed' then 'i.id in (select x.incident_id from public.executions x where x.organization_id = $1 and x.owns and x.state = ''FAILED'')'
        when 'model_failed' then format(of_runs, 'true')
        when 'model_silent' then format(of_runs, 'step.value ->> ''problem'' like ''the model gave no %''')
        when 'model_stopped' then format(of_runs, 'step.value ->> ''problem'' like ''the model stopped with %''')
        when 'model_unreadable' then format(of_runs, 'step.value ->> ''problem'' ~ ''^the model.s (answer|text) was ''')
        when 'model_off_schema' then format(of_runs, 'step.value ->> ''problem'' like ''the answer violates the schema%''')
    end;
begin
    if condition is null then
        perform private.fail(422, 'invalid', 'There is no such fact to filter by.', '{"fields": [{"field": "fact", "problem": "is unknown"}]}');
    end if;
    return condition;
end $$;
comment on function private.incident_fact is
    'What may be said of an incident, by name, as a condition over incidents i and the organization $1: counted by insights and listed by search_incidents, so that both always agree. Fixed text only. 422 for another name.';

-- Tokens ---------------------------------------------------------------------------------------------------------

create function private.token_count(tokens jsonb, kind text) returns bigint
language sql immutable set search_path = '' as $$
    select coalesce(sum(least(greatest((step.value ->> kind)::numeric, 0), 1e12)), 0)::bigint
    from jsonb_each(tokens) as step where jsonb_typeof(step.value -> kind) = 'number'
$$;
comment on function private.token_count is 'Tokens of one kind (prompt, output, total) over all steps of an analysis; what is no number counts as none.';

alter table public.ai_analyses
    add column prompt_tokens bigint not null generated always as (private.token_count(tokens, 'prompt')) stored,
    add column output_tokens bigint not null generated always as (private.token_count(tokens, 'output')) stored,
    add column total_tokens bigint not null generated always as (private.token_count(tokens, 'total')) stored;
comment on column public.ai_analyses.prompt_tokens is 'Tokens read by the model, over all steps.';
comment on column public.ai_analyses.output_tokens is 'Tokens written by the model, over all steps.';
comment on column public.ai_analyses.total_tokens is 'All tokens as the model counted them, over all steps.';

-- Indexes: each count reads an index only ------------------------------------------------------------------------

drop index public.incidents_newest;
create index incidents_newest on public.incidents (organization_id, created_at desc)
    include (id, service, severity, status, occurrences, source, acknowledged_at, resolved_at, closed_at);
drop index public.approvals_newest;
create index approvals_newest on public.approvals (organization_id, created_at desc) include (id, incident_id, status, outcome, decided_at);
drop index public.ai_analyses_newest;
create index ai_analyses_newest on public.ai_analyses (organization_id, created_at desc)
    include (incident_id, model, prompt_tokens, output_tokens, total_tokens);
create index ai_analyses_with_problems on public.ai_analyses (organization_id, incident_id) where problem is not null;
create index executions_failed on public.executions (organization_id, incident_id) where owns and state = 'FAILED';
create index incident_events_reopened on public.incident_events (organization_id, incident_id) where kind = 'reopened';
create index escalations_by_organization on public.escalations (organization_id, incident_id);

-- Lists ----------------------------------------------------------------------------------------------------------

drop function public.search_incidents(text, text[], text[], int, int);

create function private.incident_filter(statuses text[], fact text) returns text
language sql immutable set search_path = '' as $$
    select 'i.organization_id = $1'
        ' and ($2 is null or i.status = any ($2)) and ($3 is null or i.severity = any ($3)) and ($4 is null or i.service = any ($4))'
        ' and ($5 is null or i.created_at >= $5) and ($6 is null or i.created_at < $6)'
        ' and ($7 = ''%%'' or (i.external_id || '' '' || i.service || '' '' || i.title) ilike $7)'
        ' and ($8 is null or i.submitted_by = $8 or i.assigned_to = $8 or i.acknowledged_by = $8)'
        -- Said in words that an index of live incidents knows: they are few among all.
        || case when statuses <@ array['open', 'investigating', 'awaiting_approval'] then ' and i.status not in (''resolved'', ''closed'')' else '' end
        || case when fact is null then '' else ' and ' || private.incident_fact(fact) end
$$;
comment on function private.incident_filter is
    'The condition of a search over incidents i: $1 organization, $2 statuses, $3 severities, $4 services, $5 since, $6 until, $7 pattern, $8 whose. Fixed text only.';

create function private.pattern(search text) returns text
language sql immutable set search_path = '' as $$
    select '%' || replace(replace(replace(trim(coalesce(search, '')), '\', '\\'), '%', '\%'), '_', '\_') || '%'
$$;
comment on function private.pattern is 'A search as a pattern of ilike that stands for these letters and no others; %% finds everything.';

create function public.search_incidents(
    search text default '', statuses text[] default null, severities text[] default null, skip int default 0, take int default 50,
    services text[] default null, since timestamptz default null, until timestamptz default null, fact text default null,
    mine boolean default false
) returns setof public.incidents
language plpgsql stable security definer set search_path = '' as $$
declare
    -- Under row level security `ilike` may not use an index, for it could tell of rows one must not see.
    me public.profiles := private.require_role('viewer');
begin
    -- Planned for these values: whether an index of words, of services or of times is best depends on them.
    return query execute
        'select i.* from public.incidents i where ' || private.incident_filter(statuses, fact) || ' order by i.created_at desc, i.id offset $9 limit $10'
    using me.organization_id, statuses, severities, services, since, until, private.pattern(search), case when mine then me.user_id end,
        greatest(skip, 0), least(greatest(take, 0), 200);
end $$;
comment on function public.search_incidents is
    'People: incidents of the organization, newest first; search looks in id, service and title, letter by letter and in any case; since ≤ reported < until; fact is a name that insights counts; mine: reported by, assigned to or acknowledged by the caller. Rows of incidents. 422 for an unknown fact.';

create function public.search_approvals(
    statuses text[] default null, outcomes text[] default null, services text[] default null, since timestamptz default null,
    until timestamptz default null, skip int default 0, take int default 50
) returns setof public.approvals
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    return query execute
        'select a.* from public.approvals a where a.organization_id = $1'
        ' and ($2 is null or a.status = any ($2)) and ($3 is null or coalesce(a.outcome, ''none'') = any ($3))'
        ' and ($4 is null or exists (select from public.incidents i where i.id = a.incident_id and i.service = any ($4)))'
        ' and ($5 is null or a.created_at >= $5) and ($6 is null or a.created_at < $6)'
        ' order by a.created_at desc, a.id offset $7 limit $8'
    using me.organization_id, statuses, outcomes, services, since, until, greatest(skip, 0), least(greatest(take, 0), 200);
end $$;
comment on function public.search_approvals is
    'People: approvals of the organization, newest first; outcome "none": nothing has come of it yet; since ≤ asked for < until. Rows of approvals.';

-- Counting -------------------------------------------------------------------------------------------------------

create function private.spread(count bigint, parts double precision[]) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_build_object('count', coalesce(count, 0), 'median_seconds', parts[1], 'p90_seconds', parts[2])
$$;
comment on function private.spread is '{count, median_seconds, p90_seconds}; nulls where nothing was counted.';

create function public.insights(since timestamptz, until timestamptz, services text[] default null) returns jsonb
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
    me public.profiles := private.require_role('viewer');
    -- Seconds, not days: a day of an interval has as many hours as the session's time zone gives it.
    length interval := make_interval(secs => extract(epoch from until - since));
    passed interval := make_interval(secs => extract(epoch from greatest(since, least(until, now())) - since));
    before_since timestamptz := since - length;
    before_until timestamptz := before_since + passed;
    these text := 'public.incidents i where i.organization_id = $1 and i.created_at >= $2 and i.created_at < $3 and ($4 is null or i.service = any ($4))';
    acknowledge text := 'case when i.acknowledged_at >= i.created_at then date_part(''epoch'', i.acknowledged_at - i.created_at) end';
    resolve text := 'case when i.status in (''resolved'', ''closed'') and coalesce(i.resolved_at, i.closed_at) >= i.created_at'
        ' then date_part(''epoch'', coalesce(i.resolved_at, i.closed_at) - i.created_at) end';
    spread text := 'private.spread(count(%1$s), percentile_cont(array[0.5, 0.9]) within group (order by %1$s))';
    facts text;
    now_incidents jsonb;
    before_incidents jsonb;
    groups jsonb;
    weeks jsonb;
    approvals jsonb;
    decided jsonb;
    model jsonb;
begin
    if since is null or until is null or until <= since or length > interval '26304 hours' then
        perform private.fail(422, 'invalid', 'A period begins before it ends and is at most three years long.',
            '{"fields": [{"field": "until", "problem": "must lie after since, by three years at most"}]}');
    end if;

    select string_agg(format('%L, count(*) filter (where %s)', name, private.incident_fact(name)), ', ') into facts
    from unnest(array['acknowledged', 'not_acknowledged', 'acknowledged_too_early', 'resolved', 'unresolved', 'resolved_too_early', 'repeated',
        'imported', 'reopened', 'escalated', 'escalation_unacknowledged', 'run_failed', 'model_failed', 'model_silent', 'model_stopped',
        'model_unreadable', 'model_off_schema']) as name;
    execute format(
        'select jsonb_build_object(''count'', count(*), ''reports'', coalesce(sum(i.occurrences), 0), ''facts'', jsonb_build_object(%s),'
        ' ''acknowledge'', %s, ''resolve'', %s) from %s',
        facts, format(spread, acknowledge), format(spread, resolve), these)
    into now_incidents using me.organization_id, since, until, services;
    execute format(
        'select jsonb_build_object(''count'', count(*), ''acknowledge'', %s, ''resolve'', %s) from %s',
        format(spread, acknowledge), format(spread, resolve), these)
    into before_incidents using me.organization_id, before_since, before_until, services;

    execute format($query$
        with counted as (
            select i.service, i.severity, count(*) as count, sum(i.occurrences) as reports,
                count(*) filter (where i.status not in ('resolved', 'closed')) as unresolved, %s as acknowledge, %s as resolve, grouping(i.service) as is_severity
            from %s group by grouping sets ((i.service), (i.severity))
        ), noisiest as (
            select * from counted where is_severity = 0 order by count desc, reports desc, service limit 12
        )
        select jsonb_build_object(
            'services', (select coalesce(jsonb_agg(to_jsonb(n) - 'severity' - 'is_severity' order by n.count desc, n.reports desc, n.service), '[]') from noisiest n),
            'service_count', (select count(*) from counted where is_severity = 0),
            'severities', (select coalesce(jsonb_agg(to_jsonb(c) - 'service' - 'is_severity'), '[]') from counted c where is_severity = 1))
        $query$, format(spread, acknowledge), format(spread, resolve), these)
    into groups using me.organization_id, since, until, services;

    execute format($query$
        with scope as (
            select date_trunc('week', i.created_at, 'UTC') as monday, i.severity, %s as acknowledge, %s as resolve from %s
        ), counted as (
            select monday, severity, count(*) as count from scope group by monday, severity
        ), timed as (
            select monday, %s as acknowledge, %s as resolve from scope group by monday
        ), mondays as (
            select date_trunc('week', $2, 'UTC') + make_interval(hours => 168 * n) as monday
            from generate_series(0, ceil(extract(epoch from $3 - date_trunc('week', $2, 'UTC')) / 604800)::int - 1) as n
        )
        select jsonb_agg(jsonb_build_object(
            'week', to_char(m.monday at time zone 'UTC', 'IYYY-"W"IW'),
            'since', greatest(m.monday, $2), 'until', least(m.monday + make_interval(hours => 168), $3),
            'count', coalesce((select sum(c.count) from counted c where c.monday = m.monday), 0),
            'severities', (select coalesce(jsonb_object_agg(c.severity, c.count), '{}') from counted c where c.monday = m.monday),
            'acknowledge', coalesce(t.acknowledge, private.spread(0, null)), 'resolve', coalesce(t.resolve, private.spread(0, null))
        ) order by m.monday) from mondays m left join timed t using (monday)
        $query$, acknowledge, resolve, these, format(spread, 'acknowledge'), format(spread, 'resolve'))
    into weeks using me.organization_id, since, until, services;

    execute $query$
        with these as (
            select a.*, true as is_now from public.approvals a where a.organization_id = $1 and a.created_at >= $2 and a.created_at < $3
            union all
            select a.*, false from public.approvals a where a.organization_id = $1 and a.created_at >= $5 and a.created_at < $6
        ), asked as (
            select a.status, coalesce(a.outcome, 'none') as outcome, a.is_now,
                case when a.status in ('approved', 'rejected') and a.decided_at >= a.created_at then date_part('epoch', a.decided_at - a.created_at) end as seconds
            from these a
            where $4 is null or exists (select from public.incidents i where i.id = a.incident_id and i.service = any ($4))
        )
        select jsonb_build_object(
            'count', (select count(*) from asked where is_now), 'before', (select count(*) from asked where not is_now),
            'groups', (select coalesce(jsonb_agg(to_jsonb(g) order by g.status, g.outcome), '[]')
                from (select status, outcome, count(*) as count from asked where is_now group by status, outcome) g)),
            (select jsonb_build_object(
                'now', private.spread(count(seconds) filter (where is_now), percentile_cont(array[0.5, 0.9]) within group (order by seconds) filter (where is_now)),
                'before', private.spread(count(seconds) filter (where not is_now), percentile_cont(array[0.5, 0.9]) within group (order by seconds) filter (where not is_now)))
                from asked)
        $query$
    into approvals, decided using me.organization_id, since, until, services, before_since, before_until;

    execute format($query$
        with answered as (
            select a.incident_id, a.model, a.prompt_tokens, a.output_tokens, a.total_tokens
            from public.ai_analyses a
            -- A run is never older than its incident.
            where a.organization_id = $1 and a.created_at >= $2 and a.total_tokens > 0 and a.incident_id in (select i.id from %s)
        )
        select jsonb_build_object(
            'incidents', (select count(distinct incident_id) from answered),
            'prompt_tokens', coalesce(sum(prompt_tokens), 0), 'output_tokens', coalesce(sum(output_tokens), 0), 'total_tokens', coalesce(sum(total_tokens), 0),
            'models', (select coalesce(jsonb_agg(to_jsonb(m) order by m.total_tokens desc, m.model), '[]')
                from (select coalesce(model, 'unknown') as model, count(*) as runs, sum(total_tokens) as total_tokens from answered group by 1) m))
        from answered
        $query$, these)
    into model using me.organization_id, since, until, services;

    return groups || jsonb_build_object(
        'since', since, 'until', until, 'before_since', before_since, 'before_until', before_until, 'as_of', now(),
        'count', now_incidents -> 'count', 'before', before_incidents -> 'count', 'reports', now_incidents -> 'reports', 'facts', now_incidents -> 'facts',
        'acknowledge', jsonb_build_object('now', now_incidents -> 'acknowledge', 'before', before_incidents -> 'acknowledge'),
        'resolve', jsonb_build_object('now', now_incidents -> 'resolve', 'before', before_incidents -> 'resolve'),
        'approve', decided, 'approvals', approvals, 'weeks', weeks, 'model', model);
end $$;
comment on function public.insights is
    'People: what happened to the incidents reported, and the approvals asked for, at since ≤ t < until, against the period of the same length before. Negative times are left out. {since, until, before_since, before_until, as_of, count, before, reports, facts, acknowledge, approve, resolve, weeks (UTC, ISO), severities, services, service_count, approvals, model}. 422 invalid.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke all on function
    public.search_incidents(text, text[], text[], int, int, text[], timestamptz, timestamptz, text, boolean),
    public.search_approvals(text[], text[], text[], timestamptz, timestamptz, int, int),
    public.insights(timestamptz, timestamptz, text[])
    from public, anon, authenticated, service_role;
grant execute on function
    public.search_incidents(text, text[], text[], int, int, text[], timestamptz, timestamptz, text, boolean),
    public.search_approvals(text[], text[], text[], timestamptz, timestamptz, int, int),
    public.insights(timestamptz, timestamptz, text[])
    to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
