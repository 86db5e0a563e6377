-- What operators ask: sizes, notices, runs, rights as they are; and the settings that win over the environment.

-- Settings -------------------------------------------------------------------------------------------------------

alter table public.system_config add column from_environment boolean not null default false;
comment on column public.system_config.from_environment is
    'A worker wrote it, as its own environment has it, so that there is a row to change. It binds nobody; any change by a person makes it false.';

create or replace function private.note_config() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'DELETE' then
        perform private.audit(null, null, session_user::text, 'config.removed', 'system_config', old.key, jsonb_build_object('before', old.value));
        return old;
    end if;
    new.updated_at := now();
    new.from_environment := coalesce(current_setting('incidentscribe.first_config', true), '') = 'on';
    if tg_op = 'INSERT' then
        perform private.audit(null, null, session_user::text, 'config.added', 'system_config', new.key, jsonb_build_object('after', new.value));
    elsif (old.key, old.value) is distinct from (new.key, new.value) then
        perform private.audit(null, null, session_user::text, 'config.changed', 'system_config', new.key,
            jsonb_build_object('before', old.value, 'after', new.value));
    end if;
    return new;
end $$;

create function public.first_config(key text, value text) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if first_config.key is distinct from 'KESTRA_URL' then
        perform private.fail(422, 'invalid', 'Only KESTRA_URL has a first value from the environment.');
    end if;
    perform set_config('incidentscribe.first_config', 'on', true);
    -- Not by `on conflict`: the trigger audits a row before it finds out that there is one.
    update public.system_config c set value = first_config.value
    where c.key = first_config.key and c.from_environment and c.value <> first_config.value;
    if not exists (select from public.system_config c where c.key = first_config.key) then
        insert into public.system_config (key, value) values (first_config.key, first_config.value) on conflict do nothing;
    end if;
    perform set_config('incidentscribe.first_config', '', true);
end $$;
comment on function public.first_config is
    'Worker: the value its environment has, so that there is a row which a person can change. A row that a person wrote stays.';

-- Retention ------------------------------------------------------------------------------------------------------

alter table public.incidents add column emptied_at timestamptz;
comment on column public.incidents.emptied_at is
    'When log lines, metrics, context and the model''s raw answers were removed, as RETENTION_DAYS of system_config says; null: they are here.';
create index incidents_to_empty on public.incidents (coalesce(closed_at, resolved_at))
    where emptied_at is null and status in ('resolved', 'closed');

create function private.retention_days() returns int
language sql stable set search_path = '' as $$
    select c.value::int from public.system_config c where c.key = 'RETENTION_DAYS' and c.value ~ '^[1-9][0-9]{1,4}$' and c.value::int >= 30
$$;
comment on function private.retention_days is
    'So many days after its end an incident keeps what is bulky: RETENTION_DAYS of system_config, from 30 on; null: for ever, also for a value that is none.';

create function public.empty_incidents(n int default 100) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    days int := private.retention_days();
    emptied uuid[];
    each record;
begin
    if days is null then
        return jsonb_build_object('days', null, 'emptied', 0);
    end if;
    -- What somebody works on just now is left for the next time.
    with old as (
        select i.id from public.incidents i
        where i.emptied_at is null and i.status in ('resolved', 'closed') and coalesce(i.closed_at, i.resolved_at) < now() - make_interval(days => days)
        order by coalesce(i.closed_at, i.resolved_at) limit least(greatest(n, 1), 1000) for update skip locked),
    gone as (
        update public.incidents i set logs = '{}', metrics = '{}', context = '{}', emptied_at = now()
        from old where i.id = old.id returning i.id)
    select coalesce(array_agg(gone.id), '{}') into emptied from gone;
    update public.ai_analyses a set raw = '{}' where a.incident_id = any (emptied) and a.raw <> '{}';
    for each in
        select i.organization_id, jsonb_agg(i.external_id order by i.external_id) as names
        from public.incidents i where i.id = any (emptied) group by i.organization_id order by i.organization_id
    loop
        perform private.audit(each.organization_id, null, 'retention', 'incident.emptied', 'organizations', each.organization_id::text,
            jsonb_build_object('days', days, 'incidents', each.names));
    end loop;
    return jsonb_build_object('days', days, 'emptied', cardinality(emptied));
end $$;
comment on function public.empty_incidents is
    'Worker: removes log lines, metrics, context and raw answers of at most n incidents that ended RETENTION_DAYS ago. Title, description, events, evidence, decisions, actions, documents and the audit log stay. {days, emptied}; days is null where all is kept.';

create function private.retention_report(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'days', private.retention_days(),
        'written', (select c.value from public.system_config c where c.key = 'RETENTION_DAYS'),
        'emptied', count(*), 'last_at', max(i.emptied_at))
    from public.incidents i where i.emptied_at is not null and ($1 is null or i.organization_id = $1)
$$;
comment on function private.retention_report is
    'How long what is bulky is kept: {days (null: for ever), written (the setting as it stands), emptied (incidents so far), last_at}.';

-- Reports --------------------------------------------------------------------------------------------------------

create function private.sizes_report() returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'database_bytes', pg_catalog.pg_database_size(current_database()),
        'tables', (
            select coalesce(jsonb_agg(jsonb_build_object('table', c.relname, 'bytes', pg_catalog.pg_total_relation_size(c.oid),
                'rows', greatest(c.reltuples::bigint, pg_catalog.pg_stat_get_live_tuples(c.oid))) order by pg_catalog.pg_total_relation_size(c.oid) desc, c.relname), '[]')
            from pg_catalog.pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relname in (
                'incidents', 'incident_events', 'executions', 'approvals', 'ai_analyses', 'postmortem_versions', 'outbox', 'audit_log')))
$$;
comment on function private.sizes_report is
    'How big it is: {database_bytes, tables: [{table, bytes (with indexes), rows (Postgres''s own estimate)}]}, biggest first.';

create function private.notices_report(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'wanted', (
            select coalesce(jsonb_agg(distinct r.channel), '[]') from public.notice_rules r where $1 is null or r.organization_id = $1),
        'owed', count(*) filter (where o.status = 'owed'),
        'oldest_at', min(o.created_at) filter (where o.status = 'owed' and o.attempts > 0),
        'last_error', (
            select o2.last_error from public.outbox o2
            where o2.kind = 'notice' and o2.status = 'owed' and o2.last_error is not null and ($1 is null or o2.organization_id = $1)
            order by o2.created_at desc limit 1),
        'last_sent_at', max(o.settled_at) filter (where o.status = 'done' and o.detail ? 'sent'))
    from public.outbox o where o.kind = 'notice' and ($1 is null or o.organization_id = $1)
$$;
comment on function private.notices_report is
    'Notices of an organization, of all for null: {wanted (channels), owed, oldest_at (of those that failed), last_error, last_sent_at}.';

create function private.runs_report(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    with lately as (
        select e.* from public.executions e
        where ($1 is null or e.organization_id = $1) and e.owns and e.ended_at > now() - interval '1 day'
            and not exists (select from public.incidents i where i.id = e.incident_id and i.source = 'import')
        order by e.ended_at desc limit 200
    )
    select jsonb_build_object(
        'ended', count(*),
        'failed', count(*) filter (where l.state in ('FAILED', 'LOST')),
        'problem_at', max(l.ended_at) filter (where l.state in ('FAILED', 'LOST')),
        'problem', (
            select left(l2.problem, 500) from lately l2 where l2.state in ('FAILED', 'LOST') and l2.problem is not null order by l2.ended_at desc limit 1),
        'kestra_execution_id', (
            select l2.kestra_execution_id from lately l2 where l2.state in ('FAILED', 'LOST') and l2.problem is not null order by l2.ended_at desc limit 1),
        'live', (select count(*) from public.executions e where ($1 is null or e.organization_id = $1) and e.ended_at is null))
    from lately l
$$;
comment on function private.runs_report is
    'Runs that ended in the last 24 hours (at most the latest 200) and how the last failed one says it failed: {ended, failed, problem, problem_at, kestra_execution_id, live}.';

create function private.outbox_report(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('owed', count(*), 'oldest_at', min(o.created_at), 'stuck', count(*) filter (where o.stuck_since is not null),
        'last_error', (
            select o2.last_error from public.outbox o2
            where ($1 is null or o2.organization_id = $1) and o2.status = 'owed' and o2.stuck_since is not null order by o2.stuck_since limit 1))
    from public.outbox o where ($1 is null or o.organization_id = $1) and o.status = 'owed'
$$;
comment on function private.outbox_report is 'Work that an organization, or for null anybody, is owed: {owed, oldest_at, stuck, last_error}.';

create function private.parts_report(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'now', clock_timestamp(),
        'schema_version', private.newest_migration(),
        'rights', private.rights_report(),
        'workers', (
            select coalesce(jsonb_agg(jsonb_build_object('name', w.name, 'started_at', w.started_at, 'beat_at', w.beat_at, 'version', w.version,
                'trouble', w.trouble, 'facts', w.facts) order by w.beat_at desc), '[]')
            from (select * from private.workers order by beat_at desc limit 20) w),
        'outbox', private.outbox_report($1),
        'last_start_at', (
            select max(o.settled_at) from public.outbox o where ($1 is null or o.organization_id = $1) and o.kind = 'start_run' and o.status = 'done'),
        'alarms', private.open_alarms(),
        'instances', (
            select coalesce(jsonb_agg(jsonb_build_object('uuid', k.uuid, 'version', k.version, 'seen_at', k.seen_at, 'live_runs', (
                select count(*) from public.executions e where ($1 is null or e.organization_id = $1) and e.ended_at is null
                    and e.kestra_instance = k.uuid)) order by k.seen_at desc), '[]')
            from public.kestra_instances k),
        'config', (
            select coalesce(jsonb_agg(jsonb_build_object('key', c.key, 'value', c.value, 'updated_at', c.updated_at,
                'from_environment', c.from_environment) order by c.key), '[]')
            from public.system_config c),
        'notices', private.notices_report($1),
        'runs', private.runs_report($1),
        'sizes', private.sizes_report(),
        'retention', private.retention_report($1))
$$;
comment on function private.parts_report is 'What System shows and doctor prints, of one organization or, for null, of the whole installation.';

create or replace function public.system_report() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    return private.parts_report(me.organization_id) || jsonb_build_object('model', private.model_report(me.organization_id));
end $$;
comment on function public.system_report is
    'People: what the database knows of the desk''s own health. {now, schema_version, rights, workers, outbox, last_start_at, alarms, instances, config, model, notices, runs, sizes, retention}; what belongs to an organization is of theirs.';

create function private.privileges_report() returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    -- `maintain` is younger than the oldest Postgres that a Supabase may have.
    on_tables text[] := array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']
        || case when current_setting('server_version_num')::int >= 170000 then array['maintain'] else '{}' end;
    found jsonb;
begin
    with objects (kind, oid, name, part, place, privileges) as (
        select 'schema', n.oid, n.nspname::text, '', 0, array['usage', 'create']
        from pg_catalog.pg_namespace n where n.nspname in ('public', 'private')
        union all
        select 'table', c.oid, c.oid::regclass::text, '', 0, on_tables from pg_catalog.pg_class c
        where c.relnamespace::regnamespace::text in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'f')
        union all
        select 'column', a.attrelid, a.attrelid::regclass::text, a.attname::text, a.attnum, array['select', 'insert', 'update', 'references']
        from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
        where a.attnum > 0 and not a.attisdropped
            and c.relnamespace::regnamespace::text in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'f')
        union all
        select 'sequence', c.oid, c.oid::regclass::text, '', 0, array['usage', 'select', 'update'] from pg_catalog.pg_class c
        where c.relnamespace::regnamespace::text in ('public', 'private') and c.relkind = 'S'
        union all
        select 'function', p.oid, p.oid::regprocedure::text, '', 0, array['execute'] from pg_catalog.pg_proc p
        where p.pronamespace::regnamespace::text in ('public', 'private')
    )
    select jsonb_agg(jsonb_build_array(o.kind, o.name, o.part,
        private.privileges_of('anon', o.kind, o.oid, o.place, o.privileges),
        private.privileges_of('authenticated', o.kind, o.oid, o.place, o.privileges),
        private.privileges_of('service_role', o.kind, o.oid, o.place, o.privileges))) into found
    from objects o;
    return found;
end $$;
comment on function private.privileges_report is
    'What each role of the API may do on every schema, table, column, sequence and function of ours, as supabase/privileges.csv has it: [[kind, object, column, anon, authenticated, service_role]].';

create function private.privileges_of(role text, kind text, object oid, place int, privileges text[]) returns text
language sql stable set search_path = '' as $$
    select coalesce(string_agg(p, ' ' order by p), '-') from unnest(privileges) as p
    where case kind
        when 'schema' then pg_catalog.has_schema_privilege(role, object, p)
        when 'table' then pg_catalog.has_table_privilege(role, object, p)
        when 'column' then pg_catalog.has_column_privilege(role, object, place::smallint, p)
        when 'sequence' then pg_catalog.has_sequence_privilege(role, object, p)
        else pg_catalog.has_function_privilege(role, object, p) end
$$;
comment on function private.privileges_of is 'Those of the privileges that a role has on an object, in order of their names; - for none.';

create function public.doctor_report() returns jsonb
language sql stable security definer set search_path = '' as $$
    select private.parts_report(null)
        || jsonb_build_object('model', private.model_report(null), 'privileges', private.privileges_report())
$$;
comment on function public.doctor_report is
    'Doctor, with the service key: as system_report, of the whole installation, and {privileges} to compare with supabase/privileges.csv.';

create function public.metrics_report() returns jsonb
language sql stable security definer set search_path = '' as $$
    select jsonb_build_object(
        'outbox', (
            select jsonb_agg(jsonb_build_object('kind', k.kind, 'owed', k.owed, 'stuck', k.stuck, 'oldest_seconds', k.oldest) order by k.kind)
            from (
                select kinds.kind, count(o.id) as owed, count(o.stuck_since) as stuck,
                    coalesce(extract(epoch from clock_timestamp() - min(o.created_at)), 0)::float8 as oldest
                from unnest(array['start_run', 'deliver_decision', 'command', 'notice']) as kinds (kind)
                left join public.outbox o on o.kind = kinds.kind and o.status = 'owed'
                group by kinds.kind) k),
        'approvals', (select coalesce(jsonb_object_agg(a.status, a.n), '{}') from (select status, count(*) as n from public.approvals group by status) a),
        'runs_live', (select count(*) from public.executions e where e.ended_at is null),
        'incidents_open', (select count(*) from public.incidents i where i.status not in ('resolved', 'closed')))
$$;
comment on function public.metrics_report is
    'Worker: numbers of the whole installation for Prometheus. {outbox: [{kind, owed, stuck, oldest_seconds}], approvals: {status: n}, runs_live, incidents_open}.';

create or replace function private.model_report(organization_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    with lately as (
        select a.model, a.problem, a.updated_at from public.ai_analyses a
        where ($1 is null or a.organization_id = $1) and a.created_at > now() - interval '1 day' and a.model is distinct from 'import'
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

-- Rights ---------------------------------------------------------------------------------------------------------

revoke all on function public.first_config(text, text), public.doctor_report(), public.metrics_report(), public.empty_incidents(int) from public, anon, authenticated, service_role;
grant execute on function public.first_config(text, text), public.doctor_report(), public.metrics_report(), public.empty_incidents(int) to service_role;
revoke all on function
    private.retention_days(), private.retention_report(uuid), private.sizes_report(), private.notices_report(uuid), private.runs_report(uuid), private.outbox_report(uuid), private.parts_report(uuid),
    private.privileges_report(), private.privileges_of(text, text, oid, int, text[])
    from public, anon, authenticated, service_role;
