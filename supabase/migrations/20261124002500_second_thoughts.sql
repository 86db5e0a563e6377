-- Second thoughts: a proposal that is edited, and a decision that is withdrawn. Neither changes an approval that is
-- there: each makes a new one that supersedes it.

alter table public.approvals add column edit_reason text check (length(edit_reason) <= 2000);
comment on column public.approvals.edit_reason is 'Why it was edited; null: it is as the flow asked, or as it was before a withdrawal.';
create unique index approvals_one_successor on public.approvals (supersedes) where supersedes is not null;

create function private.supersede(
    old public.approvals, incident public.incidents, written text, is_nothing boolean, editors uuid[], reason text
) returns public.approvals
language plpgsql set search_path = '' as $$
declare
    approval public.approvals;
    minutes int;
    first_asked timestamptz;
begin
    select s.minutes_to_decide into minutes from public.services s where s.id = incident.service_id;
    select min(a.created_at) into first_asked from public.approvals a where a.execution_id = old.execution_id;
    insert into public.approvals (
        organization_id, incident_id, execution_id, kestra_execution_id, proposal_text, content_hash, nothing_to_carry_out, supersedes,
        deadline_at, requested_by, requested_by_name, self_approval_allowed, editors, edit_reason, created_at)
    values (
        old.organization_id, old.incident_id, old.execution_id, old.kestra_execution_id, written,
        encode(sha256(convert_to(written, 'UTF8')), 'hex'), is_nothing, old.id,
        -- A second thought takes no time from the next one who decides; the flow waits for seven days.
        greatest(old.deadline_at, least(clock_timestamp() + make_interval(mins => coalesce(minutes, 60)), first_asked + interval '6 days 23 hours')),
        old.requested_by, old.requested_by_name, old.self_approval_allowed, editors, reason, clock_timestamp())
    returning * into approval;
    update public.incidents i set status = 'awaiting_approval', needs_human = false, needs_human_reason = null where i.id = incident.id;
    if cardinality(private.deciders(approval)) = 0 then
        perform private.needs_human(incident.id,
            'Approval is needed and no active person may decide: an admin has to change the rule or add a person.');
        update public.incidents i set status = 'awaiting_approval' where i.id = incident.id;
    end if;
    return approval;
end $$;
comment on function private.supersede is 'A new pending approval in place of one that was just cancelled. The caller holds the locks of incident and old approval.';

create function public.edit_proposal(approval_id uuid, proposal json, content_hash text, reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    old public.approvals := private.visible_approval(approval_id, me);
    incident public.incidents;
    approval public.approvals;
    objection record;
    wanted jsonb;
    rendered jsonb;
    written text;
    why text := nullif(trim(reason), '');
begin
    if why is null or length(why) > 2000 then
        perform private.fail(422, 'reason_required', 'An edit needs a reason of at most 2,000 characters.', jsonb_build_object('fields', jsonb_build_array(
            jsonb_build_object('field', 'reason', 'problem', case when why is null then 'is missing' else 'is too long' end))));
    end if;
    select * into incident from public.incidents i where i.id = old.incident_id for update;
    select * into old from public.approvals a where a.id = old.id for update;
    perform private.refuse_decided(old);
    objection := private.objection(old, me);
    -- An editor may go on editing what they may not decide on any more.
    if objection.code is not null and not (objection.code = 'four_eyes' and me.user_id = any (old.editors)
        and me.user_id is distinct from incident.submitted_by and me.user_id is distinct from old.requested_by) then
        perform private.fail(403, objection.code, objection.sentence);
    end if;
    if clock_timestamp() >= old.deadline_at then
        perform private.fail(409, 'expired', format('The time to decide ended at %s UTC.', to_char(old.deadline_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
            jsonb_build_object('at', old.deadline_at, 'decision', 'expired'));
    end if;
    if content_hash is distinct from old.content_hash then
        perform private.fail(409, 'stale_content', 'The proposal is not the one you saw; read it again before you edit it.');
    end if;
    wanted := private.clean(proposal);
    if jsonb_typeof(wanted) is distinct from 'array' or jsonb_array_length(wanted) > 5 then
        perform private.fail(422, 'invalid', 'A proposal is a list of at most five actions.');
    end if;
    rendered := private.render_actions(incident.service_id, wanted);
    if rendered -> 'problems' <> '[]' then
        perform private.fail(422, 'invalid', 'The edited proposal does not fit the catalogue.', jsonb_build_object('fields',
            (select jsonb_agg(jsonb_build_object('field', 'actions', 'problem', problem)) from jsonb_array_elements_text(rendered -> 'problems') problem)));
    end if;
    if rendered -> 'actions' = old.proposal_text::jsonb -> 'actions' then
        perform private.fail(422, 'invalid', 'Nothing was changed.');
    end if;
    written := jsonb_pretty(old.proposal_text::jsonb || jsonb_build_object(
        'statement', private.proposal_statement(rendered -> 'actions', incident.service),
        'nothing_to_carry_out', rendered -> 'actions' = '[]',
        'actions', rendered -> 'actions', 'problems', '[]'::jsonb,
        'edited', jsonb_build_object('by', me.display_name, 'reason', why, 'of', old.content_hash)));

    update public.approvals a set status = 'cancelled', cause = format('%s edited it; the edited proposal waits for somebody else.', me.display_name)
    where a.id = old.id;
    approval := private.supersede(old, incident, written, rendered -> 'actions' = '[]',
        (select array_agg(distinct e) from unnest(old.editors || me.user_id) e), why);
    perform private.add_event(incident, 'proposal_edited', me.user_id, me.display_name, jsonb_build_object(
        'approval_id', approval.id, 'supersedes', old.id, 'reason', why, 'content_hash', approval.content_hash));
    perform private.audit(old.organization_id, me.user_id, me.display_name, 'approval.edited', 'approvals', approval.id::text, jsonb_build_object(
        'supersedes', old.id, 'was', old.content_hash, 'content_hash', approval.content_hash, 'reason', why));
    return jsonb_build_object('approval_id', approval.id, 'content_hash', approval.content_hash, 'deadline_at', approval.deadline_at);
end $$;
comment on function public.edit_proposal is
    'People who may decide: another list of actions [{action, parameters, reason}] from the catalogue, as a new approval that supersedes this one and that they do not decide on. {approval_id, content_hash, deadline_at}. Refused as decide_approval refuses; 422 with `fields` for what does not fit.';

create function public.withdraw_decision(approval_id uuid, reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    old public.approvals := private.visible_approval(approval_id, me);
    incident public.incidents;
    execution public.executions;
    approval public.approvals;
    owed public.outbox;
    why text := nullif(trim(reason), '');
begin
    if why is null or length(why) > 2000 then
        perform private.fail(422, 'reason_required', 'Withdrawing needs a reason of at most 2,000 characters.', jsonb_build_object('fields', jsonb_build_array(
            jsonb_build_object('field', 'reason', 'problem', case when why is null then 'is missing' else 'is too long' end))));
    end if;
    select * into incident from public.incidents i where i.id = old.incident_id for update;
    select * into execution from public.executions e where e.id = old.execution_id for update;
    select * into old from public.approvals a where a.id = old.id for update;
    if old.status not in ('approved', 'rejected') then
        perform private.fail(409, 'not_decided', format('There is no decision to withdraw: this approval is %s.', old.status));
    end if;
    if old.decided_by is distinct from me.user_id then
        perform private.fail(403, 'not_approver', format('%s decided this, and only they can withdraw it.', old.decided_by_name));
    end if;
    if old.delivered_at is not null or old.outcome is not null or execution.ended_at is not null then
        perform private.fail(409, 'delivered', 'The decision was delivered; it cannot be withdrawn any more.');
    end if;
    if exists (select from public.action_runs r where r.execution_id = old.execution_id) then
        perform private.fail(409, 'delivered', 'An action was begun; the decision cannot be withdrawn any more.');
    end if;
    select * into owed from public.outbox o
    where o.incident_id = old.incident_id and o.kind = 'deliver_decision' and o.payload ->> 'approval_id' = old.id::text for update;
    if owed.status = 'done' then
        perform private.fail(409, 'delivered', 'The decision was delivered; it cannot be withdrawn any more.');
    end if;
    if owed.lease_until > clock_timestamp() then
        perform private.fail(409, 'being_delivered', 'The decision is being delivered at this moment; look again in a few seconds.');
    end if;

    update public.outbox o set status = 'withdrawn', settled_at = now(), lease_token = null, lease_until = null,
        last_error = left(format('%s withdrew the decision: %s', me.display_name, why), 2000)
    where o.id = owed.id;
    -- The votes keep what was decided; the row says what holds now.
    update public.approvals a set status = 'cancelled', cause = format('withdrawn: %s', why),
        decided_by = null, decided_by_name = null, decided_at = null, decision_reason = null
    where a.id = old.id;
    approval := private.supersede(old, incident, old.proposal_text, old.nothing_to_carry_out, old.editors, old.edit_reason);
    perform private.add_event(incident, 'decision_withdrawn', me.user_id, me.display_name, jsonb_build_object(
        'approval_id', approval.id, 'supersedes', old.id, 'decision', old.status, 'reason', why));
    perform private.audit(old.organization_id, me.user_id, me.display_name, 'approval.withdrawn', 'approvals', old.id::text, jsonb_build_object(
        'decision', old.status, 'reason', why, 'content_hash', old.content_hash, 'superseded_by', approval.id));
    return jsonb_build_object('approval_id', approval.id, 'content_hash', approval.content_hash, 'deadline_at', approval.deadline_at);
end $$;
comment on function public.withdraw_decision is
    'People: the decider takes a decision back before it was delivered and before anything was begun; a new approval with the same text waits. {approval_id, content_hash, deadline_at}. 409 not_decided, delivered, being_delivered.';

revoke execute on function public.edit_proposal, public.withdraw_decision from public, anon, authenticated, service_role;
grant execute on function public.edit_proposal, public.withdraw_decision to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
