-- What may happen to a service, and who says so.

create table public.approvals (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    execution_id uuid not null references public.executions (id),
    kestra_execution_id text not null,
    proposal_text text not null,
    content_hash text not null,
    nothing_to_carry_out boolean not null,
    status text not null default 'pending' check (status in ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
    cause text check (length(cause) <= 2000),
    supersedes uuid references public.approvals (id),
    deadline_at timestamptz not null,
    requested_by uuid references public.profiles (user_id),
    requested_by_name text,
    self_approval_allowed boolean not null,
    decided_by uuid references public.profiles (user_id),
    decided_by_name text,
    decided_at timestamptz,
    decision_reason text check (length(decision_reason) <= 2000),
    delivered_at timestamptz,
    outcome text check (outcome in ('acted', 'failed', 'unknown', 'not_carried_out')),
    outcome_reason text check (length(outcome_reason) <= 2000),
    created_at timestamptz not null default now(),
    constraint hash_is_of_the_text check (content_hash = encode(sha256(convert_to(proposal_text, 'UTF8')), 'hex')),
    constraint decided_by_somebody check ((status in ('approved', 'rejected')) = (decided_by is not null and decided_at is not null))
);
create unique index approvals_one_pending_per_execution on public.approvals (execution_id) where status = 'pending';
create index approvals_by_incident on public.approvals (incident_id, created_at desc);
create index approvals_waiting on public.approvals (organization_id, deadline_at) where status = 'pending';
create index approvals_newest on public.approvals (organization_id, created_at desc);
comment on table public.approvals is 'Proposals that wait for a person, and what became of them.';
comment on column public.approvals.id is 'Identity; in the desk''s addresses.';
comment on column public.approvals.organization_id is 'Tenant.';
comment on column public.approvals.incident_id is 'The incident.';
comment on column public.approvals.execution_id is 'The execution that asks.';
comment on column public.approvals.kestra_execution_id is 'Its id at Kestra.';
comment on column public.approvals.proposal_text is 'JSON text of the proposal, made once; what is shown, hashed, approved and carried out is this text.';
comment on column public.approvals.content_hash is 'SHA-256 of proposal_text in hex.';
comment on column public.approvals.nothing_to_carry_out is 'No usable action: approving only lets the plan be written.';
comment on column public.approvals.status is 'pending, approved, rejected, expired, cancelled.';
comment on column public.approvals.cause is 'Why it was cancelled or expired.';
comment on column public.approvals.supersedes is 'The approval this one replaces.';
comment on column public.approvals.deadline_at is 'For deciding. Silence never approves.';
comment on column public.approvals.requested_by is 'The person who asked for the run; null: by webhook.';
comment on column public.approvals.requested_by_name is 'That person''s name at that time.';
comment on column public.approvals.self_approval_allowed is 'Whether the organization allowed deciding on one''s own incident when this was asked.';
comment on column public.approvals.decided_by is 'Who decided.';
comment on column public.approvals.decided_by_name is 'That person''s name at that time.';
comment on column public.approvals.decided_at is 'When.';
comment on column public.approvals.decision_reason is 'Why; mandatory for a rejection.';
comment on column public.approvals.delivered_at is 'When Kestra was seen to have gone on.';
comment on column public.approvals.outcome is 'What came of an approved one: acted, failed, unknown (may or may not have happened), not_carried_out.';
comment on column public.approvals.outcome_reason is 'The outcome in a sentence.';
comment on column public.approvals.created_at is 'When it was asked for.';

create table public.approval_votes (
    id bigint generated always as identity primary key,
    approval_id uuid not null references public.approvals (id),
    organization_id uuid not null references public.organizations (id),
    voter_id uuid not null references public.profiles (user_id),
    voter_name text not null,
    decision text not null check (decision in ('approved', 'rejected')),
    reason text check (length(reason) <= 2000),
    content_hash text not null,
    at timestamptz not null default clock_timestamp(),
    unique (approval_id, voter_id)
);
create trigger approval_votes_only_grow before update or delete on public.approval_votes
    for each row execute function private.refuse_change();
create trigger approval_votes_are_never_emptied before truncate on public.approval_votes
    for each statement execute function private.refuse_change();
create index approval_votes_by_organization on public.approval_votes (organization_id);
comment on table public.approval_votes is 'Who voted what on which text. Append-only.';
comment on column public.approval_votes.id is 'Order of voting.';
comment on column public.approval_votes.approval_id is 'The approval.';
comment on column public.approval_votes.organization_id is 'Tenant.';
comment on column public.approval_votes.voter_id is 'Who.';
comment on column public.approval_votes.voter_name is 'That person''s name at that time.';
comment on column public.approval_votes.decision is 'approved or rejected.';
comment on column public.approval_votes.reason is 'Why.';
comment on column public.approval_votes.content_hash is 'Hash of the text that person saw.';
comment on column public.approval_votes.at is 'When.';

-- The rule -------------------------------------------------------------------------------------------------------

create function private.objection(approval public.approvals, person public.profiles, out code text, out sentence text)
language plpgsql stable set search_path = '' as $$
declare
    incident public.incidents;
    service public.services;
    needed text;
begin
    select * into incident from public.incidents i where i.id = approval.incident_id;
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
    end if;
end $$;
comment on function private.objection is 'Why this person may not decide on this approval; nulls: may. The one place of the rule.';

create function private.deciders(approval public.approvals) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(p.display_name order by p.display_name), '{}')
    from public.profiles p
    where p.organization_id = approval.organization_id and (private.objection(approval, p)).code is null
$$;
comment on function private.deciders is 'Names of everybody who may decide.';

create function private.rule_sentence(incident public.incidents) returns text
language sql stable set search_path = '' as $$
    select format('%s incidents of %s stop for %s%s.',
        incident.severity, incident.service,
        case when cardinality(coalesce(s.approver_ids, '{}')) > 0 then 'one of the people named for the service'
            else 'a person with the role ' || coalesce(s.approval_role, 'approver') || ' or more' end,
        case when coalesce(s.approvals_required, 1) > 1 then format(', %s of them', s.approvals_required) else '' end)
    from (select 1) as always left join public.services s on s.id = incident.service_id
$$;
comment on function private.rule_sentence is 'The rule that asks, in words.';

-- Asking ---------------------------------------------------------------------------------------------------------

create function private.proposal_statement(actions jsonb, service text) returns text
language sql immutable set search_path = '' as $$
    select case when actions = '[]' then 'Nothing will be carried out; approving lets the plan be written.'
        else string_agg(format('%s on %s%s', action ->> 'title', service,
            case when action -> 'parameters' = '{}' then '' else
                ' (' || (select string_agg(format('%s: %s', p.key, p.value), ', ' order by p.key) from jsonb_each_text(action -> 'parameters') p) || ')' end),
            ', then ' order by position) || '.' end
    from jsonb_array_elements(actions) with ordinality as element (action, position)
$$;
comment on function private.proposal_statement is 'One sentence for all actions of a proposal.';

create function public.request_approval(kestra_execution_id text, proposal json default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions := private.owned_execution(kestra_execution_id, 'request_approval');
    incident public.incidents;
    service public.services;
    approval public.approvals;
    rendered jsonb;
    written text;
    self_allowed boolean;
begin
    select * into incident from public.incidents i where i.id = execution.incident_id;
    select * into approval from public.approvals a where a.execution_id = execution.id order by a.created_at desc limit 1;
    if approval.id is null then
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
            deadline_at, requested_by, requested_by_name, self_approval_allowed)
        values (
            incident.organization_id, incident.id, execution.id, execution.kestra_execution_id, written,
            encode(sha256(convert_to(written, 'UTF8')), 'hex'), rendered -> 'actions' = '[]',
            now() + make_interval(mins => coalesce(service.minutes_to_decide, 60)), execution.requested_by,
            (select p.display_name from public.profiles p where p.user_id = execution.requested_by), self_allowed)
        returning * into approval;
        update public.incidents set status = 'awaiting_approval' where id = incident.id returning * into incident;
        perform private.add_event(incident, 'approval_requested', null, 'flow',
            jsonb_build_object('approval_id', approval.id, 'content_hash', approval.content_hash, 'deadline_at', approval.deadline_at));
        if cardinality(private.deciders(approval)) = 0 then
            update public.incidents set needs_human = true,
                needs_human_reason = 'Approval is needed and no active person may decide: an admin has to change the rule or add a person.'
            where id = incident.id;
        end if;
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
comment on function public.request_approval is
    'Flow: renders, stores and hashes the proposal and asks for a decision; once per execution. {approval_id, status, nothing_to_carry_out, content_hash, deadline_at, secrets}.';

-- Deciding -------------------------------------------------------------------------------------------------------

create function private.owe_delivery(approval public.approvals, requested_by uuid) returns uuid
language sql set search_path = '' as $$
    insert into public.outbox (organization_id, incident_id, kind, requested_by, payload)
    values (approval.organization_id, approval.incident_id, 'deliver_decision', requested_by, jsonb_build_object(
        'approval_id', approval.id, 'kestra_execution_id', approval.kestra_execution_id, 'status', approval.status,
        'kestra_instance', (select e.kestra_instance from public.executions e where e.id = approval.execution_id)))
    returning id
$$;
comment on function private.owe_delivery is 'Owes Kestra the word that this approval is over.';

create function private.refuse_decided(approval public.approvals) returns void
language plpgsql set search_path = '' as $$
begin
    if approval.status in ('approved', 'rejected') then
        perform private.fail(409, 'already_decided',
            format('%s %s this at %s UTC.', approval.decided_by_name, approval.status, to_char(approval.decided_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')),
            jsonb_build_object('by', approval.decided_by_name, 'at', approval.decided_at, 'decision', approval.status, 'reason', approval.decision_reason));
    elsif approval.status <> 'pending' then
        perform private.fail(409, 'not_pending', format('This approval is %s: %s', approval.status, coalesce(approval.cause, 'no cause was recorded.')),
            jsonb_build_object('decision', approval.status, 'reason', approval.cause));
    end if;
end $$;
comment on function private.refuse_decided is 'Raises 409, saying who decided what and why, unless the approval is pending.';

create function private.cancel_pending(execution_id uuid, cause text) returns void
language plpgsql set search_path = '' as $$
declare
    approval public.approvals;
begin
    for approval in select * from public.approvals a where a.execution_id = $1 and a.status = 'pending' for update loop
        update public.approvals a set status = 'cancelled', cause = $2 where a.id = approval.id;
        perform private.audit(approval.organization_id, null, 'rules', 'approval.cancelled', 'approvals', approval.id::text, jsonb_build_object('cause', $2));
    end loop;
end $$;
comment on function private.cancel_pending is 'Cancels the pending approval of an execution, with the cause.';

create function private.visible_approval(approval_id uuid, me public.profiles) returns public.approvals
language plpgsql stable set search_path = '' as $$
declare
    approval public.approvals;
begin
    select * into approval from public.approvals a where a.id = approval_id and a.organization_id = me.organization_id;
    if approval.id is null then
        perform private.fail(404, 'not_found', 'There is no such approval.');
    end if;
    return approval;
end $$;
comment on function private.visible_approval is 'The approval, or 404 for one that is not there or another organization''s.';

create function public.decide_approval(approval_id uuid, decision text, reason text default null, content_hash text default null) returns jsonb
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
    if exists (select from public.approval_votes v where v.approval_id = approval.id and v.voter_id = me.user_id) then
        perform private.fail(409, 'already_voted', 'You already approved this; it waits for another person.');
    end if;

    insert into public.approval_votes (approval_id, organization_id, voter_id, voter_name, decision, reason, content_hash)
    values (approval.id, approval.organization_id, me.user_id, me.display_name, decision, why, content_hash);
    select coalesce(s.approvals_required, 1) into required
    from (select 1) as always left join public.services s on s.id = incident.service_id;
    select count(*) into approved from public.approval_votes v where v.approval_id = approval.id and v.decision = 'approved';

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
comment on function public.decide_approval is
    'People: decides once, on the text with this hash, before the deadline, by the rule (403 not_approver, four_eyes; 409 already_decided, not_pending, expired, stale_content; 422 reason_required), and owes the delivery.';

create function public.approval_rule(approval_id uuid) returns jsonb
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
        'self_approval_allowed', approval.self_approval_allowed);
end $$;
comment on function public.approval_rule is 'People: {may_decide, why_not, rule, deciders, self_approval_allowed} for the caller.';

create function public.waiting_approvals() returns setof jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    return query
    select jsonb_build_object(
        'id', a.id, 'incident_id', i.id, 'external_id', i.external_id, 'service', i.service, 'severity', i.severity, 'title', i.title,
        'summary', a.proposal_text::jsonb ->> 'statement', 'deadline_at', a.deadline_at, 'created_at', a.created_at,
        'requested_by_name', a.requested_by_name, 'may_decide', o.code is null and now() < a.deadline_at,
        'why_not', coalesce(o.sentence, case when now() >= a.deadline_at then 'The time to decide is over.' end))
    from public.approvals a
    join public.incidents i on i.id = a.incident_id
    cross join lateral private.objection(a, me) o
    where a.organization_id = me.organization_id and a.status = 'pending'
    order by a.deadline_at;
end $$;
comment on function public.waiting_approvals is 'People: pending approvals of the organization, nearest deadline first, each with whether the caller may decide and why not.';

create function public.expire_approvals() returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    due uuid;
    approval public.approvals;
    incident public.incidents;
    expired int := 0;
begin
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
comment on function public.expire_approvals is 'Worker: pending approvals past their deadline become expired, never approved; the flow is told. {expired}.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.approvals enable row level security;
alter table public.approval_votes enable row level security;
create policy "people see the approvals of their organization" on public.approvals
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see the votes of their organization" on public.approval_votes
    for select to authenticated using (organization_id = (select private.my_organization()));
revoke all on public.approvals, public.approval_votes from public, anon, authenticated, service_role;
grant select on public.approvals, public.approval_votes to authenticated, service_role;
revoke all on function
    public.request_approval(text, json), public.decide_approval(uuid, text, text, text), public.approval_rule(uuid),
    public.waiting_approvals(), public.expire_approvals()
    from public, anon, authenticated, service_role;
grant execute on function public.request_approval(text, json), public.expire_approvals() to service_role;
grant execute on function public.decide_approval(uuid, text, text, text), public.approval_rule(uuid), public.waiting_approvals() to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
