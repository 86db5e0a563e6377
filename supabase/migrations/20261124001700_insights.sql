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

-- Importing history ----------------------------------------------------------------------------------------------

create function private.imported_person(tenant uuid, email text) returns public.profiles
language plpgsql stable set search_path = '' as $$
declare
    person public.profiles;
begin
    if email is null then
        return null;
    end if;
    select * into person from public.profiles p where p.organization_id = tenant and lower(p.email) = lower(imported_person.email);
    if person.user_id is null then
        perform private.fail(422, 'invalid', format('This incident cannot be imported: %s is nobody here.', left(email, 100)));
    end if;
    return person;
end $$;
comment on function private.imported_person is 'The person of this address in the organization; null for no address, 422 for an unknown one.';

create function private.import_event(incident public.incidents, kind text, at timestamptz, email text, detail jsonb default '{}') returns void
language plpgsql set search_path = '' as $$
declare
    person public.profiles := private.imported_person(incident.organization_id, email);
begin
    insert into public.incident_events (organization_id, incident_id, kind, actor_id, actor_name, at, detail)
    values (incident.organization_id, incident.id, kind, person.user_id, coalesce(person.display_name, 'import'), at,
        jsonb_strip_nulls(detail) || '{"imported": true}');
end $$;
comment on function private.import_event is 'An event of the past under its own time, marked as imported; without an address its actor is the import.';

create function private.import_decision(incident public.incidents, execution public.executions, given jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    decider public.profiles := private.imported_person(incident.organization_id, given ->> 'by');
    rendered jsonb := private.render_actions(incident.service_id, given -> 'actions');
    asked timestamptz := (given ->> 'asked_at')::timestamptz;
    decided timestamptz := (given ->> 'decided_at')::timestamptz;
    written text;
    approval public.approvals;
    run public.action_runs;
    act jsonb;
begin
    if given ? 'asked_at' then
        written := jsonb_pretty(jsonb_build_object(
            'version', 1,
            'incident', jsonb_build_object('id', incident.id, 'external_id', incident.external_id, 'service', incident.service,
                'severity', incident.severity, 'title', incident.title),
            'kestra_execution_id', execution.kestra_execution_id,
            'statement', private.proposal_statement(rendered -> 'actions', incident.service),
            'nothing_to_carry_out', rendered -> 'actions' = '[]',
            'actions', rendered -> 'actions', 'problems', rendered -> 'problems'));
        insert into public.approvals (
            organization_id, incident_id, execution_id, kestra_execution_id, proposal_text, content_hash, nothing_to_carry_out, status, cause,
            deadline_at, requested_by, requested_by_name, self_approval_allowed, decided_by, decided_by_name, decided_at, decision_reason,
            delivered_at, outcome, outcome_reason, created_at)
        values (
            incident.organization_id, incident.id, execution.id, execution.kestra_execution_id, written,
            encode(sha256(convert_to(written, 'UTF8')), 'hex'), rendered -> 'actions' = '[]', given ->> 'status', given ->> 'cause',
            (given ->> 'deadline_at')::timestamptz, incident.submitted_by, incident.submitted_by_name, false, decider.user_id,
            decider.display_name, decided, given ->> 'reason', coalesce(decided, (given ->> 'ended_at')::timestamptz), given ->> 'outcome',
            given ->> 'outcome_reason', asked)
        returning * into approval;
        perform private.import_event(incident, 'approval_requested', asked, null, jsonb_build_object(
            'approval_id', approval.id, 'content_hash', approval.content_hash, 'deadline_at', approval.deadline_at));
        if decider.user_id is not null then
            insert into public.approval_votes (approval_id, organization_id, voter_id, voter_name, decision, reason, content_hash, at)
            values (approval.id, approval.organization_id, decider.user_id, decider.display_name, approval.status, approval.decision_reason,
                approval.content_hash, decided);
            perform private.import_event(incident, approval.status, decided, given ->> 'by',
                jsonb_build_object('approval_id', approval.id, 'reason', approval.decision_reason));
        else
            perform private.import_event(incident, approval.status, coalesce((given ->> 'ended_at')::timestamptz, approval.deadline_at), null,
                jsonb_build_object('approval_id', approval.id, 'reason', approval.cause));
        end if;
    end if;
    act := given -> 'act';
    if jsonb_typeof(act) = 'object' and rendered -> 'actions' -> 0 is not null then
        insert into public.action_runs (
            organization_id, incident_id, execution_id, approval_id, action_key, action, title, nonce, request, verify, status, verified,
            detail, begun_at, finished_at)
        values (
            incident.organization_id, incident.id, execution.id, approval.id, rendered -> 'actions' -> 0 ->> 'key', rendered -> 'actions' -> 0 ->> 'action',
            rendered -> 'actions' -> 0 ->> 'title', 'import-' || incident.id, rendered -> 'actions' -> 0 -> 'request', rendered -> 'actions' -> 0 -> 'verify',
            act ->> 'status', (act ->> 'verified')::boolean, coalesce(act -> 'detail', '{}'), (act ->> 'begun_at')::timestamptz,
            (act ->> 'finished_at')::timestamptz)
        returning * into run;
        perform private.import_event(incident, 'action_begun', run.begun_at, null, jsonb_build_object('action_run_id', run.id, 'action_key', run.action_key));
        perform private.import_event(incident, 'action_finished', run.finished_at, null,
            jsonb_build_object('action_run_id', run.id, 'status', run.status, 'verified', run.verified));
    end if;
end $$;
comment on function private.import_decision is 'What was proposed, decided and done in the past: {actions, asked_at, deadline_at, status, cause, by, decided_at, reason, ended_at, outcome, outcome_reason, act: {status, verified, detail, begun_at, finished_at}}.';

create function private.import_document(incident public.incidents, given jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    author public.profiles := private.imported_person(incident.organization_id, given ->> 'by');
    version jsonb;
    item jsonb;
    owner public.profiles;
begin
    for version in select value from jsonb_array_elements(coalesce(given -> 'versions', '[]')) with ordinality as element (value, n) order by n loop
        insert into public.postmortem_versions (organization_id, incident_id, version, status, sections, author_id, author_name, change, section, analysis_id, at)
        values (incident.organization_id, incident.id, (select count(*) + 1 from public.postmortem_versions v where v.incident_id = incident.id),
            version ->> 'status',
            case when given ? 'lessons' then jsonb_build_object('lessons', jsonb_build_object('text', given ->> 'lessons', 'version', 1,
                'by', author.display_name, 'by_id', author.user_id, 'at', given -> 'versions' -> 0 ->> 'at')) else '{}' end,
            author.user_id, author.display_name, version ->> 'change', version ->> 'section',
            (select a.id from public.ai_analyses a where a.incident_id = incident.id and a.completed_at is not null limit 1), (version ->> 'at')::timestamptz);
    end loop;
    for item in select value from jsonb_array_elements(coalesce(given -> 'items', '[]')) loop
        owner := private.imported_person(incident.organization_id, item ->> 'owner');
        insert into public.action_items (organization_id, incident_id, title, owner_id, owner_name, priority, due_at, done_at, done_by_name, suggestion,
            created_by, created_by_name, created_at, updated_at, updated_by_name)
        values (incident.organization_id, incident.id, item ->> 'title', owner.user_id, owner.display_name, coalesce(item ->> 'priority', 'MEDIUM'),
            (item ->> 'due_at')::timestamptz, (item ->> 'done_at')::timestamptz, case when item ? 'done_at' then owner.display_name end, left(item ->> 'title', 300),
            author.user_id, author.display_name, (given ->> 'at')::timestamptz, coalesce((item ->> 'done_at')::timestamptz, (given ->> 'at')::timestamptz),
            author.display_name);
    end loop;
    perform private.refresh_postmortem(incident.id);
end $$;
comment on function private.import_document is 'What people made of a document in the past: {by, at, lessons, versions: [{status, change, section, at}], items: [{title, owner, priority, due_at, done_at}]}.';

create or replace function public.import_incident(payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    given jsonb := private.clean(payload);
    tenant uuid := private.as_uuid(given ->> 'organization_id');
    opened timestamptz := (given ->> 'opened_at')::timestamptz;
    resolved timestamptz := (given ->> 'resolved_at')::timestamptz;
    acknowledged timestamptz := (given -> 'acknowledged' ->> 'at')::timestamptz;
    ended timestamptz := coalesce((given ->> 'run_ended_at')::timestamptz, resolved);
    run_state text := coalesce(given ->> 'run_state', 'SUCCESS');
    submitter public.profiles := private.imported_person(tenant, given ->> 'submitted_by');
    taker public.profiles := private.imported_person(tenant, given -> 'acknowledged' ->> 'by');
    incident public.incidents;
    execution public.executions;
    evidence jsonb := private.check_evidence(given -> 'evidence');
    remediation record;
    documentation record;
    event jsonb;
    problems jsonb := private.payload_problems(given - 'id');
    escalation jsonb := given -> 'escalation';
begin
    if problems <> '[]' then
        perform private.fail(422, 'invalid', 'This incident cannot be imported.', jsonb_build_object('fields', problems));
    elsif opened is null or ended is null or least(resolved, acknowledged, ended) < opened or greatest(opened, resolved, acknowledged, ended) > now() then
        perform private.fail(422, 'invalid', 'This incident cannot be imported: its times are not in order, or not in the past.');
    end if;
    if jsonb_typeof(given -> 'remediation') = 'object' then
        select * into remediation from private.check_remediation(given -> 'remediation', evidence);
    else
        select null::jsonb as checked, null::text as problem into remediation;
    end if;
    if jsonb_typeof(given -> 'documentation') = 'object' then
        select * into documentation from private.check_documentation(given -> 'documentation', evidence);
    else
        select null::jsonb as checked, null::text as problem into documentation;
    end if;
    if coalesce(remediation.problem, documentation.problem) is not null then
        perform private.fail(422, 'invalid', 'This incident cannot be imported: ' || coalesce(remediation.problem, documentation.problem));
    end if;
    perform private.submission_lock(tenant);
    select * into incident from public.incidents i
    where i.organization_id = tenant and i.external_id = given ->> 'external_id' and i.source = 'import';
    if incident.id is not null then
        return jsonb_build_object('incident_id', incident.id);
    end if;
    insert into public.incidents (
        organization_id, external_id, source, service_id, service, severity, severity_text, status, needs_human, needs_human_reason, title, description,
        logs, metrics, context, fingerprint, occurrences, submitted_by, submitted_by_name, acknowledged_at, acknowledged_by, assigned_to, created_at,
        updated_at, resolved_at)
    values (
        tenant, given ->> 'external_id', 'import',
        (select s.id from public.services s where s.organization_id = tenant and s.name = given ->> 'service'),
        given ->> 'service', private.severity(given ->> 'severity'), given ->> 'severity', case when resolved is null then 'investigating' else 'resolved' end,
        resolved is null, case when resolved is null then left(coalesce(given ->> 'needs', 'A person has to look and resolve the incident.'), 2000) end,
        given ->> 'title', coalesce(given ->> 'description', ''), private.log_lines(given -> 'logs'), coalesce(given -> 'metrics', '{}'),
        coalesce(given -> 'context', '{}'), private.fingerprint(given ->> 'service', given ->> 'title'), coalesce((given ->> 'occurrences')::int, 1),
        submitter.user_id, submitter.display_name, acknowledged, taker.user_id, taker.user_id, opened, coalesce(resolved, ended), resolved)
    returning * into incident;
    insert into public.executions (organization_id, incident_id, run_id, kestra_execution_id, requested_by, owns, state, step, problem, started_at, reported_at, ended_at)
    values (tenant, incident.id, gen_random_uuid(), 'import-' || incident.id, submitter.user_id, true, run_state, 'import', given ->> 'run_problem',
        opened, ended, ended)
    returning * into execution;
    insert into public.ai_analyses (
        organization_id, incident_id, execution_id, kestra_execution_id, root_cause, impact, error_clusters, confidence_level,
        remediation, documentation, evidence, model, tokens, problem, raw, created_at, updated_at, completed_at)
    values (
        tenant, incident.id, execution.id, execution.kestra_execution_id, left(given ->> 'root_cause', 2000), left(given ->> 'impact', 2000),
        coalesce(given -> 'error_clusters', '[]'), upper(given ->> 'confidence_level'), remediation.checked, documentation.checked,
        evidence, left(given ->> 'model', 200), coalesce(given -> 'tokens', '{}'),
        (select left(string_agg(format('%s: %s', failed.key, failed.value ->> 'problem'), '; '), 4000) from jsonb_each(given -> 'model_failures') as failed),
        coalesce(given -> 'model_failures', '{}'), incident.created_at, ended, ended);
    perform private.import_event(incident, 'submitted', opened, given ->> 'submitted_by');
    for event in select value from jsonb_array_elements(coalesce(given -> 'events', '[]')) loop
        perform private.import_event(incident, event ->> 'kind', (event ->> 'at')::timestamptz, event ->> 'by', coalesce(event -> 'detail', '{}'));
    end loop;
    if acknowledged is not null then
        perform private.import_event(incident, 'acknowledged', acknowledged, given -> 'acknowledged' ->> 'by');
    end if;
    if jsonb_typeof(given -> 'decision') = 'object' then
        perform private.import_decision(incident, execution, given -> 'decision');
    end if;
    if jsonb_typeof(escalation) = 'object' then
        insert into public.escalations (organization_id, incident_id, execution_id, reason, told, told_nobody, acknowledged_at, acknowledged_by, created_at)
        values (tenant, incident.id, execution.id, left(escalation ->> 'reason', 2000), '{}', true,
            case when acknowledged > (escalation ->> 'at')::timestamptz then acknowledged end,
            case when acknowledged > (escalation ->> 'at')::timestamptz then taker.user_id end, (escalation ->> 'at')::timestamptz);
        perform private.import_event(incident, 'escalated', (escalation ->> 'at')::timestamptz, null, jsonb_build_object('reason', escalation ->> 'reason'));
    end if;
    perform private.import_event(incident, 'run_ended', ended, null, jsonb_build_object('state', run_state)) where given ? 'run_ended_at';
    if resolved is not null then
        perform private.import_event(incident, 'resolved', resolved, given ->> 'resolved_by');
    end if;
    if jsonb_typeof(given -> 'postmortem') = 'object' then
        perform private.import_document(incident, given -> 'postmortem');
    end if;
    perform private.audit(tenant, null, 'import', 'incident.imported', 'incidents', incident.id::text);
    return jsonb_build_object('incident_id', incident.id);
end $$;
comment on function public.import_incident is
    'Service role: an incident of the past with what was found, decided, done and written about it, under its own times and marked as imported; people by e-mail; once per external_id. {incident_id}. 422 invalid.';

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
