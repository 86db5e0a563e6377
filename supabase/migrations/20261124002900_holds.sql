-- A database restored from a backup does not know what was done since. Its workers act on nothing until a person has looked.

create table public.holds (
    id bigint generated always as identity primary key,
    reason text not null check (length(reason) between 1 and 1000),
    begun_by text not null check (length(begun_by) between 1 and 200),
    began_at timestamptz not null default now(),
    released_at timestamptz,
    released_by uuid,
    released_by_name text check (length(released_by_name) <= 200),
    release_reason text check (length(release_reason) <= 1000),
    check ((released_at is null) = (release_reason is null))
);
create unique index holds_one_at_a_time on public.holds ((released_at is null)) where released_at is null;
comment on table public.holds is 'Times in which workers act on nothing: no start, no delivery, no command, no notice. One row each, of the whole installation.';
comment on column public.holds.id is 'Order of beginning.';
comment on column public.holds.reason is 'Why, in a sentence.';
comment on column public.holds.begun_by is 'The worker that found it, or the person who asked for it.';
comment on column public.holds.began_at is 'Since when.';
comment on column public.holds.released_at is 'When a person released it; null: it stands.';
comment on column public.holds.released_by is 'Who released it.';
comment on column public.holds.released_by_name is 'Their name at that time.';
comment on column public.holds.release_reason is 'What they found.';

create table public.forgotten_runs (
    kestra_execution_id text primary key check (length(kestra_execution_id) between 1 and 200),
    organization_id uuid references public.organizations (id),
    hold_id bigint not null references public.holds (id),
    kestra_instance text check (length(kestra_instance) <= 100),
    known boolean not null,
    run_id uuid,
    external_id text check (length(external_id) <= 200),
    service text check (length(service) <= 200),
    severity text check (length(severity) <= 40),
    title text check (length(title) <= 500),
    state text not null check (length(state) <= 40),
    started_at timestamptz,
    actions jsonb not null default '[]' check (jsonb_typeof(actions) = 'array'),
    found_at timestamptz not null default now()
);
create index forgotten_runs_of_an_organization on public.forgotten_runs (organization_id, started_at);
create index forgotten_runs_of_a_hold on public.forgotten_runs (hold_id);
comment on table public.forgotten_runs is 'Executions at Kestra with something that this database does not know, although it was once reported here.';
comment on column public.forgotten_runs.kestra_execution_id is 'Kestra''s id.';
comment on column public.forgotten_runs.organization_id is 'Whose it is: by its start, by what its input names, else the default organization.';
comment on column public.forgotten_runs.hold_id is 'The hold during which it was found.';
comment on column public.forgotten_runs.kestra_instance is 'The Kestra that has it.';
comment on column public.forgotten_runs.known is 'Whether the run itself is known here, and only what it carried out is not.';
comment on column public.forgotten_runs.run_id is 'The start it was made for, if the desk had asked for it.';
comment on column public.forgotten_runs.external_id is 'From its input.';
comment on column public.forgotten_runs.service is 'From its input.';
comment on column public.forgotten_runs.severity is 'From its input.';
comment on column public.forgotten_runs.title is 'From its input.';
comment on column public.forgotten_runs.state is 'Kestra''s state when it was found.';
comment on column public.forgotten_runs.started_at is 'When it began.';
comment on column public.forgotten_runs.actions is 'What it says to have carried out: [{action_key, outcome, verified, code}].';
comment on column public.forgotten_runs.found_at is 'When a worker found it.';

create function private.on_hold() returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.holds h where h.released_at is null)
$$;
comment on function private.on_hold is 'Whether workers act on nothing now.';

-- What a worker finds ----------------------------------------------------------------------------------------------

create function public.forgotten_executions(ids text[]) returns setof text
language sql stable security definer set search_path = '' as $$
    select given from unnest(ids) as given
    where not exists (select from public.executions e where e.kestra_execution_id = given)
        and not exists (select from public.forgotten_runs f where f.kestra_execution_id = given)
$$;
comment on function public.forgotten_executions is
    'Worker: those of these executions, which have all claimed an incident, that this database does not know and nobody has been told of.';

create function public.without_actions(ids text[]) returns setof text
language sql stable security definer set search_path = '' as $$
    select given from unnest(ids) as given join public.executions e on e.kestra_execution_id = given
    where not exists (select from public.action_runs r where r.execution_id = e.id)
        and not exists (select from public.forgotten_runs f where f.kestra_execution_id = given)
$$;
comment on function public.without_actions is
    'Worker: those of these executions, which have all carried out something, of which this database knows no action and nobody has been told.';

create function public.current_hold() returns jsonb
language sql stable security definer set search_path = '' as $$
    select jsonb_build_object('id', h.id, 'reason', h.reason, 'begun_by', h.begun_by, 'began_at', h.began_at,
        'runs', (select count(*) from public.forgotten_runs f where f.hold_id = h.id and not f.known),
        'acted', (select count(*) from public.forgotten_runs f where f.hold_id = h.id and f.actions <> '[]'))
    from public.holds h where h.released_at is null
$$;
comment on function public.current_hold is 'The hold that stands: {id, reason, begun_by, began_at, runs (forgotten), acted (of those and of known runs, with forgotten actions)}; null: none.';

create function private.note_forgotten(found jsonb, hold_id bigint) returns void
language sql set search_path = '' as $$
    insert into public.forgotten_runs (
        kestra_execution_id, organization_id, hold_id, kestra_instance, known, run_id, external_id, service, severity, title, state, started_at, actions)
    select left(f ->> 'kestra_execution_id', 200),
        coalesce(
            (select e.organization_id from public.executions e where e.kestra_execution_id = f ->> 'kestra_execution_id'),
            (select o.organization_id from public.outbox o where o.id = private.as_uuid(f ->> 'run_id')),
            (select o.id from public.organizations o where o.id = private.as_uuid(f ->> 'organization_id')),
            (select o.id from public.organizations o order by o.is_default desc, o.created_at limit 1)),
        hold_id, left(f ->> 'kestra_instance', 100),
        exists (select from public.executions e where e.kestra_execution_id = f ->> 'kestra_execution_id'),
        private.as_uuid(f ->> 'run_id'), left(f ->> 'external_id', 200), left(f ->> 'service', 200), left(f ->> 'severity', 40),
        private.redact(left(f ->> 'title', 500)), left(f ->> 'state', 40), (f ->> 'started_at')::timestamptz,
        case when jsonb_typeof(f -> 'actions') = 'array' then f -> 'actions' else '[]' end
    from jsonb_array_elements(found) as f
    where f ->> 'kestra_execution_id' is not null
    on conflict (kestra_execution_id) do nothing
$$;
comment on function private.note_forgotten is 'Lists executions with something this database does not know.';

create function private.hold_on(why text, by_whom text) returns public.holds
language plpgsql set search_path = '' as $$
declare
    hold public.holds;
begin
    insert into public.holds (reason, begun_by) values (left(why, 1000), left(by_whom, 200))
    on conflict ((released_at is null)) where released_at is null do nothing
    returning * into hold;
    if hold.id is null then
        select * into hold from public.holds h where h.released_at is null;
    end if;
    perform private.raise_alarm('on_hold', '', 'The workers are on hold: ' || hold.reason,
        'Nothing is started or delivered, no command and no notice is sent, and no action begins. What is submitted and decided is saved and waits.',
        'Stop and look: the System page lists what this database does not know any more. An administrator releases the hold there, or by incidentscribe hold release.');
    return hold;
end $$;
comment on function private.hold_on is 'Puts the workers on hold, unless they are.';

create function public.begin_hold(worker text, forgotten json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    hold public.holds;
begin
    if json_typeof(forgotten) is distinct from 'array' or json_array_length(forgotten) = 0 then
        perform private.fail(422, 'invalid', 'A worker begins a hold with what it found.');
    end if;
    hold := private.hold_on('Kestra has runs or actions that this database does not know, although they were reported here. It was probably restored from a backup.', worker);
    perform private.note_forgotten(forgotten::jsonb, hold.id);
    perform private.tell_everybody();
    return public.current_hold();
end $$;
comment on function public.begin_hold is
    'Worker: puts itself and all others on hold, with what this database does not know: [{kestra_execution_id, kestra_instance, run_id, organization_id, external_id, service, severity, title, state, started_at, actions}]. As current_hold.';

-- What a person does -----------------------------------------------------------------------------------------------

create function private.keeper() returns public.profiles
language plpgsql stable set search_path = '' as $$
declare
    me public.profiles := private.require_role('admin');
begin
    if exists (select from public.organizations o where o.is_default) and not exists (
            select from public.organizations o where o.id = me.organization_id and o.is_default) then
        perform private.fail(403, 'not_allowed', 'The hold is one of the whole installation: an administrator of its default organization holds and releases.');
    end if;
    return me;
end $$;
comment on function private.keeper is 'The person, if they may hold and release the workers of the whole installation: an admin of the default organization, or any admin where there is none.';

create function private.reason_of_hold(reason text) returns text
language plpgsql stable set search_path = '' as $$
begin
    if nullif(trim(reason), '') is null or length(reason) > 800 then
        perform private.fail(422, 'reason_required', 'Holding and releasing need a reason of at most 800 characters.',
            '{"fields": [{"field": "reason", "problem": "is missing or longer than 800 characters"}]}');
    end if;
    return trim(reason);
end $$;
comment on function private.reason_of_hold is 'The reason as it is kept, or 422.';

create function public.hold_workers(reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.keeper();
    why text := private.reason_of_hold(reason);
begin
    if private.on_hold() then
        perform private.fail(409, 'on_hold', 'The workers are on hold already.');
    end if;
    perform private.hold_on(why, me.display_name);
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'workers.held', 'holds', (public.current_hold() ->> 'id'), jsonb_build_object('reason', why));
    return public.current_hold();
end $$;
comment on function public.hold_workers is 'Admins of the default organization: from now on workers act on nothing. As current_hold. 409 on_hold, 422 reason_required.';

create function public.release_hold(reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.keeper();
    why text := private.reason_of_hold(reason);
    hold public.holds;
    forgotten record;
    incident public.incidents;
    withdrawn int := 0;
    cancelled int := 0;
    told text;
begin
    select * into hold from public.holds h where h.released_at is null for update;
    if hold.id is null then
        perform private.fail(409, 'not_on_hold', 'The workers are not on hold, or somebody else has just released them.');
    end if;
    for forgotten in
        select f.*, coalesce(o.incident_id, e.incident_id, named.id) as incident_id from public.forgotten_runs f
        left join public.outbox o on o.id = f.run_id and o.kind = 'start_run'
        left join public.executions e on e.kestra_execution_id = f.kestra_execution_id
        left join lateral (
            -- By webhook: the incident was here before, and its later run is not.
            select i.id from public.incidents i
            where i.organization_id = f.organization_id and i.external_id = f.external_id and i.status not in ('resolved', 'closed')
            limit 1) named on f.run_id is null
        where f.hold_id = hold.id and coalesce(o.incident_id, e.incident_id, named.id) is not null order by incident_id, f.kestra_execution_id
    loop
        select * into incident from public.incidents i where i.id = forgotten.incident_id for update;
        told := format('Execution %s at Kestra is %s; this database was restored from a time before that and does not know what it found and did%s.',
            forgotten.kestra_execution_id, forgotten.state,
            coalesce('. It says to have carried out: ' || (
                select string_agg(format('%s (%s)', a ->> 'action_key', a ->> 'outcome'), ', ') from jsonb_array_elements(forgotten.actions) as a), ''));
        -- The start was made in the time that is lost: made again, it could act again.
        update public.outbox o set status = 'withdrawn', settled_at = now(), lease_token = null, lease_until = null, last_error = left(told, 2000)
        where o.id = forgotten.run_id and o.kind = 'start_run' and o.status = 'owed';
        if found then
            withdrawn := withdrawn + 1;
        end if;
        -- It was decided and acted on in the time that is lost.
        if forgotten.known and forgotten.actions <> '[]' then
            update public.approvals a set status = 'cancelled', cause = left(told, 2000)
            where a.kestra_execution_id = forgotten.kestra_execution_id and a.status = 'pending';
            if found then
                cancelled := cancelled + 1;
            end if;
        end if;
        if incident.status not in ('resolved', 'closed') then
            perform private.needs_human(incident.id, told);
        end if;
        perform private.add_event(incident, 'run_forgotten', me.user_id, me.display_name,
            jsonb_build_object('kestra_execution_id', forgotten.kestra_execution_id, 'state', forgotten.state, 'actions', forgotten.actions));
    end loop;
    update public.holds h set released_at = now(), released_by = me.user_id, released_by_name = me.display_name, release_reason = why where h.id = hold.id;
    perform private.clear_alarms('on_hold');
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'workers.released', 'holds', hold.id::text,
        jsonb_build_object('reason', why, 'held_because', hold.reason, 'withdrawn_starts', withdrawn, 'cancelled_approvals', cancelled));
    return jsonb_build_object('withdrawn_starts', withdrawn, 'cancelled_approvals', cancelled);
end $$;
comment on function public.release_hold is
    'Admins of the default organization: workers act again. Starts that were made in the time that is lost are withdrawn, approvals that were acted on then are cancelled, and their incidents say so. {withdrawn_starts, cancelled_approvals}. 409 not_on_hold, 422 reason_required.';

-- What refuses during a hold ---------------------------------------------------------------------------------------

create or replace function public.take_outbox(worker text, kinds text[] default null, n int default 10, lease_seconds int default 30) returns setof jsonb
language sql security definer set search_path = '' as $$
    with due as (
        select o.id from public.outbox o
        where o.status = 'owed' and o.next_attempt_at <= now() and (o.lease_until is null or o.lease_until <= now())
            and not private.on_hold()
            and (kinds is null or o.kind = any (kinds))
            -- One row at a time per incident, oldest first, a kill before all others; notices hold up nothing.
            and (o.kind = 'notice' or not exists (
                select from public.outbox earlier
                where earlier.incident_id = o.incident_id and earlier.status = 'owed' and earlier.kind <> 'notice'
                    and (private.urgency(earlier), earlier.created_at, earlier.id) < (private.urgency(o), o.created_at, o.id)))
        order by private.urgency(o), o.created_at
        limit least(greatest(n, 0), 100)
        for update skip locked
    )
    update public.outbox o set
        leased_by = left(worker, 200), lease_token = gen_random_uuid(),
        lease_until = now() + make_interval(secs => least(greatest(lease_seconds, 1), 600))
    from due where o.id = due.id
    returning jsonb_build_object(
        'id', o.id, 'kind', o.kind, 'organization_id', o.organization_id, 'incident_id', o.incident_id, 'attempts', o.attempts,
        'lease_token', o.lease_token, 'payload', o.payload, 'detail', o.detail, 'created_at', o.created_at, 'stuck_since', o.stuck_since)
$$;
comment on function public.take_outbox is
    'Worker: leases up to n due rows, at most one per incident; none during a hold. Set of {id, kind, organization_id, incident_id, attempts, lease_token, payload, detail, created_at, stuck_since}.';

create or replace function public.expire_approvals() returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    due uuid;
    approval public.approvals;
    incident public.incidents;
    expired int := 0;
begin
    -- What was decided in the time that is lost does not become "nobody decided".
    if private.on_hold() then
        return jsonb_build_object('expired', 0);
    end if;
    for due in select a.id from public.approvals a where a.status = 'pending' and a.deadline_at <= now() order by a.deadline_at limit 100 loop
        select i.* into incident from public.incidents i join public.approvals a on a.incident_id = i.id where a.id = due for update of i;
        select * into approval from public.approvals a where a.id = due and a.status = 'pending' for update;
        continue when approval.id is null;
        update public.approvals a set status = 'expired', cause = 'Nobody decided before the deadline.' where a.id = due returning * into approval;
        perform private.owe_delivery(approval, null);
        perform private.needs_human(incident.id, 'Nobody decided before the deadline; nothing was carried out.');
        perform private.add_event(incident, 'expired', null, 'worker', jsonb_build_object('approval_id', approval.id));
        perform private.audit(approval.organization_id, null, 'worker', 'approval.expired', 'approvals', approval.id::text);
        expired := expired + 1;
    end loop;
    return jsonb_build_object('expired', expired);
end $$;
comment on function public.expire_approvals is 'Worker: pending approvals past their deadline become expired, never approved; the flow is told. None during a hold. {expired}.';

create function private.refuse_during_hold() returns trigger
language plpgsql set search_path = '' as $$
begin
    if private.on_hold() then
        perform private.fail(409, 'on_hold', 'Nothing is carried out: the workers are on hold, since this database may not know what was done already.');
    end if;
    return new;
end $$;
comment on function private.refuse_during_hold is 'Trigger: whatever is asked for, nothing begins while the workers are on hold.';
create trigger nothing_begins_during_a_hold before insert on public.action_runs
    for each row execute function private.refuse_during_hold();

-- Rights -----------------------------------------------------------------------------------------------------------

alter table public.holds enable row level security;
alter table public.forgotten_runs enable row level security;
create policy "people see the holds" on public.holds
    for select to authenticated using ((select private.my_organization()) is not null);
create policy "people see forgotten runs of their organization" on public.forgotten_runs
    for select to authenticated using (organization_id = (select private.my_organization()));
revoke all on public.holds, public.forgotten_runs from public, anon, authenticated, service_role;
revoke all on sequence public.holds_id_seq from public, anon, authenticated, service_role;
grant select on public.holds, public.forgotten_runs to authenticated, service_role;
revoke all on function
    public.forgotten_executions(text[]), public.without_actions(text[]), public.current_hold(), public.begin_hold(text, json),
    public.hold_workers(text), public.release_hold(text)
    from public, anon, authenticated, service_role;
grant execute on function
    public.forgotten_executions(text[]), public.without_actions(text[]), public.current_hold(), public.begin_hold(text, json)
    to service_role;
grant execute on function public.current_hold(), public.hold_workers(text), public.release_hold(text) to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
