-- What needs somebody, what runs, what waits for whom: one call per page. And whether the desk itself is well.

create index incidents_live on public.incidents (organization_id, created_at desc)
    include (severity, status, needs_human) where status not in ('resolved', 'closed');
create index incidents_by_submitter on public.incidents (submitted_by, created_at desc) where submitted_by is not null;
create index incidents_by_assignee on public.incidents (assigned_to, created_at desc) where assigned_to is not null;
create index incidents_by_acknowledger on public.incidents (acknowledged_by, created_at desc) where acknowledged_by is not null;
create index incidents_resolved on public.incidents (organization_id, resolved_at desc) include (created_at) where resolved_at is not null;
create index approvals_decided on public.approvals (organization_id, decided_at desc) include (created_at) where decided_at is not null;
create index approvals_by_people on public.approvals (organization_id, created_at desc) where status in ('approved', 'rejected');
create index executions_failed_lately on public.executions (organization_id, ended_at desc) where owns and state = 'FAILED';
create index outbox_stuck on public.outbox (organization_id, stuck_since) where status = 'owed' and stuck_since is not null;

-- Lists ----------------------------------------------------------------------------------------------------------

create function private.waits_for(incident_id uuid, status text, needs_human boolean, holder uuid, me public.profiles) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    approval public.approvals;
    service public.services;
    objection text;
begin
    if status = 'awaiting_approval' then
        select * into approval from public.approvals a where a.incident_id = $1 and a.status = 'pending' order by a.created_at desc limit 1;
        if approval.id is null then
            return null;
        end if;
        objection := (private.objection(approval, me)).code;
        select s.* into service from public.services s join public.incidents i on i.service_id = s.id where i.id = $1;
        return jsonb_build_object(
            'what', 'decision', 'you', objection is null and now() < approval.deadline_at,
            'who', coalesce(
                (select string_agg(p.display_name, ' or ' order by p.display_name) from public.profiles p
                    where cardinality(service.approver_ids) > 0 and p.user_id = any (service.approver_ids) and p.active),
                coalesce(service.approval_role, 'approver') || ' or more'),
            'until', approval.deadline_at, 'approval_id', approval.id);
    elsif needs_human and status not in ('resolved', 'closed') then
        return jsonb_build_object('what', 'person', 'you', coalesce(holder = me.user_id, false), 'who', private.name_of(holder));
    end if;
    return null;
end $$;
comment on function private.waits_for is
    'For whom an incident waits: {what: decision or person, you, who (null: nobody has taken it), until, approval_id}; null when it waits for nobody.';

create function private.standing(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'live', count(*), 'needing_people', count(*) filter (where i.needs_human),
        'awaiting_approval', count(*) filter (where i.status = 'awaiting_approval'),
        'critical', count(*) filter (where i.severity = 'CRITICAL'), 'high', count(*) filter (where i.severity in ('HIGH', 'UNKNOWN')))
    from public.incidents i where i.organization_id = $1 and i.status not in ('resolved', 'closed')
$$;
comment on function private.standing is 'Incidents that are neither resolved nor closed: {live, needing_people, awaiting_approval, critical, high}.';

create function public.list_incidents(
    search text default '', statuses text[] default null, severities text[] default null, services text[] default null,
    since timestamptz default null, until timestamptz default null, fact text default null, mine boolean default false,
    skip int default 0, take int default 50
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    listed jsonb;
    counted int;
begin
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', i.id, 'external_id', i.external_id, 'source', i.source, 'service', i.service, 'severity', i.severity, 'status', i.status,
        'title', i.title, 'needs_human', i.needs_human, 'needs_human_reason', i.needs_human_reason, 'occurrences', i.occurrences,
        'submitted_by_name', i.submitted_by_name, 'created_at', i.created_at,
        'state', run.state, 'step', run.step, 'started_at', run.started_at, 'ended_at', run.ended_at, 'starting_since', start.created_at,
        'waits_for', private.waits_for(i.id, i.status, i.needs_human, coalesce(i.assigned_to, i.acknowledged_by), me)
    ) order by i.created_at desc, i.id), '[]') into listed
    from public.search_incidents(search, statuses, severities, skip, take, services, since, until, fact, mine) i
    left join lateral (
        select e.state, e.step, e.started_at, e.ended_at from public.executions e
        where e.incident_id = i.id and e.owns order by e.started_at desc limit 1) run on true
    left join lateral (
        select o.created_at from public.outbox o
        where o.incident_id = i.id and o.kind = 'start_run' and o.status = 'owed' order by o.created_at desc limit 1) start on true;
    -- Counting the whole of a long history would read the whole of it.
    execute 'select count(*) from (select from public.incidents i where ' || private.incident_filter(statuses, fact) || ' limit 1001) as found'
    into counted
    using me.organization_id, statuses, severities, services, since, until, private.pattern(search), case when mine then me.user_id end;
    return jsonb_build_object('now', clock_timestamp(), 'incidents', listed, 'count', least(counted, 1000), 'are_more', counted > 1000,
        'standing', private.standing(me.organization_id));
end $$;
comment on function public.list_incidents is
    'People: a page of what search_incidents finds, each with its latest run and for whom it waits. {now, incidents, count (at most 1,000), are_more, standing}.';

create function public.list_approvals(
    statuses text[] default null, outcomes text[] default null, services text[] default null, since timestamptz default null,
    until timestamptz default null, skip int default 0, take int default 50
) returns setof jsonb
language sql stable security definer set search_path = '' as $$
    select jsonb_build_object(
        'id', a.id, 'incident_id', a.incident_id, 'external_id', i.external_id, 'service', i.service, 'severity', i.severity, 'title', i.title,
        'summary', a.proposal_text::jsonb ->> 'statement', 'status', a.status, 'cause', a.cause, 'created_at', a.created_at,
        'deadline_at', a.deadline_at, 'requested_by_name', a.requested_by_name, 'decided_by_name', a.decided_by_name,
        'decided_at', a.decided_at, 'decision_reason', a.decision_reason, 'delivered_at', a.delivered_at,
        'outcome', a.outcome, 'outcome_reason', a.outcome_reason)
    from public.search_approvals(statuses, outcomes, services, since, until, skip, take) a
    join public.incidents i on i.id = a.incident_id
    order by a.created_at desc, a.id
$$;
comment on function public.list_approvals is
    'People: a page of what search_approvals finds, with what each is about, without its text. Set of {id, incident_id, external_id, service, severity, title, summary, status, …, outcome, outcome_reason}.';

-- Before a decision ----------------------------------------------------------------------------------------------

create function public.precedents(approval_id uuid, most int default 5) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    approval public.approvals := private.visible_approval(approval_id, me);
    about uuid;
    wanted text[];
    found jsonb;
begin
    select i.service_id into about from public.incidents i where i.id = approval.incident_id;
    select array_agg(distinct action ->> 'action') into wanted
    from jsonb_array_elements(approval.proposal_text::jsonb -> 'actions') as action;
    with lately as (
        select a.* from public.approvals a
        where a.organization_id = me.organization_id and a.decided_at is not null and a.decided_at < approval.created_at
        order by a.decided_at desc limit 500
    ), alike as (
        select a.id, a.status, a.decided_at, a.decided_by_name, a.decision_reason, a.outcome, a.outcome_reason, i.external_id, i.title,
            i.status as incident_status, row_number() over (order by a.decided_at desc) as place
        from lately a join public.incidents i on i.id = a.incident_id
        where i.service_id = about and exists (
            select from jsonb_array_elements(a.proposal_text::jsonb -> 'actions') as action where action ->> 'action' = any (wanted))
    )
    select jsonb_build_object(
        'count', count(*), 'approved', count(*) filter (where a.status = 'approved'), 'rejected', count(*) filter (where a.status = 'rejected'),
        'acted', count(*) filter (where a.outcome = 'acted'), 'failed', count(*) filter (where a.outcome in ('failed', 'unknown')),
        'decisions', coalesce(jsonb_agg(to_jsonb(a) - 'place' order by a.place) filter (where a.place <= least(greatest(most, 0), 50)), '[]'))
    into found from alike a;
    return found;
end $$;
comment on function public.precedents is
    'People: decisions of the past (among the latest 500) on the same service about one of the same actions, and what came of them. {count, approved, rejected, acted, failed, decisions: newest first}.';

-- Overview -------------------------------------------------------------------------------------------------------

create function private.attention(me public.profiles) returns setof jsonb
language sql stable set search_path = '' as $$
    with wanted as (
        select i.id from public.incidents i
        where i.organization_id = me.organization_id and i.needs_human and i.status not in ('resolved', 'closed')
        union
        select s.incident_id from public.escalations s where s.organization_id = me.organization_id and s.acknowledged_at is null
        union
        select e.incident_id from public.executions e
        where e.organization_id = me.organization_id and e.owns and e.state = 'FAILED' and e.ended_at > now() - interval '1 day'
    )
    select jsonb_build_object(
        'id', i.id, 'external_id', i.external_id, 'service', i.service, 'severity', i.severity, 'status', i.status, 'title', i.title,
        'reason', i.needs_human_reason, 'created_at', i.created_at,
        'holder', private.name_of(coalesce(i.assigned_to, i.acknowledged_by)),
        'is_mine', coalesce(coalesce(i.assigned_to, i.acknowledged_by) = me.user_id, false),
        'escalated_at', told.created_at, 'told_nobody', coalesce(told.told_nobody, false), 'told', coalesce(to_jsonb(told.told), '[]'),
        'failed_at', case when run.state = 'FAILED' then run.ended_at end, 'failed_step', case when run.state = 'FAILED' then run.step end,
        'since', coalesce(greatest(told.created_at, run.ended_at), i.updated_at, i.created_at))
    from wanted w
    join public.incidents i on i.id = w.id and i.status not in ('resolved', 'closed')
    left join lateral (
        select s.created_at, s.told_nobody, s.told from public.escalations s
        where s.incident_id = i.id and s.acknowledged_at is null order by s.created_at desc limit 1) told on true
    left join lateral (
        select e.state, e.step, e.ended_at from public.executions e
        where e.incident_id = i.id and e.owns order by e.started_at desc limit 1) run on true
    where i.needs_human or told.created_at is not null or run.state = 'FAILED'
    order by private.severity_rank(i.severity) desc, i.created_at
    limit 200
$$;
comment on function private.attention is 'Live incidents that need a person, with why: escalated and not acknowledged, failed, or as the incident says. Gravest first, at most 200.';

create function public.overview() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    return jsonb_build_object(
        'now', clock_timestamp(),
        'standing', private.standing(me.organization_id),
        'waiting', (select coalesce(jsonb_agg(w.approval order by w.approval ->> 'deadline_at'), '[]') from public.waiting_approvals() as w (approval)),
        'attention', (select coalesce(jsonb_agg(a.incident), '[]') from private.attention(me) as a (incident)),
        'stuck', (
            select coalesce(jsonb_agg(stuck.work), '[]') from (
                select jsonb_build_object('id', o.id, 'kind', o.kind, 'created_at', o.created_at, 'stuck_since', o.stuck_since, 'attempts', o.attempts,
                    'last_error', o.last_error, 'incident_id', i.id, 'title', i.title, 'service', i.service, 'severity', i.severity) as work
                from public.outbox o left join public.incidents i on i.id = o.incident_id
                where o.organization_id = me.organization_id and o.status = 'owed' and o.stuck_since is not null
                order by o.stuck_since limit 20) stuck),
        'last_decision', (
            select jsonb_build_object('id', a.id, 'status', a.status, 'by', a.decided_by_name, 'at', a.decided_at)
            from public.approvals a where a.organization_id = me.organization_id and a.decided_at is not null
            order by a.decided_at desc limit 1),
        'running', (
            select coalesce(jsonb_agg(run.line), '[]') from (
                select jsonb_build_object('incident_id', i.id, 'external_id', i.external_id, 'title', i.title, 'service', i.service,
                    'severity', i.severity, 'state', e.state, 'step', e.step, 'started_at', e.started_at, 'reported_at', e.reported_at) as line
                from public.executions e join public.incidents i on i.id = e.incident_id
                where e.organization_id = me.organization_id and e.owns and e.ended_at is null
                order by private.severity_rank(i.severity) desc, e.started_at limit 50) run),
        'starting', (
            select coalesce(jsonb_agg(start.line), '[]') from (
                select jsonb_build_object('incident_id', i.id, 'external_id', i.external_id, 'title', i.title, 'service', i.service,
                    'severity', i.severity, 'owed_since', o.created_at, 'last_error', o.last_error) as line
                from public.outbox o join public.incidents i on i.id = o.incident_id
                where o.organization_id = me.organization_id and o.status = 'owed' and o.kind = 'start_run'
                order by o.created_at limit 50) start),
        'alarms', private.open_alarms(),
        'worker_seen_at', (select max(w.beat_at) from private.workers w),
        'model', private.model_report(me.organization_id));
end $$;
comment on function public.overview is
    'People: what needs somebody, what runs, what was decided last. {now, standing, waiting (as waiting_approvals), attention, stuck, last_decision, running, starting, alarms, worker_seen_at, model}.';

create function private.open_alarms() returns jsonb
-- Not plain SQL: the table comes with a later migration.
language plpgsql stable set search_path = '' as $$
begin
    return (
        select coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'kind', a.kind, 'subject', a.subject, 'sentence', a.sentence, 'means', a.means,
            'to_do', a.to_do, 'raised_at', a.raised_at, 'seen_at', a.seen_at) order by a.raised_at), '[]')
        from public.alarms a where a.cleared_at is null);
end $$;
comment on function private.open_alarms is 'Alarms that are not over, oldest first.';

create function private.model_report(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    with lately as (
        select a.model, a.problem, a.updated_at from public.ai_analyses a
        where a.organization_id = $1 and a.created_at > now() - interval '1 day' and a.model is distinct from 'import'
        order by a.created_at desc limit 50
    )
    select jsonb_build_object(
        'asked', count(*), 'problems', count(*) filter (where l.problem is not null),
        'model', (select l2.model from lately l2 where l2.model is not null order by l2.updated_at desc limit 1),
        'answered_at', max(l.updated_at) filter (where l.problem is null),
        'problem_at', max(l.updated_at) filter (where l.problem is not null),
        'problem', (select l2.problem from lately l2 where l2.problem is not null order by l2.updated_at desc limit 1))
    from lately l
$$;
comment on function private.model_report is
    'How the model did in the last 24 hours (at most the latest 50 runs): {asked, problems, model, answered_at, problem_at, problem}.';

create function public.overview_trend() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    at timestamptz := now();
    -- Eight spans of 24 hours that end now; the last one is today.
    first timestamptz := at - interval '192 hours';
    today timestamptz := at - interval '24 hours';
begin
    return jsonb_build_object(
        'now', at,
        'reported', (
            select coalesce(jsonb_agg(jsonb_build_object('day', d.day, 'severity', d.severity, 'count', d.n)), '[]') from (
                select floor(extract(epoch from i.created_at - first) / 86400)::int as day, i.severity, count(*) as n
                from public.incidents i where i.organization_id = me.organization_id and i.created_at > first and i.created_at <= at
                group by 1, 2) d),
        'approved', (
            select private.paces(array_agg(extract(epoch from a.decided_at - a.created_at)::float8), array_agg(a.decided_at), first, today)
            from public.approvals a where a.organization_id = me.organization_id and a.decided_at > first and a.decided_at <= at),
        'resolved', (
            select private.paces(array_agg(extract(epoch from i.resolved_at - i.created_at)::float8), array_agg(i.resolved_at), first, today)
            from public.incidents i where i.organization_id = me.organization_id and i.resolved_at > first and i.resolved_at <= at));
end $$;
comment on function public.overview_trend is
    'People: the last 24 hours and the seven days before, by spans of 24 hours, oldest first (day 0 to 7). {now, reported: [{day, severity, count}], approved, resolved: paces}; decisions and resolutions count when they were made.';

create function private.paces(seconds float8[], ends timestamptz[], first timestamptz, today timestamptz) returns jsonb
language sql immutable set search_path = '' as $$
    with each as (
        select greatest(s.seconds, 0) as seconds, s.ended, least(floor(extract(epoch from s.ended - first) / 86400)::int, 7) as day
        from unnest(seconds, ends) as s (seconds, ended)
    )
    select jsonb_build_object(
        'today', (select percentile_cont(0.5) within group (order by e.seconds) from each e where e.ended > today),
        'today_count', (select count(*) from each e where e.ended > today),
        'before', (select percentile_cont(0.5) within group (order by e.seconds) from each e where e.ended <= today),
        'before_count', (select count(*) from each e where e.ended <= today),
        'days', (
            select jsonb_agg(m.median order by d.day) from generate_series(0, 7) as d (day)
            cross join lateral (select percentile_cont(0.5) within group (order by e.seconds) as median from each e where e.day = d.day) m))
$$;
comment on function private.paces is
    'Medians in seconds of what ended today, in the seven days before, and on each of the eight days: {today, today_count, before, before_count, days}; nulls where nothing ended.';

-- The desk itself ------------------------------------------------------------------------------------------------

create table private.workers (
    name text primary key check (length(name) between 1 and 200),
    started_at timestamptz not null,
    beat_at timestamptz not null default now(),
    version text not null default '' check (length(version) <= 100),
    trouble text check (length(trouble) <= 2000),
    facts jsonb not null default '{}' check (jsonb_typeof(facts) = 'object')
);
comment on table private.workers is 'Workers and when each was last heard of. Kept for a day after the last word.';

create function public.beat(worker text, started_at timestamptz, version text default '', trouble text default null, facts json default null) returns void
language sql security definer set search_path = '' as $$
    delete from private.workers w where w.beat_at < now() - interval '1 day';
    insert into private.workers as w (name, started_at, version, trouble, facts)
    values (left($1, 200), $2, left(coalesce($3, ''), 100), private.redact(left($4, 2000)),
        case when json_typeof($5) = 'object' then $5::jsonb else '{}' end)
    on conflict (name) do update set beat_at = now(), version = excluded.version, trouble = excluded.trouble, facts = excluded.facts
$$;
comment on function public.beat is 'Worker: it is alive, since when, of which version, and what troubles it now.';

create function private.newest_migration() returns text
language plpgsql stable set search_path = '' as $$
declare
    newest text;
begin
    -- Kept by whoever applied the migrations: incidentscribe migrate or the Supabase CLI.
    if to_regclass('supabase_migrations.schema_migrations') is not null then
        execute 'select max(version) from supabase_migrations.schema_migrations' into newest;
    end if;
    return newest;
end $$;
comment on function private.newest_migration is 'Version of the newest migration that was applied; null where nobody keeps count.';

create function private.rights_report() returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'tables', (select count(*) from pg_catalog.pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')),
        'unguarded', (
            select coalesce(jsonb_agg(c.relname order by c.relname), '[]') from pg_catalog.pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity),
        'open_to_anybody', (
            select coalesce(jsonb_agg(c.relname order by c.relname), '[]') from pg_catalog.pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
                and pg_catalog.has_table_privilege('anon', c.oid, 'select, insert, update, delete, truncate')),
        'written_past_functions', (
            select coalesce(jsonb_agg(c.relname order by c.relname), '[]') from pg_catalog.pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
                and pg_catalog.has_table_privilege('authenticated', c.oid, 'insert, update, delete, truncate')),
        'anybody_may_call', (
            select coalesce(jsonb_agg(p.proname order by p.proname), '[]') from pg_catalog.pg_proc p
            where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'pg_catalog.trigger'::regtype
                and pg_catalog.has_function_privilege('anon', p.oid, 'execute')))
$$;
comment on function private.rights_report is
    'Whether the guards stand: {tables, unguarded (no row level security), open_to_anybody, written_past_functions, anybody_may_call (functions)}.';

create function public.system_report() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    return jsonb_build_object(
        'now', clock_timestamp(),
        'schema_version', private.newest_migration(),
        'rights', private.rights_report(),
        'workers', (
            select coalesce(jsonb_agg(jsonb_build_object('name', w.name, 'started_at', w.started_at, 'beat_at', w.beat_at, 'version', w.version,
                'trouble', w.trouble, 'facts', w.facts) order by w.beat_at desc), '[]')
            from (select * from private.workers order by beat_at desc limit 20) w),
        'outbox', (
            select jsonb_build_object('owed', count(*), 'oldest_at', min(o.created_at), 'stuck', count(*) filter (where o.stuck_since is not null),
                'last_error', (select o2.last_error from public.outbox o2 where o2.organization_id = me.organization_id and o2.status = 'owed'
                    and o2.stuck_since is not null order by o2.stuck_since limit 1))
            from public.outbox o where o.organization_id = me.organization_id and o.status = 'owed'),
        'last_start_at', (
            select o.settled_at from public.outbox o where o.organization_id = me.organization_id and o.kind = 'start_run' and o.status = 'done'
            order by o.created_at desc limit 1),
        'alarms', private.open_alarms(),
        'instances', (
            select coalesce(jsonb_agg(jsonb_build_object('uuid', k.uuid, 'version', k.version, 'seen_at', k.seen_at, 'live_runs', (
                select count(*) from public.executions e where e.organization_id = me.organization_id and e.ended_at is null
                    and e.kestra_instance = k.uuid)) order by k.seen_at desc), '[]')
            from public.kestra_instances k),
        'config', (select coalesce(jsonb_agg(jsonb_build_object('key', c.key, 'value', c.value, 'updated_at', c.updated_at) order by c.key), '[]')
            from public.system_config c),
        'model', private.model_report(me.organization_id));
end $$;
comment on function public.system_report is
    'People: what the database knows of the desk''s own health. {now, schema_version, rights, workers, outbox (of the organization), last_start_at, alarms, instances, config, model}.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke all on private.workers from public, anon, authenticated, service_role;
revoke all on function
    public.list_incidents(text, text[], text[], text[], timestamptz, timestamptz, text, boolean, int, int),
    public.list_approvals(text[], text[], text[], timestamptz, timestamptz, int, int),
    public.precedents(uuid, int), public.overview(), public.overview_trend(), public.system_report(),
    public.beat(text, timestamptz, text, text, json)
    from public, anon, authenticated, service_role;
grant execute on function
    public.list_incidents(text, text[], text[], text[], timestamptz, timestamptz, text, boolean, int, int),
    public.list_approvals(text[], text[], text[], timestamptz, timestamptz, int, int),
    public.precedents(uuid, int), public.overview(), public.overview_trend(), public.system_report()
    to authenticated;
grant execute on function public.beat(text, timestamptz, text, text, json) to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
