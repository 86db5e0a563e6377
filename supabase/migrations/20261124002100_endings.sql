-- Every run reaches an end that people can read: what the flow could not report, the worker finds at Kestra.

-- Alarms -----------------------------------------------------------------------------------------------------------

create table public.alarms (
    id bigint generated always as identity primary key,
    kind text not null check (kind ~ '^[a-z_]{1,60}$'),
    subject text not null default '' check (length(subject) <= 100),
    sentence text not null check (length(sentence) between 1 and 500),
    means text not null check (length(means) <= 1000),
    to_do text not null check (length(to_do) <= 1000),
    raised_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    cleared_at timestamptz
);
create unique index alarms_one_of_a_kind on public.alarms (kind, subject) where cleared_at is null;
comment on table public.alarms is 'What is wrong with the installation as the worker sees it; one row for as long as it lasts.';
comment on column public.alarms.id is 'Order of raising.';
comment on column public.alarms.kind is 'kestra_unreachable, kestra_other (another instance answers), kestra_unknown_runs.';
comment on column public.alarms.subject is 'What it is about, such as the uuid of the Kestra that is missed.';
comment on column public.alarms.sentence is 'What is wrong.';
comment on column public.alarms.means is 'What it means for runs and decisions.';
comment on column public.alarms.to_do is 'What a person can do.';
comment on column public.alarms.raised_at is 'Since when.';
comment on column public.alarms.seen_at is 'When it was last found to be so.';
comment on column public.alarms.cleared_at is 'When it was over; null: it is so now.';

create table public.kestra_instances (
    uuid text primary key check (length(uuid) between 1 and 100),
    version text check (length(version) <= 100),
    first_seen_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
);
comment on table public.kestra_instances is 'Kestras that have answered at the desk''s address.';
comment on column public.kestra_instances.uuid is 'As its /configs says.';
comment on column public.kestra_instances.version is 'As its /configs says.';
comment on column public.kestra_instances.first_seen_at is 'When it answered first.';
comment on column public.kestra_instances.seen_at is 'When it answered last.';

create table private.execution_checks (
    execution_id uuid primary key references public.executions (id),
    checked_at timestamptz,
    missing_since timestamptz,
    missing_at timestamptz,
    missing_times int not null default 0,
    missing_instance text
);
comment on table private.execution_checks is
    'Live executions: when a worker last looked for each at Kestra, and since when Kestra says it knows none. Apart from executions, so that looking is no news.';

create function private.tell_everybody() returns void
language sql set search_path = '' as $$
    insert into private.news as known (organization_id, n) select o.id, 1 from public.organizations o order by o.id
    on conflict (organization_id) do update set n = known.n + 1
$$;
comment on function private.tell_everybody is 'Raises the counter of every organization.';

create function private.raise_alarm(of_kind text, about text, sentence text, means text, to_do text) returns void
language plpgsql set search_path = '' as $$
declare
    fresh boolean;
begin
    insert into public.alarms as a (kind, subject, sentence, means, to_do)
    values (of_kind, about, left($3, 500), left($4, 1000), left($5, 1000))
    on conflict (kind, subject) where cleared_at is null
        do update set seen_at = now(), sentence = excluded.sentence, means = excluded.means, to_do = excluded.to_do
    returning a.xmax = 0 into fresh;
    if fresh then
        perform private.tell_everybody();
    end if;
end $$;
comment on function private.raise_alarm is 'Raises an alarm, or says that it still is so.';

create function private.clear_alarms(kind text, still text[] default '{}') returns void
language plpgsql set search_path = '' as $$
begin
    update public.alarms a set cleared_at = now() where a.kind = $1 and a.cleared_at is null and not a.subject = any ($2);
    if found then
        perform private.tell_everybody();
    end if;
end $$;
comment on function private.clear_alarms is 'Ends the alarms of a kind, but for the subjects named.';

create function public.note_kestra_trouble(what text, means text default null, to_do text default null) returns void
language plpgsql security definer set search_path = '' as $$
begin
    -- Another worker that reaches it knows better.
    if exists (select from public.kestra_instances k where k.seen_at > now() - interval '15 seconds') then
        return;
    end if;
    perform private.raise_alarm('kestra_unreachable', '', coalesce(private.redact(what), 'Kestra cannot be used.'),
        concat_ws(' ', means, 'Runs are not followed; nothing is cancelled, and what is owed to Kestra waits.'),
        coalesce(to_do, 'Check the service, its address and its password.'));
end $$;
comment on function public.note_kestra_trouble is 'Worker: Kestra gave no usable answer for a while. One alarm; changes no run.';

create function public.note_kestra(kestra_instance text, version text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    known public.kestra_instances;
    missed text[];
    absent text;
    last_seen timestamptz;
begin
    insert into public.kestra_instances as k (uuid, version) values ($1, left($2, 100))
    on conflict (uuid) do update set seen_at = now(), version = excluded.version
    returning * into known;
    perform private.clear_alarms('kestra_unreachable');

    -- Gone from this address, unless another worker reaches it at another one.
    select coalesce(array_agg(distinct e.kestra_instance), '{}') into missed
    from public.executions e
    where e.ended_at is null and e.kestra_instance <> known.uuid
        and not exists (select from public.kestra_instances k where k.uuid = e.kestra_instance and k.seen_at > now() - interval '30 seconds');
    foreach absent in array missed loop
        select k.seen_at into last_seen from public.kestra_instances k where k.uuid = absent;
        perform private.raise_alarm('kestra_other', absent,
            format('Another Kestra answers: %s. Runs that are not over were begun on %s%s.', known.uuid, absent,
                coalesce(', last seen at ' || to_char(last_seen at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), '')),
            format('Those runs are not followed. Nothing of them is cancelled, and decisions on them wait for %s.', absent),
            format('If %s still exists, point KESTRA_URL at it again. If it is gone for good, an administrator says so on the System page, and its runs end as lost.', absent));
    end loop;
    perform private.clear_alarms('kestra_other', missed);

    if exists (select from private.execution_checks c join public.executions e on e.id = c.execution_id
            where e.ended_at is null and e.kestra_instance is null and c.missing_times >= 3 and c.missing_since < now() - interval '60 seconds') then
        perform private.raise_alarm('kestra_unknown_runs', '', 'Runs report here that no Kestra this desk has seen knows.',
            'They were begun on a Kestra at another address, or on one that was wiped at once. They are not followed, and nothing of them is cancelled.',
            'Point KESTRA_URL at the Kestra that runs them. If it is gone for good, an administrator says so on the System page, and these runs end as lost.');
    else
        perform private.clear_alarms('kestra_unknown_runs');
    end if;
    return jsonb_build_object('first_seen_at', known.first_seen_at, 'missed', to_jsonb(missed));
end $$;
comment on function public.note_kestra is
    'Worker: this Kestra answered. Raises or clears the alarm that runs belong to another one. {first_seen_at, missed: uuids of Kestras with live runs that answer nobody}.';

-- Looking ----------------------------------------------------------------------------------------------------------

create function public.take_checks(n int default 40, every_seconds int default 5) returns setof jsonb
language sql security definer set search_path = '' as $$
    delete from private.execution_checks c using public.executions e where e.id = c.execution_id and e.ended_at is not null;
    insert into private.execution_checks (execution_id)
    select e.id from public.executions e
    where e.ended_at is null and not exists (select from private.execution_checks c where c.execution_id = e.id)
    on conflict do nothing;

    with due as (
        select c.execution_id from private.execution_checks c
        where c.checked_at is null or c.checked_at <= now() - make_interval(secs => every_seconds)
        order by c.checked_at nulls first
        -- All of them within 45 seconds, as long as that is no more than two hundred a round: eight rounds, since some begin late.
        limit least(200, greatest(n, (select ceil(count(*) * greatest(every_seconds, 1) / 40.0) from private.execution_checks)))
        for update skip locked
    ), taken as (
        update private.execution_checks c set checked_at = now() from due where c.execution_id = due.execution_id
        returning c.execution_id, c.missing_times
    )
    select to_jsonb(e) || jsonb_build_object('missing_times', t.missing_times)
    from taken t join public.executions e on e.id = t.execution_id
    order by e.started_at
$$;
comment on function public.take_checks is
    'Worker: live executions to look for at Kestra now, those looked for longest ago first; no other worker gets the same. Rows of executions with missing_times.';

create or replace function public.note_execution(
    kestra_execution_id text, kestra_instance text default null, state text default null, step text default null, seen int default null
) returns void
language sql security definer set search_path = '' as $$
    update private.execution_checks c set missing_since = null, missing_at = null, missing_times = 0, missing_instance = null
    from public.executions e
    where e.id = c.execution_id and e.kestra_execution_id = note_execution.kestra_execution_id and c.missing_times > 0;
    update public.executions e set
        kestra_instance = coalesce(note_execution.kestra_instance, e.kestra_instance),
        state = case when note_execution.seen > e.history_length and e.ended_at is null then coalesce(note_execution.state, e.state) else e.state end,
        step = case when note_execution.seen > e.history_length and e.ended_at is null then coalesce(note_execution.step, e.step) else e.step end,
        history_length = greatest(e.history_length, coalesce(note_execution.seen, 0)),
        seen_at = now()
    where e.kestra_execution_id = note_execution.kestra_execution_id
$$;
comment on function public.note_execution is 'Worker: what it saw at Kestra; a shorter state history than the one known is older and changes no state.';

create function public.note_resumed(kestra_execution_id text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
    approval public.approvals;
begin
    select * into execution from public.executions e where e.kestra_execution_id = note_resumed.kestra_execution_id;
    select * into incident from public.incidents i where i.id = execution.incident_id for update;
    select * into execution from public.executions e where e.id = execution.id for update;
    select * into approval from public.approvals a where a.execution_id = execution.id and a.status = 'pending' for update;
    if approval.id is null or execution.ended_at is not null then
        return jsonb_build_object('cancelled', false);
    end if;
    update public.approvals a set status = 'cancelled', cause = 'The run was resumed in Kestra before anybody decided here.' where a.id = approval.id;
    perform private.needs_human(incident.id, 'The run was resumed in Kestra without a decision; nothing was carried out.');
    perform private.add_event(incident, 'resumed_by_hand', null, 'worker', jsonb_build_object('approval_id', approval.id));
    perform private.audit(incident.organization_id, null, 'worker', 'approval.cancelled', 'approvals', approval.id::text,
        jsonb_build_object('cause', 'resumed by hand'));
    return jsonb_build_object('cancelled', true);
end $$;
comment on function public.note_resumed is 'Worker: the pause was seen to have ended in Kestra; an approval still pending is cancelled. {cancelled}.';

-- Ends -------------------------------------------------------------------------------------------------------------

create or replace function private.owned_execution(kestra_execution_id text, step text) returns public.executions
language plpgsql set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
begin
    select * into execution from public.executions e where e.kestra_execution_id = owned_execution.kestra_execution_id;
    if execution.id is null then
        perform private.fail(409, 'not_owner', 'This execution never claimed an incident; open_run comes first.');
    end if;
    -- Everywhere in this order: incident, execution, approval, action.
    select * into incident from public.incidents i where i.id = execution.incident_id for update;
    select * into execution from public.executions e where e.id = execution.id for update;
    if not execution.owns then
        perform private.fail(409, 'not_owner', 'This execution does not own the incident: ' || coalesce(execution.problem, 'it was refused.'));
    end if;
    if execution.ended_at is not null then
        -- Restarted in Kestra: the same id goes on, if nobody took over and the incident still needs it.
        if incident.status in ('resolved', 'closed') or private.has_live_run(incident.id) or execution.state in ('KILLED', 'LOST') then
            perform private.fail(409, 'not_owner', format('This execution ended as %s and may not go on.', execution.state));
        end if;
        update public.executions set ended_at = null, problem = null where id = execution.id;
        perform private.add_event(incident, 'run_restarted', null, 'flow', jsonb_build_object('kestra_execution_id', execution.kestra_execution_id));
    end if;
    update public.executions e set state = 'RUNNING', step = owned_execution.step, reported_at = now()
    where e.id = execution.id returning * into execution;
    return execution;
end $$;
comment on function private.owned_execution is 'The execution, locked together with its incident, or 409 unless it owns the incident. Notes the step.';

create function private.ending(execution public.executions) returns text
language sql immutable set search_path = '' as $$
    select case
        when execution.state = 'KILLED' and execution.kill_requested_at is null and execution.superseded_at is null
            then 'The run was killed in Kestra; nobody asked for that at this desk.'
        when execution.state = 'LOST' then 'The run is lost: ' || coalesce(execution.problem, 'Kestra no longer knows it.')
        else private.end_sentence(execution.state, execution.problem) end
$$;
comment on function private.ending is 'What the end of this execution means, for people.';

create or replace function public.finish_run(kestra_execution_id text, state text, detail json default null, seen int default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
    run public.action_runs;
    errors text;
    already boolean;
    real_end timestamptz;
begin
    select * into execution from public.executions e where e.kestra_execution_id = finish_run.kestra_execution_id;
    if execution.id is null then
        return jsonb_build_object('known', false, 'incident_status', null, 'needs_human', null);
    end if;
    if state is null or state !~ '^[A-Z_]{1,40}$' then
        perform private.fail(422, 'invalid', 'A state is one of Kestra''s words.');
    end if;
    select * into incident from public.incidents i where i.id = execution.incident_id for update;
    select * into execution from public.executions e where e.id = execution.id for update;
    already := execution.ended_at is not null;

    if json_typeof(detail -> 'errors') = 'array' then
        select left(private.redact(string_agg(line, chr(10))), 8000) into errors
        from (select element #>> '{}' as line from json_array_elements(private.clean(detail -> 'errors')::json) as element limit 50) lines;
    end if;
    -- A worker that was away for a day tells when it really ended.
    real_end := greatest(execution.started_at, least(now(), coalesce((detail ->> 'ended_at')::timestamptz, now())));
    update public.executions e set
        state = finish_run.state, problem = coalesce(nullif(errors, ''), e.problem), ended_at = coalesce(e.ended_at, real_end),
        reported_at = now(), history_length = greatest(e.history_length, coalesce(finish_run.seen, 0))
    where e.id = execution.id returning * into execution;

    if not already then
        -- Also of a superseded run: what it had begun may have happened.
        for run in select * from public.action_runs r where r.execution_id = execution.id and r.status = 'begun' for update loop
            update public.action_runs r set status = 'unknown', finished_at = clock_timestamp() where r.id = run.id returning * into run;
            perform private.conclude_action(run);
        end loop;
    end if;
    if execution.owns and not already then
        perform private.cancel_pending(execution.id, private.ending(execution));
        update public.approvals a set outcome = 'not_carried_out', outcome_reason = case when a.nothing_to_carry_out
                then 'There was nothing to carry out.' else left(private.ending(execution), 2000) end
        where a.execution_id = execution.id and a.status = 'approved' and a.outcome is null;
        select * into incident from public.incidents i where i.id = incident.id;
        -- What a step said about this incident is more exact than what the end alone can say.
        if incident.status not in ('resolved', 'closed') and (not incident.needs_human or execution.state <> 'SUCCESS') then
            perform private.needs_human(incident.id, concat_ws(' ', private.ending(execution),
                case when incident.needs_human then incident.needs_human_reason end));
        end if;
        perform private.add_event(incident, 'run_ended', null, case when detail ->> 'by' = 'worker' then 'worker' else 'flow' end,
            jsonb_build_object('kestra_execution_id', execution.kestra_execution_id, 'state', execution.state));
    end if;
    select * into incident from public.incidents i where i.id = incident.id;
    return jsonb_build_object('known', true, 'incident_status', incident.status, 'needs_human', incident.needs_human);
end $$;
comment on function public.finish_run is
    'Flow and worker: the end of an execution; idempotent. A pending approval is cancelled, a begun action becomes unknown, the incident says what is left to do. detail: {errors, by, ended_at}. {known, incident_status, needs_human}.';

create function private.lose(kestra_execution_id text, why text) returns void
language plpgsql set search_path = '' as $$
begin
    perform public.finish_run($1, 'LOST', json_build_object('errors', json_build_array($2), 'by', 'worker'));
    -- What was owed to it would be tried for ever, and hold up whatever else this incident is owed.
    update public.outbox o set status = 'withdrawn', settled_at = now(), lease_token = null, lease_until = null, last_error = left('The run is lost: ' || $2, 2000)
    where o.status = 'owed' and o.kind in ('deliver_decision', 'command') and o.payload ->> 'kestra_execution_id' = $1;
end $$;
comment on function private.lose is 'Ends an execution as LOST, and what is owed to it.';

create function public.note_missing(kestra_execution_id text, kestra_instance text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    checked private.execution_checks;
begin
    select * into execution from public.executions e where e.kestra_execution_id = note_missing.kestra_execution_id and e.ended_at is null;
    if execution.id is null or (execution.kestra_instance is not null and execution.kestra_instance is distinct from note_missing.kestra_instance) then
        return jsonb_build_object('times', 0, 'lost', false);
    end if;
    insert into private.execution_checks as c (execution_id, checked_at, missing_since, missing_at, missing_times, missing_instance)
    values (execution.id, now(), now(), now(), 1, note_missing.kestra_instance)
    on conflict (execution_id) do update set
        -- Answers count only twenty seconds apart, and only of one instance.
        missing_times = case when c.missing_instance is distinct from excluded.missing_instance or c.missing_since is null then 1
            when c.missing_at <= now() - interval '20 seconds' then c.missing_times + 1 else c.missing_times end,
        missing_at = case when c.missing_instance is distinct from excluded.missing_instance or c.missing_since is null
            or c.missing_at <= now() - interval '20 seconds' then now() else c.missing_at end,
        missing_since = case when c.missing_instance is distinct from excluded.missing_instance then now() else coalesce(c.missing_since, now()) end,
        missing_instance = excluded.missing_instance
    returning * into checked;
    if execution.kestra_instance is null or checked.missing_times < 3 or checked.missing_since > now() - interval '60 seconds' then
        return jsonb_build_object('times', checked.missing_times, 'lost', false);
    end if;
    perform private.lose(execution.kestra_execution_id,
        'the Kestra that ran it no longer knows it. It was deleted there; what it was doing may or may not have happened.');
    return jsonb_build_object('times', checked.missing_times, 'lost', true);
end $$;
comment on function public.note_missing is
    'Worker: this Kestra knows no such execution. Said three times over a minute by the instance that ran it, the execution is lost; said by another one, nothing changes. {times, lost}.';

create function public.declare_kestra_gone(reason text, kestra_instance text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('admin');
    why text := nullif(trim(reason), '');
    execution public.executions;
    lost int := 0;
begin
    if why is null or length(why) > 1000 then
        perform private.fail(422, 'reason_required', 'Saying that a Kestra is gone needs a reason of at most 1,000 characters.',
            '{"fields": [{"field": "reason", "problem": "is missing or longer than 1,000 characters"}]}');
    end if;
    if exists (select from public.kestra_instances k where k.uuid = $2 and k.seen_at > now() - interval '60 seconds') then
        perform private.fail(409, 'alive', format('The Kestra %s answered less than a minute ago; it is not gone.', $2));
    end if;
    for execution in
        select e.* from public.executions e
        where e.organization_id = me.organization_id and e.ended_at is null and e.kestra_instance is not distinct from $2
            and ($2 is not null or exists (select from private.execution_checks c where c.execution_id = e.id and c.missing_times >= 3))
        order by e.incident_id
    loop
        perform private.lose(execution.kestra_execution_id, format('%s said that the Kestra that ran it is gone: %s', me.display_name, why));
        lost := lost + 1;
    end loop;
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'kestra.declared_gone', 'kestra_instances', coalesce($2, 'unknown'),
        jsonb_build_object('reason', why, 'lost', lost));
    return jsonb_build_object('lost', lost);
end $$;
comment on function public.declare_kestra_gone is
    'Admins: this Kestra (null: one that was never seen) will not come back, so the organization''s live runs on it end as lost. {lost}. 409 alive, 422 reason_required.';

-- Runs that failed before their claim ------------------------------------------------------------------------------

create function public.unknown_executions(ids text[]) returns setof text
language sql stable security definer set search_path = '' as $$
    select given from unnest(ids) as given
    where not exists (select from public.executions e where e.kestra_execution_id = given)
$$;
comment on function public.unknown_executions is 'Worker: those of these executions that never reported here.';

create function public.adopt_execution(
    kestra_execution_id text, payload json, state text, kestra_instance text default null, seen int default null, problem text default null
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    given jsonb := private.clean(payload);
    execution public.executions;
    incident public.incidents;
    run_id uuid;
begin
    if jsonb_typeof(given) = 'object' and exists (
            select from public.outbox o where o.id = private.as_uuid(given ->> 'run_id') and o.kind = 'start_run') then
        return jsonb_build_object('adopted', false, 'reason', 'The desk asked for it and looks after its start itself.');
    end if;
    incident := private.incident_of_webhook(given, kestra_execution_id);
    if incident.id is null then
        return jsonb_build_object('adopted', false, 'reason', 'No organization accepts direct webhooks.');
    end if;
    insert into public.executions (organization_id, incident_id, kestra_execution_id, kestra_instance, owns, state, step, history_length, problem, seen_at, ended_at)
    values (incident.organization_id, incident.id, $1, $4, false, $3, 'open_run', coalesce($5, 0),
        left(coalesce(private.redact($6), 'It ended before it could claim the incident.'), 8000), now(), now())
    on conflict on constraint executions_kestra_execution_id_key do nothing
    returning * into execution;
    if execution.id is null then
        -- It has reported in the meantime: this transaction must leave nothing behind.
        perform private.fail(409, 'known', 'This execution has reported by itself.');
    end if;
    -- Somebody who killed it did not want it to run; what it was about is kept all the same.
    if $3 = 'KILLED' then
        perform private.needs_human(incident.id, 'Its run was killed in Kestra before it could claim the incident; nothing was done.');
    elsif not private.has_live_run(incident.id) then
        run_id := private.owe_run(incident, null);
    end if;
    perform private.add_event(incident, 'run_failed_before_claim', null, 'worker',
        jsonb_build_object('kestra_execution_id', $1, 'state', $3, 'run_id', run_id));
    return jsonb_build_object('adopted', true, 'incident_id', incident.id, 'run_id', run_id);
end $$;
comment on function public.adopt_execution is
    'Worker: an execution that ended at Kestra before it could claim; its incident is filed from its input and, unless it was killed, a new run is owed. {adopted, reason, incident_id, run_id}. 409 known.';

-- Rights -----------------------------------------------------------------------------------------------------------

alter table public.alarms enable row level security;
alter table public.kestra_instances enable row level security;
create policy "people see the alarms" on public.alarms
    for select to authenticated using ((select private.my_organization()) is not null);
create policy "people see the Kestras" on public.kestra_instances
    for select to authenticated using ((select private.my_organization()) is not null);
revoke all on public.alarms, public.kestra_instances, private.execution_checks from public, anon, authenticated, service_role;
revoke all on sequence public.alarms_id_seq from public, anon, authenticated, service_role;
grant select on public.alarms, public.kestra_instances to authenticated, service_role;
revoke all on function
    public.note_kestra_trouble(text, text, text), public.note_kestra(text, text), public.take_checks(int, int),
    public.note_resumed(text), public.note_missing(text, text), public.declare_kestra_gone(text, text),
    public.unknown_executions(text[]), public.adopt_execution(text, json, text, text, int, text)
    from public, anon, authenticated, service_role;
grant execute on function
    public.note_kestra_trouble(text, text, text), public.note_kestra(text, text), public.take_checks(int, int),
    public.note_resumed(text), public.note_missing(text, text),
    public.unknown_executions(text[]), public.adopt_execution(text, json, text, text, int, text)
    to service_role;
grant execute on function public.declare_kestra_gone(text, text) to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
