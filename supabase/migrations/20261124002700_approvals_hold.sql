-- Approvals that hold, also while people, rules, runs and clocks change around them.

-- Four eyes in all its forms -------------------------------------------------------------------------------------

alter table public.incidents add column raised_by uuid[] not null default '{}';
comment on column public.incidents.raised_by is 'Everybody who raised its severity; none of them decides on it.';

create or replace function private.raise_severity(incident_id uuid, severity text, me public.profiles) returns uuid
language plpgsql set search_path = '' as $$
declare
    incident public.incidents;
    execution public.executions;
    run_id uuid;
begin
    update public.incidents i set
        severity = raise_severity.severity,
        raised_by = case when me.user_id = any (i.raised_by) then i.raised_by else i.raised_by || me.user_id end
    where i.id = raise_severity.incident_id returning * into incident;
    select * into execution from public.executions e
    where e.incident_id = incident.id and e.owns and e.ended_at is null for update;
    if execution.id is null then
        -- A start that is still owed reads the severity when it claims.
        return null;
    end if;
    perform private.cancel_pending(execution.id, format('The severity was raised to %s.', severity));
    update public.executions e set owns = false, superseded_at = now(), problem = format('Superseded: the severity was raised to %s.', severity)
    where e.id = execution.id returning * into execution;
    perform private.owe_command(execution, 'kill', me.user_id, execution.problem);
    run_id := private.owe_run(incident, me.user_id);
    update public.incidents i set status = 'open' where i.id = incident.id;
    return run_id;
end $$;

create or replace function private.objection_about(
    incident public.incidents, approval public.approvals, person public.profiles, out code text, out sentence text)
language plpgsql stable set search_path = '' as $$
declare
    service public.services;
    needed text;
begin
    select * into service from public.services s where s.id = incident.service_id;
    needed := coalesce(service.approval_role, 'approver');
    if not person.active then
        code := 'inactive'; sentence := 'This account is switched off.';
    elsif cardinality(coalesce(service.approver_ids, '{}')) > 0 and not person.user_id = any (service.approver_ids) then
        code := 'not_approver'; sentence := format('Only named people decide for %s, and you are not one of them.', incident.service);
    elsif cardinality(coalesce(service.approver_ids, '{}')) = 0 and private.role_rank(person.role) < private.role_rank(needed) then
        code := 'not_approver'; sentence := format('Your role is %s; deciding for %s needs %s or more.', person.role, incident.service, needed);
    elsif not approval.self_approval_allowed and person.user_id = incident.submitted_by then
        code := 'four_eyes'; sentence := 'You submitted this incident; somebody else has to decide.';
    elsif not approval.self_approval_allowed and person.user_id = approval.requested_by then
        code := 'four_eyes'; sentence := 'You asked for this run; somebody else has to decide.';
    elsif not approval.self_approval_allowed and person.user_id = any (incident.raised_by) then
        code := 'four_eyes'; sentence := 'You raised the severity; somebody else has to decide.';
    elsif not approval.self_approval_allowed and person.user_id = any (approval.editors) then
        code := 'four_eyes'; sentence := 'Your edit is in this proposal; somebody else has to decide.';
    elsif not approval.self_approval_allowed and exists (
            select from public.outbox o
            where o.incident_id = approval.incident_id and o.kind = 'command' and o.payload ->> 'command' = 'restart'
                and o.payload ->> 'kestra_execution_id' = approval.kestra_execution_id and o.requested_by = person.user_id) then
        code := 'four_eyes'; sentence := 'You had this run restarted; somebody else has to decide.';
    end if;
end $$;

-- Nobody may decide ----------------------------------------------------------------------------------------------

alter table public.approvals add column lacks_deciders text check (length(lacks_deciders) <= 2000);
comment on column public.approvals.lacks_deciders is 'That too few active people may decide, in a sentence, which the incident says too; null: enough may.';

create function private.lack_of_deciders(approval public.approvals) returns text
language sql stable set search_path = '' as $$
    select case
        when cardinality(names) >= required then null
        when cardinality(names) = 0 then 'Approval is needed and no active person may decide: an admin has to change the rule or add a person.'
        else left(format('Approval by %s people is needed and only %s may decide', required, array_to_string(names, ', ')), 1900)
            || ': an admin has to change the rule or add a person.' end
    from (
        select private.deciders(approval) as names, coalesce((
            select s.approvals_required from public.services s join public.incidents i on i.service_id = s.id where i.id = approval.incident_id), 1) as required
    ) as now
$$;
comment on function private.lack_of_deciders is 'That fewer people may decide than have to, in a sentence; null: enough may. Votes count for as long as their voters may decide.';

create function private.note_deciders(approval public.approvals) returns void
language plpgsql set search_path = '' as $$
declare
    incident public.incidents;
    lack text := private.lack_of_deciders(approval);
begin
    if approval.status <> 'pending' or lack is not distinct from approval.lacks_deciders then
        return;
    end if;
    update public.approvals a set lacks_deciders = lack where a.id = approval.id;
    select * into incident from public.incidents i where i.id = approval.incident_id;
    if lack is null then
        update public.incidents i set needs_human = false, needs_human_reason = null
        where i.id = incident.id and i.needs_human_reason = approval.lacks_deciders;
        perform private.add_event(incident, 'somebody_can_decide', null, 'rules', jsonb_build_object('approval_id', approval.id));
    else
        update public.incidents i set needs_human = true, needs_human_reason = lack where i.id = incident.id;
        perform private.add_event(incident, 'nobody_can_decide', null, 'rules', jsonb_build_object('approval_id', approval.id, 'reason', lack));
        perform private.notify('nobody_can_decide', incident, approval);
    end if;
end $$;
comment on function private.note_deciders is 'Has the incident say that too few may decide on this pending approval, or that enough may again. The caller holds the locks of both.';

create function private.recheck_deciders() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    approval public.approvals;
begin
    for approval in
        select a.* from public.approvals a where a.organization_id = new.organization_id and a.status = 'pending' order by a.deadline_at, a.id
    loop
        continue when private.lack_of_deciders(approval) is not distinct from approval.lacks_deciders;
        perform from public.incidents i where i.id = approval.incident_id for update;
        select * into approval from public.approvals a where a.id = approval.id for update;
        perform private.note_deciders(approval);
    end loop;
    return null;
end $$;
comment on function private.recheck_deciders is 'Trigger: whoever may decide changed, so what waits may wait for nobody, or for somebody again.';
create trigger people_decide_or_not after insert or update of role, active, organization_id on public.profiles
    for each row execute function private.recheck_deciders();
create trigger rules_let_decide_or_not after update of approval_role, approver_ids, approvals_required on public.services
    for each row execute function private.recheck_deciders();

create or replace function private.notice_of_approval() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = new.incident_id;
    if tg_op = 'INSERT' and new.status = 'pending' then
        perform private.notify('waiting', incident, new, jsonb_build_object('asked_by', new.requested_by_name));
    elsif tg_op = 'UPDATE' and new.status in ('approved', 'rejected') and old.status = 'pending' then
        perform private.notify('decided', incident, new, jsonb_build_object(
            'by', new.decided_by_name, 'decision', new.status, 'reason', private.redact(left(new.decision_reason, 500))));
    elsif tg_op = 'UPDATE' and new.status = 'expired' and old.status = 'pending' then
        perform private.notify('expired', incident, new);
    end if;
    return null;
end $$;

-- Asking and deciding --------------------------------------------------------------------------------------------

create or replace function public.request_approval(kestra_execution_id text, proposal json default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
    service public.services;
    approval public.approvals;
    rendered jsonb;
    written text;
    self_allowed boolean;
    is_over boolean;
begin
    -- Before the incident, as whoever changes people or rules: either they see this approval, or it sees them.
    perform from public.organizations o
    where o.id = (select e.organization_id from public.executions e where e.kestra_execution_id = request_approval.kestra_execution_id) for share;
    execution := private.owned_execution(kestra_execution_id, 'request_approval');
    select * into incident from public.incidents i where i.id = execution.incident_id;
    select * into approval from public.approvals a where a.execution_id = execution.id order by a.created_at desc limit 1;
    if approval.id is null then
        is_over := incident.status in ('resolved', 'closed');
        select * into service from public.services s where s.id = incident.service_id;
        select o.self_approval_allowed into self_allowed from public.organizations o where o.id = incident.organization_id;
        rendered := private.render_actions(incident.service_id, proposal::jsonb);
        written := jsonb_pretty(jsonb_build_object(
            'version', 1,
            'incident', jsonb_build_object('id', incident.id, 'external_id', incident.external_id, 'service', incident.service,
                'severity', incident.severity, 'title', incident.title),
            'kestra_execution_id', execution.kestra_execution_id,
            'statement', private.proposal_statement(rendered -> 'actions', incident.service),
            'nothing_to_carry_out', rendered -> 'actions' = '[]',
            'actions', rendered -> 'actions',
            'problems', rendered -> 'problems'));
        insert into public.approvals (
            organization_id, incident_id, execution_id, kestra_execution_id, proposal_text, content_hash, nothing_to_carry_out,
            status, cause, deadline_at, requested_by, requested_by_name, self_approval_allowed)
        values (
            incident.organization_id, incident.id, execution.id, execution.kestra_execution_id, written,
            encode(sha256(convert_to(written, 'UTF8')), 'hex'), rendered -> 'actions' = '[]',
            case when is_over then 'cancelled' else 'pending' end,
            case when is_over then format('The incident was %s before a decision was asked for.', incident.status) end,
            now() + make_interval(mins => coalesce(service.minutes_to_decide, 60)), execution.requested_by,
            (select p.display_name from public.profiles p where p.user_id = execution.requested_by), self_allowed)
        returning * into approval;
        if not is_over then
            update public.incidents set status = 'awaiting_approval' where id = incident.id returning * into incident;
        end if;
        perform private.add_event(incident, 'approval_requested', null, 'flow',
            jsonb_build_object('approval_id', approval.id, 'content_hash', approval.content_hash, 'deadline_at', approval.deadline_at));
        perform private.note_deciders(approval);
        perform private.audit(incident.organization_id, null, 'flow', 'approval.requested', 'approvals', approval.id::text,
            jsonb_build_object('content_hash', approval.content_hash));
    end if;
    if approval.status = 'pending' then
        update public.executions e set state = 'PAUSED', step = 'require_approval_medium' where e.id = execution.id;
    end if;
    return jsonb_build_object(
        'approval_id', approval.id, 'status', approval.status, 'nothing_to_carry_out', approval.nothing_to_carry_out,
        'content_hash', approval.content_hash, 'deadline_at', approval.deadline_at,
        'secrets', private.catalogue_secrets(incident.service_id));
end $$;

alter table public.approval_votes
    drop constraint approval_votes_approval_id_voter_id_key,
    add constraint approval_votes_said_once unique (approval_id, voter_id, decision);

create function private.votes_that_count(approval public.approvals) returns setof public.approval_votes
language sql stable set search_path = '' as $$
    select v.* from public.approval_votes v join public.profiles p on p.user_id = v.voter_id
    where v.approval_id = approval.id and v.decision = 'approved' and v.content_hash = approval.content_hash
        and p.organization_id = approval.organization_id and (private.objection(approval, p)).code is null
    order by v.id
$$;
comment on function private.votes_that_count is 'Who approved this text, in that order; a vote counts for as long as the rule lets its voter decide.';

create function private.vote_of(approval_id uuid, person_id uuid) returns timestamptz
language sql stable set search_path = '' as $$
    select v.at from public.approval_votes v
    where v.approval_id = vote_of.approval_id and v.voter_id = person_id and v.decision = 'approved'
$$;
comment on function private.vote_of is 'When a person approved this, alone not enough; null: they have not.';

create function private.voted_sentence(at timestamptz) returns text
language sql stable set search_path = '' as $$
    select 'You approved this at ' || to_char(at at time zone 'UTC', 'HH24:MI') || ' UTC; it waits for somebody else too.'
$$;
comment on function private.voted_sentence is 'Why a pending approval does not wait for this person any more; null where it does.';

create or replace function public.approval_rule(approval_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    approval public.approvals := private.visible_approval(approval_id, me);
    incident public.incidents;
    objection record := private.objection(approval, me);
begin
    select * into incident from public.incidents i where i.id = approval.incident_id;
    return jsonb_build_object(
        'may_decide', objection.code is null and approval.status = 'pending' and now() < approval.deadline_at,
        'why_not', coalesce(objection.sentence,
            case when approval.status <> 'pending' then format('It is %s.', approval.status)
                when now() >= approval.deadline_at then 'The time to decide is over.' end),
        'rule', private.rule_sentence(incident),
        'deciders', to_jsonb(private.deciders(approval)),
        'self_approval_allowed', approval.self_approval_allowed,
        'required', coalesce((select s.approvals_required from public.services s where s.id = incident.service_id), 1),
        'votes', coalesce((
            select jsonb_agg(jsonb_build_object('voter_name', v.voter_name, 'reason', v.reason, 'at', v.at))
            from private.votes_that_count(approval) v), '[]'),
        'has_approved', private.vote_of(approval.id, me.user_id) is not null);
end $$;
comment on function public.approval_rule is
    'People: {may_decide, why_not, rule, deciders, self_approval_allowed, required, votes: [{voter_name, reason, at}], has_approved} for the caller. Who approved where more are required may still reject.';

create or replace function public.decide_approval(approval_id uuid, decision text, reason text default null, content_hash text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    approval public.approvals := private.visible_approval(approval_id, me);
    incident public.incidents;
    objection record;
    required int;
    approved int;
    delivery uuid;
    why text := nullif(trim(reason), '');
begin
    if decision is null or decision not in ('approved', 'rejected') then
        perform private.fail(422, 'invalid', 'A decision is approved or rejected.');
    end if;
    if length(why) > 2000 then
        perform private.fail(422, 'invalid', 'The reason is longer than 2,000 characters.');
    end if;
    select * into incident from public.incidents i where i.id = approval.incident_id for update;
    select * into approval from public.approvals a where a.id = approval.id for update;
    -- Asked again: an admin may have taken this role away while this click waited for its turn.
    me := private.require_role('responder');

    perform private.refuse_decided(approval);
    objection := private.objection(approval, me);
    if objection.code is not null then
        perform private.fail(403, objection.code, objection.sentence);
    end if;
    if clock_timestamp() >= approval.deadline_at then
        perform private.fail(409, 'expired', format('The time to decide ended at %s UTC.', to_char(approval.deadline_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
            jsonb_build_object('at', approval.deadline_at, 'decision', 'expired'));
    end if;
    if content_hash is distinct from approval.content_hash then
        perform private.fail(409, 'stale_content', 'The proposal is not the one you saw; read it again before you decide.');
    end if;
    if decision = 'rejected' and why is null then
        perform private.fail(422, 'reason_required', 'A rejection needs a reason.', jsonb_build_object('fields', jsonb_build_array(
            jsonb_build_object('field', 'reason', 'problem', 'is missing'))));
    end if;
    -- Who approved may still reject while others are waited for: second thoughts are heard.
    if exists (select from public.approval_votes v where v.approval_id = approval.id and v.voter_id = me.user_id and v.decision = decide_approval.decision) then
        perform private.fail(409, 'already_voted', 'You already approved this; it waits for another person.');
    end if;

    insert into public.approval_votes (approval_id, organization_id, voter_id, voter_name, decision, reason, content_hash)
    values (approval.id, approval.organization_id, me.user_id, me.display_name, decision, why, content_hash);
    select coalesce(s.approvals_required, 1) into required
    from (select 1) as always left join public.services s on s.id = incident.service_id;
    select count(*) into approved from private.votes_that_count(approval);

    if decision = 'rejected' or approved >= required then
        update public.approvals a set
            status = decision, decided_by = me.user_id, decided_by_name = me.display_name, decided_at = clock_timestamp(), decision_reason = why
        where a.id = approval.id returning * into approval;
        delivery := private.owe_delivery(approval, me.user_id);
        if decision = 'rejected' then
            perform private.needs_human(incident.id, format('%s rejected the proposal: %s', me.display_name, why));
        else
            update public.incidents set status = 'investigating', needs_human = false, needs_human_reason = null where id = incident.id;
        end if;
    end if;
    perform private.add_event(incident, decision, me.user_id, me.display_name,
        jsonb_build_object('approval_id', approval.id, 'reason', why, 'votes', approved, 'required', required));
    perform private.audit(approval.organization_id, me.user_id, me.display_name, 'approval.' || decision, 'approvals', approval.id::text,
        jsonb_build_object('content_hash', content_hash, 'reason', why, 'self_approval', me.user_id in (incident.submitted_by, approval.requested_by)));
    return jsonb_build_object(
        'approval_id', approval.id, 'status', approval.status, 'decided_by', approval.decided_by, 'decided_by_name', approval.decided_by_name,
        'decided_at', approval.decided_at, 'reason', approval.decision_reason, 'delivery_id', delivery);
end $$;

-- Second thoughts ------------------------------------------------------------------------------------------------

create or replace function private.supersede(
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
    perform private.note_deciders(approval);
    return approval;
end $$;

create or replace function public.edit_proposal(approval_id uuid, proposal json, content_hash text, reason text) returns jsonb
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
    -- Before the incident, as whoever changes people or rules: either they see the new approval, or it sees them.
    perform from public.organizations o where o.id = me.organization_id for share;
    select * into incident from public.incidents i where i.id = old.incident_id for update;
    select * into old from public.approvals a where a.id = old.id for update;
    me := private.require_role('responder');
    perform private.refuse_decided(old);
    objection := private.objection(old, me);
    -- An editor may go on editing what they may not decide on any more.
    if objection.code is not null and not (objection.code = 'four_eyes' and me.user_id = any (old.editors)
        and me.user_id is distinct from incident.submitted_by and me.user_id is distinct from old.requested_by and me.user_id <> all (incident.raised_by)) then
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

create or replace function public.withdraw_decision(approval_id uuid, reason text) returns jsonb
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
    -- Before the incident, as whoever changes people or rules: either they see the new approval, or it sees them.
    perform from public.organizations o where o.id = me.organization_id for share;
    select * into incident from public.incidents i where i.id = old.incident_id for update;
    select * into execution from public.executions e where e.id = old.execution_id for update;
    select * into old from public.approvals a where a.id = old.id for update;
    me := private.require_role('responder');
    if old.status not in ('approved', 'rejected') then
        perform private.fail(409, 'not_decided', format('There is no decision to withdraw: this approval is %s.', old.status));
    end if;
    if old.decided_by is distinct from me.user_id then
        perform private.fail(403, 'not_approver', format('%s decided this, and only they can withdraw it.', old.decided_by_name));
    end if;
    if incident.status in ('resolved', 'closed') or not execution.owns or execution.kill_requested_at is not null then
        perform private.fail(409, 'not_pending', case
            when incident.status in ('resolved', 'closed') then format('The incident is %s; there is nothing left to decide.', incident.status)
            when not execution.owns then 'Another run took the place of the one this was decided for; there is nothing left to decide.'
            else 'A person asked to kill the run this was decided for; there is nothing left to decide.' end);
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

-- The act --------------------------------------------------------------------------------------------------------

create or replace function private.refusal(incident public.incidents, approval public.approvals) returns text
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
            when approval.decided_at > clock_timestamp() + interval '1 minute'
                then 'The approval lies in the future: the clock of the database was set back, so its age is not known.'
            when approval.decided_at < now() - interval '24 hours' then 'The approval is older than 24 hours.' end;
    end if;
    select * into service from public.services s where s.id = incident.service_id;
    select * into organization from public.organizations o where o.id = incident.organization_id;
    return case
        when incident.severity <> 'LOW' then format('A %s incident does not act without an approval.', incident.severity)
        when exists (select from public.approvals a where a.incident_id = incident.id)
            then 'People were asked about this incident before, so it acts on their decision only.'
        when service.id is null then format('%s is no known service.', incident.service)
        when not service.auto_remediate then format('%s does not allow acting without a person.', service.name)
        when incident.source = 'webhook' and not organization.auto_remediate_direct_webhooks
            then 'Incidents that come by direct webhook may not act without a person.' end;
end $$;

create or replace function public.begin_action(kestra_execution_id text, action_key text default null, nonce text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
    approval public.approvals;
    run public.action_runs;
    action jsonb;
    actions jsonb;
    refused text;
    risk text;
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
    -- Also as the catalogue has it now: without a person nobody else would notice.
    select c.risk into risk from public.actions c where c.service_id = incident.service_id and c.key = action ->> 'action' and c.risk <> 'low';
    risk := coalesce(risk, action ->> 'risk');
    if approval.id is null and risk <> 'low' then
        return private.no_leave(format('%s has %s risk; only low risk acts without a person.', action ->> 'title', risk));
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

-- A thousand that wait -------------------------------------------------------------------------------------------

create or replace function public.waiting_approvals() returns setof jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    return query
    select jsonb_build_object(
        'id', a.id, 'incident_id', i.id, 'external_id', i.external_id, 'service', i.service, 'severity', i.severity, 'title', i.title,
        'summary', a.proposal_text::jsonb ->> 'statement', 'deadline_at', a.deadline_at, 'created_at', a.created_at,
        'requested_by_name', a.requested_by_name, 'may_decide', o.code is null and voted.at is null and now() < a.deadline_at,
        'why_not', coalesce(o.sentence, case when now() >= a.deadline_at then 'The time to decide is over.' else private.voted_sentence(voted.at) end))
    from public.approvals a
    join public.incidents i on i.id = a.incident_id
    cross join lateral private.objection_about(i, a, me) o
    cross join lateral (select private.vote_of(a.id, me.user_id) as at) voted
    where a.organization_id = me.organization_id and a.status = 'pending'
    order by a.deadline_at, a.id;
end $$;

create function public.count_waiting() returns int
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    return (
        select count(*) from public.approvals a join public.incidents i on i.id = a.incident_id
        where a.organization_id = me.organization_id and a.status = 'pending' and now() < a.deadline_at
            and (private.objection_about(i, a, me)).code is null and private.vote_of(a.id, me.user_id) is null);
end $$;
comment on function public.count_waiting is 'People: how many pending approvals wait for the caller now; the number beside the menu''s line.';
revoke all on function public.count_waiting() from public, anon, authenticated, service_role;
grant execute on function public.count_waiting() to authenticated;

-- Sorts of a year at a hundred thousand incidents stay in memory.
alter function public.insights(timestamptz, timestamptz, text[]) set work_mem = '32MB';

revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
