-- The act: begun only by leave of the database, never twice, its outcome always recorded.

create table public.action_runs (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    execution_id uuid not null references public.executions (id),
    approval_id uuid references public.approvals (id),
    action_key text not null,
    action text not null,
    title text not null,
    nonce text not null check (length(nonce) between 8 and 100),
    request jsonb not null,
    verify jsonb not null,
    status text not null default 'begun' check (status in ('begun', 'acted', 'failed', 'unknown')),
    verified boolean,
    detail jsonb not null default '{}',
    begun_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    constraint finished_or_begun check ((status = 'begun') = (finished_at is null)),
    unique (execution_id, nonce)
);
create unique index action_runs_once_per_approval on public.action_runs (approval_id, action_key) where approval_id is not null;
create unique index action_runs_once_per_incident on public.action_runs (incident_id, action_key) where approval_id is null;
create index action_runs_by_execution on public.action_runs (execution_id, begun_at);
create index action_runs_by_organization on public.action_runs (organization_id, begun_at desc);
comment on table public.action_runs is 'Actions that were begun, by whose leave, and how they ended.';
comment on column public.action_runs.id is 'Identity; also the Idempotency-Key of the request.';
comment on column public.action_runs.organization_id is 'Tenant.';
comment on column public.action_runs.incident_id is 'The incident.';
comment on column public.action_runs.execution_id is 'The execution that began it.';
comment on column public.action_runs.approval_id is 'The approval it rests on; null: LOW, by rule.';
comment on column public.action_runs.action_key is 'Its key in the proposal.';
comment on column public.action_runs.action is 'Its key in the catalogue.';
comment on column public.action_runs.title is 'What it does, as people read it.';
comment on column public.action_runs.nonce is 'Made in the process that acts: the same one may fetch a lost answer, another one may not begin again.';
comment on column public.action_runs.request is 'The request as rendered: {method, url, headers, body}. Secrets by name only.';
comment on column public.action_runs.verify is 'How the effect is seen.';
comment on column public.action_runs.status is 'begun, acted, failed (surely did not happen), unknown (may or may not have happened).';
comment on column public.action_runs.verified is 'Whether the effect was seen; null: not looked.';
comment on column public.action_runs.detail is 'Answer code, body (cut), what the check saw.';
comment on column public.action_runs.begun_at is 'When leave was given.';
comment on column public.action_runs.finished_at is 'When the outcome was recorded.';

-- Leave ----------------------------------------------------------------------------------------------------------

create function private.leave(run public.action_runs, reason text) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_build_object(
        'allowed', true, 'reason', reason, 'action_key', run.action_key, 'action_run_id', run.id, 'idempotency_key', run.id,
        'nothing_left', false, 'request', run.request, 'verify', run.verify,
        'secrets', private.secret_names(run.request || jsonb_build_object('verify', run.verify)))
$$;
comment on function private.leave is 'What begin_action answers when the action may be carried out.';

create function private.no_leave(reason text, nothing_left boolean default false) returns jsonb
language sql immutable set search_path = '' as $$
    select jsonb_build_object('allowed', false, 'reason', reason, 'nothing_left', nothing_left, 'action_key', null,
        'action_run_id', null, 'idempotency_key', null, 'request', null, 'verify', null, 'secrets', '[]'::jsonb)
$$;
comment on function private.no_leave is 'What begin_action answers otherwise.';

create function private.refusal(incident public.incidents, approval public.approvals) returns text
language plpgsql stable set search_path = '' as $$
declare
    service public.services;
    organization public.organizations;
begin
    if incident.status in ('resolved', 'closed') then
        return format('The incident is %s.', incident.status);
    end if;
    if approval.id is not null then
        return case
            when approval.status <> 'approved' then format('The proposal is %s%s', approval.status,
                coalesce(': ' || coalesce(approval.decision_reason, approval.cause), '.'))
            when approval.content_hash <> encode(sha256(convert_to(approval.proposal_text, 'UTF8')), 'hex') then 'The proposal is not the text that was approved.'
            when not exists (select from public.approval_votes v where v.approval_id = approval.id and v.decision = 'approved'
                and v.content_hash = approval.content_hash) then 'Nobody approved this text.'
            when approval.outcome is not null then format('This approval already has its outcome: %s.', approval.outcome)
            when approval.decided_at < now() - interval '24 hours' then 'The approval is older than 24 hours.' end;
    end if;
    select * into service from public.services s where s.id = incident.service_id;
    select * into organization from public.organizations o where o.id = incident.organization_id;
    return case
        when incident.severity <> 'LOW' then format('A %s incident does not act without an approval.', incident.severity)
        when service.id is null then format('%s is no known service.', incident.service)
        when not service.auto_remediate then format('%s does not allow acting without a person.', service.name)
        when incident.source = 'webhook' and not organization.auto_remediate_direct_webhooks
            then 'Incidents that come by direct webhook may not act without a person.' end;
end $$;
comment on function private.refusal is 'Why nothing may be begun for this incident now; null: something may.';

create function public.begin_action(kestra_execution_id text, action_key text default null, nonce text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
    approval public.approvals;
    run public.action_runs;
    action jsonb;
    actions jsonb;
    refused text;
begin
    if coalesce(length(begin_action.nonce), 0) not between 8 and 100 then
        perform private.fail(422, 'invalid', 'A nonce has 8 to 100 characters.');
    end if;
    execution := private.owned_execution(kestra_execution_id, coalesce(
        (select 'carry_out_approved' from public.approvals a join public.executions e on e.id = a.execution_id
            where e.kestra_execution_id = begin_action.kestra_execution_id limit 1), 'auto_remediate_low'));
    select * into incident from public.incidents i where i.id = execution.incident_id;
    select * into approval from public.approvals a where a.execution_id = execution.id order by a.created_at desc limit 1 for update;

    select * into run from public.action_runs r where r.execution_id = execution.id and r.nonce = begin_action.nonce;
    if run.status = 'begun' then
        return private.leave(run, 'Begun before with this nonce; here is the answer again.');
    elsif run.id is not null then
        return private.no_leave('This action has its outcome already.');
    end if;

    if approval.status = 'pending' then
        update public.approvals a set status = 'cancelled', cause = 'The run was resumed in Kestra before anybody decided here.' where a.id = approval.id;
        perform private.needs_human(incident.id, 'The run was resumed in Kestra without a decision; nothing was carried out.');
        perform private.add_event(incident, 'resumed_by_hand', null, 'flow', jsonb_build_object('approval_id', approval.id));
        perform private.audit(incident.organization_id, null, 'flow', 'approval.cancelled', 'approvals', approval.id::text,
            jsonb_build_object('cause', 'resumed by hand'));
        return private.no_leave('The run was resumed without a decision, so nothing is carried out.');
    end if;
    select * into run from public.action_runs r where r.execution_id = execution.id order by r.begun_at desc limit 1;
    if run.status = 'acted' and run.verified and not private.actions_left(run) then
        return private.no_leave('Everything was carried out.', true);
    end if;
    if execution.kill_requested_at is not null then
        return private.no_leave('A person asked to kill this run.');
    end if;
    refused := private.refusal(incident, approval);
    if refused is not null then
        return private.no_leave(refused);
    end if;

    if approval.id is not null then
        actions := approval.proposal_text::jsonb -> 'actions';
    else
        select a.proposed_actions into actions from public.ai_analyses a where a.execution_id = execution.id;
    end if;
    if coalesce(actions, '[]') = '[]' then
        return private.no_leave('There is no usable action.', true);
    end if;
    if exists (select from public.action_runs r where r.execution_id = execution.id and (r.status <> 'acted' or r.verified is not true)) then
        return private.no_leave('The action before was not seen to have worked, so the rest is left.');
    end if;

    select element.value into action
    from jsonb_array_elements(actions) with ordinality as element (value, position)
    where case when begin_action.action_key is not null then element.value ->> 'key' = begin_action.action_key
        else not exists (
            select from public.action_runs r
            where r.action_key = element.value ->> 'key'
                and case when approval.id is not null then r.approval_id = approval.id
                    else r.approval_id is null and r.incident_id = incident.id end) end
    order by element.position
    limit 1;
    if action is null and begin_action.action_key is not null then
        return private.no_leave(format('%s is not in the proposal.', left(begin_action.action_key, 80)));
    elsif action is null then
        return private.no_leave('It was tried before for this incident.', true);
    end if;
    if not exists (select from public.actions c where c.service_id = incident.service_id and c.key = action ->> 'action' and c.active) then
        return private.no_leave(format('%s is not in the catalogue of %s.', action ->> 'action', incident.service));
    end if;
    if approval.id is null and action ->> 'risk' <> 'low' then
        return private.no_leave(format('%s has %s risk; only low risk acts without a person.', action ->> 'title', action ->> 'risk'));
    end if;

    insert into public.action_runs (
        organization_id, incident_id, execution_id, approval_id, action_key, action, title, nonce, request, verify)
    values (incident.organization_id, incident.id, execution.id, approval.id, action ->> 'key', action ->> 'action', action ->> 'title',
        begin_action.nonce, action -> 'request', action -> 'verify')
    on conflict do nothing
    returning * into run;
    if run.id is null then
        return private.no_leave(format('%s was begun before and never runs twice.', action ->> 'title'));
    end if;
    perform private.add_event(incident, 'action_begun', null, 'flow', jsonb_build_object('action_run_id', run.id, 'action_key', run.action_key));
    perform private.audit(incident.organization_id, null, 'flow', 'action.begun', 'action_runs', run.id::text,
        jsonb_build_object('approval_id', approval.id, 'content_hash', approval.content_hash, 'request', run.request));
    return private.leave(run, case when approval.id is not null then 'Approved by ' || approval.decided_by_name || '.' else 'LOW and allowed by rule.' end);
end $$;
comment on function public.begin_action is
    'Flow: leave for one action, directly before it; no key: the next one. The same nonce gets the same answer, nothing begins twice. Found pending, the approval is cancelled. {allowed, reason, action_key, action_run_id, idempotency_key, nothing_left, request, verify, secrets}.';

-- Outcome --------------------------------------------------------------------------------------------------------

create function private.actions_left(run public.action_runs) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select from jsonb_array_elements(coalesce(
            (select a.proposal_text::jsonb -> 'actions' from public.approvals a where a.id = run.approval_id),
            (select a.proposed_actions from public.ai_analyses a where a.execution_id = run.execution_id))) as proposed
        where not exists (select from public.action_runs r where r.execution_id = run.execution_id and r.action_key = proposed ->> 'key'))
$$;
comment on function private.actions_left is 'Whether the proposal of this action has actions not yet begun.';

create function private.action_sentence(run public.action_runs) returns text
language sql immutable set search_path = '' as $$
    select run.title || case
        when run.status = 'acted' and run.verified then ' was carried out and its effect was seen.'
        when run.status = 'acted' then ' was carried out; its effect could not be seen.'
        when run.status = 'failed' then format(' failed (HTTP %s); it did not happen.', coalesce(run.detail ->> 'code', 'unknown'))
        when run.status = 'unknown' then ' was begun and gave no answer: it may or may not have happened. Check.'
        else ' was begun.' end
$$;
comment on function private.action_sentence is 'How an action ended, for people.';

create function private.conclude_action(run public.action_runs) returns void
language plpgsql set search_path = '' as $$
declare
    incident public.incidents;
    worked boolean := run.status = 'acted' and run.verified is true;
begin
    select * into incident from public.incidents i where i.id = run.incident_id;
    if not worked or not private.actions_left(run) then
        update public.approvals a set outcome = run.status, outcome_reason = private.action_sentence(run)
        where a.id = run.approval_id and a.outcome is null;
    end if;
    if not worked then
        perform private.needs_human(incident.id, private.action_sentence(run));
    elsif not private.actions_left(run) and incident.status not in ('resolved', 'closed') then
        update public.incidents set status = 'resolved', needs_human = false, needs_human_reason = null where id = incident.id;
        perform private.add_event(incident, 'resolved', null, 'flow', jsonb_build_object('action_run_id', run.id));
    end if;
    perform private.add_event(incident, 'action_finished', null, 'flow',
        jsonb_build_object('action_run_id', run.id, 'status', run.status, 'verified', run.verified));
    perform private.audit(run.organization_id, null, 'flow', 'action.' || run.status, 'action_runs', run.id::text,
        jsonb_build_object('verified', run.verified));
end $$;
comment on function private.conclude_action is 'What an outcome means for approval and incident.';

create function public.finish_action(kestra_execution_id text, action_key text, nonce text, outcome text, detail json default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    run public.action_runs;
    found jsonb := case when json_typeof(finish_action.detail) = 'object' then private.clean(finish_action.detail) else '{}' end;
begin
    if outcome is null or outcome not in ('acted', 'failed', 'unknown') then
        perform private.fail(422, 'invalid', 'An outcome is acted, failed or unknown.');
    end if;
    select r.* into run
    from public.action_runs r join public.executions e on e.id = r.execution_id
    where e.kestra_execution_id = finish_action.kestra_execution_id and r.nonce = finish_action.nonce and r.action_key = finish_action.action_key;
    if run.id is null then
        perform private.fail(409, 'not_begun', 'No action was begun with this nonce.');
    end if;
    perform from public.incidents i where i.id = run.incident_id for update;
    select * into run from public.action_runs r where r.id = run.id for update;
    if run.status = 'begun' then
        update public.action_runs r set
            status = finish_action.outcome,
            verified = case when jsonb_typeof(found -> 'verified') = 'boolean' then (found ->> 'verified')::boolean end,
            detail = jsonb_strip_nulls(jsonb_build_object(
                'code', found -> 'code', 'seconds', found -> 'seconds',
                'body', private.redact(left(found ->> 'body', 2000)), 'verify_detail', private.redact(left(found ->> 'verify_detail', 2000)))),
            finished_at = clock_timestamp()
        where r.id = run.id returning * into run;
        perform private.conclude_action(run);
    end if;
    return jsonb_build_object('recorded', true);
end $$;
comment on function public.finish_action is 'Flow: records how a begun action ended; only with the nonce that began it. Done and verified resolves the incident. {recorded}.';

-- Handing over to people -----------------------------------------------------------------------------------------

create function public.escalate(kestra_execution_id text, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions := private.owned_execution(kestra_execution_id, 'escalate');
    incident public.incidents;
    escalation public.escalations;
    why text;
begin
    select * into incident from public.incidents i where i.id = execution.incident_id;
    why := left(coalesce(nullif(trim(reason), ''), format('%s incidents are handed to a person at once.', incident.severity)), 2000);
    insert into public.escalations (organization_id, incident_id, execution_id, reason, told_nobody)
    values (incident.organization_id, incident.id, execution.id, why, true)
    on conflict (execution_id) do nothing
    returning * into escalation;
    if escalation.id is not null then
        perform private.needs_human(incident.id, why);
        perform private.add_event(incident, 'escalated', null, 'flow', jsonb_build_object('reason', why, 'told', escalation.told, 'told_nobody', escalation.told_nobody));
        perform private.audit(incident.organization_id, null, 'flow', 'incident.escalated', 'incidents', incident.id::text, jsonb_build_object('reason', why));
    else
        select * into escalation from public.escalations s where s.execution_id = execution.id;
    end if;
    return jsonb_build_object('escalated', true, 'told', not escalation.told_nobody, 'reason', escalation.reason);
end $$;
comment on function public.escalate is 'Flow: hands the incident to people, once per execution. {escalated, told, reason}.';

-- Evidence of what happened --------------------------------------------------------------------------------------

create function private.outcome_evidence(execution public.executions) returns jsonb
language sql stable set search_path = '' as $$
    -- The model reads this, so people appear by their part, not by name.
    select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'at', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'text', text, 'source', source) order by at), '[]')
    from (
        select 'event' as kind, i.created_at as at,
            format('The incident was reported%s.', case when i.source = 'webhook' then ' by webhook' else ' at the desk' end) as text, 'incident:' || i.id as source
        from public.incidents i where i.id = execution.incident_id
        union all
        select 'event', a.created_at, 'The flow proposed: ' || (a.proposal_text::jsonb ->> 'statement'), 'approval_requested:' || a.id
        from public.approvals a where a.execution_id = execution.id
        union all
        select 'decision', coalesce(a.decided_at, a.created_at),
            case a.status
                when 'approved' then 'An approver approved the proposal' || coalesce(': ' || private.redact(a.decision_reason), '.')
                when 'rejected' then 'An approver rejected the proposal: ' || private.redact(a.decision_reason)
                else format('The proposal was not decided (%s): %s', a.status, coalesce(a.cause, 'no cause was recorded.')) end,
            'approval:' || a.id
        from public.approvals a where a.execution_id = execution.id and a.status <> 'pending'
        union all
        select 'action', coalesce(r.finished_at, r.begun_at), private.action_sentence(r), 'action:' || r.id
        from public.action_runs r where r.execution_id = execution.id
        union all
        select 'event', s.created_at, 'The incident was escalated: ' || s.reason, 'escalation:' || s.id
        from public.escalations s where s.execution_id = execution.id
    ) happened
$$;
comment on function private.outcome_evidence is 'What was reported, proposed, decided, done and escalated in this run, as evidence items.';

-- The end of a run -----------------------------------------------------------------------------------------------

create function private.end_sentence(state text, problem text) returns text
language sql immutable set search_path = '' as $$
    select case
        when state = 'SUCCESS' then 'The run has ended; a person has to look and resolve the incident.'
        when state = 'WARNING' then 'The run finished with a problem.'
        when state = 'KILLED' then 'The run was killed.'
        when state = 'FAILED' then 'The run failed' || coalesce(': ' || left(split_part(problem, chr(10), 1), 1000), '.')
        else format('The run ended as %s.', state) end
$$;
comment on function private.end_sentence is 'What the end of a run means, for people.';

create function public.finish_run(kestra_execution_id text, state text, detail json default null, seen int default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
    run public.action_runs;
    errors text;
    already boolean;
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
    update public.executions e set
        state = finish_run.state, problem = coalesce(nullif(errors, ''), e.problem), ended_at = coalesce(e.ended_at, now()),
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
        perform private.cancel_pending(execution.id, private.end_sentence(execution.state, execution.problem));
        update public.approvals a set outcome = 'not_carried_out', outcome_reason = case when a.nothing_to_carry_out
                then 'There was nothing to carry out.' else private.end_sentence(execution.state, execution.problem) end
        where a.execution_id = execution.id and a.status = 'approved' and a.outcome is null;
        select * into incident from public.incidents i where i.id = incident.id;
        -- What a step said about this incident is more exact than what the end alone can say.
        if incident.status not in ('resolved', 'closed') and (not incident.needs_human or execution.state <> 'SUCCESS') then
            perform private.needs_human(incident.id, concat_ws(' ', private.end_sentence(execution.state, execution.problem),
                case when incident.needs_human then incident.needs_human_reason end));
        end if;
        perform private.add_event(incident, 'run_ended', null, 'flow',
            jsonb_build_object('kestra_execution_id', execution.kestra_execution_id, 'state', execution.state));
    end if;
    select * into incident from public.incidents i where i.id = incident.id;
    return jsonb_build_object('known', true, 'incident_status', incident.status, 'needs_human', incident.needs_human);
end $$;
comment on function public.finish_run is
    'Flow and worker: the end of an execution; idempotent. A pending approval is cancelled, a begun action becomes unknown, the incident says what is left to do. {known, incident_status, needs_human}.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.action_runs enable row level security;
create policy "people see the actions of their organization" on public.action_runs
    for select to authenticated using (organization_id = (select private.my_organization()));
revoke all on public.action_runs from public, anon, authenticated, service_role;
grant select (id, organization_id, incident_id, execution_id, approval_id, action_key, action, title, request, verify, status, verified,
    detail, begun_at, finished_at) on public.action_runs to authenticated;
grant select on public.action_runs to service_role;
revoke all on function
    public.begin_action(text, text, text), public.finish_action(text, text, text, text, json), public.escalate(text, text),
    public.finish_run(text, text, json, int)
    from public, anon, authenticated, service_role;
grant execute on function
    public.begin_action(text, text, text), public.finish_action(text, text, text, text, json), public.escalate(text, text),
    public.finish_run(text, text, json, int)
    to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
