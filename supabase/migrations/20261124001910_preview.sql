-- What would happen, said before somebody submits: by the functions that decide it afterwards.
--
-- The rules stood inside functions that look up a stored incident. Here they are taken out, so that they can be
-- asked about an incident that is not filed yet, and the functions that enforce them call them.

-- Who decides ----------------------------------------------------------------------------------------------------

alter table public.approvals add column editors uuid[] not null default '{}';
comment on column public.approvals.editors is 'Everybody whose edit is in the text; none of them decides on it.';

create function private.objection_about(
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
    elsif not approval.self_approval_allowed and person.user_id = any (approval.editors) then
        code := 'four_eyes'; sentence := 'Your edit is in this proposal; somebody else has to decide.';
    end if;
end $$;
comment on function private.objection_about is
    'Why this person may not decide on this approval of this incident, stored or not; nulls: may. The one place of the rule.';

create or replace function private.objection(approval public.approvals, person public.profiles, out code text, out sentence text)
language plpgsql stable set search_path = '' as $$
declare
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = approval.incident_id;
    select * into code, sentence from private.objection_about(incident, approval, person);
end $$;
comment on function private.objection is 'Why this person may not decide on this stored approval; nulls: may.';

create function private.deciders_about(incident public.incidents, approval public.approvals) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(p.display_name order by p.display_name), '{}')
    from public.profiles p
    where p.organization_id = incident.organization_id and (private.objection_about(incident, approval, p)).code is null
$$;
comment on function private.deciders_about is 'Names of everybody who may decide on this approval of this incident, stored or not.';

create or replace function private.deciders(approval public.approvals) returns text[]
language sql stable set search_path = '' as $$
    select private.deciders_about(i, approval) from public.incidents i where i.id = approval.incident_id
$$;
comment on function private.deciders is 'Names of everybody who may decide on this stored approval.';

-- Who is told ----------------------------------------------------------------------------------------------------

create function private.escalation_channels(organization_id uuid) returns text[]
language sql stable set search_path = '' as $$
    select '{}'::text[]
$$;
comment on function private.escalation_channels is 'Channels that an escalation of this organization goes to; none can be set up yet.';

create or replace function public.escalate(kestra_execution_id text, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions := private.owned_execution(kestra_execution_id, 'escalate');
    incident public.incidents;
    escalation public.escalations;
    channels text[];
    why text;
begin
    select * into incident from public.incidents i where i.id = execution.incident_id;
    channels := private.escalation_channels(incident.organization_id);
    why := left(coalesce(nullif(trim(reason), ''), format('%s incidents are handed to a person at once.', incident.severity)), 2000);
    insert into public.escalations (organization_id, incident_id, execution_id, reason, told, told_nobody)
    values (incident.organization_id, incident.id, execution.id, why, channels, cardinality(channels) = 0)
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

-- What it joins --------------------------------------------------------------------------------------------------

create function private.open_twin(organization_id uuid, external_id text, fingerprint text) returns public.incidents
language sql stable set search_path = '' as $$
    select i.* from public.incidents i
    where i.organization_id = $1 and i.status not in ('resolved', 'closed') and (i.external_id = $2 or i.fingerprint = $3)
    order by (i.external_id = $2) desc nulls last, i.created_at
    limit 1
$$;
comment on function private.open_twin is
    'The open incident that a report joins: the same id, else the same problem; a null is not looked for. Nulls: none.';

create function private.effect_of_joining(incident public.incidents, severity text) returns text
language sql stable set search_path = '' as $$
    select case
        when private.severity_rank(private.severity($2)) > private.severity_rank(incident.severity) then 'raised'
        when not private.has_live_run(incident.id) then 'run'
        else 'counted' end
$$;
comment on function private.effect_of_joining is
    'What one more report does: raised (a higher severity, a new run instead of the old one), run (a new run, for none is live), counted.';

create or replace function public.submit_incident(payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    given jsonb := private.clean(payload);
    problems jsonb := private.payload_problems(given);
    print text;
    outside text := nullif(trim(given ->> 'id'), '');
    incident public.incidents;
    joined boolean := false;
    run_id uuid;
begin
    if problems <> '[]' then
        perform private.fail(422, 'invalid', 'The incident cannot be filed as it stands; nothing was saved.', jsonb_build_object('fields', problems));
    end if;
    print := private.fingerprint(given ->> 'service', given ->> 'title');
    perform private.submission_lock(me.organization_id);

    select * into incident from public.incidents i
    where i.id = (private.open_twin(me.organization_id, outside,
            case when not coalesce((given ->> 'file_separately')::boolean, false) then print end)).id
        -- It may have ended while its lock was waited for.
        and i.status not in ('resolved', 'closed')
    for update;

    if incident.id is not null then
        joined := true;
        update public.incidents set occurrences = occurrences + 1 where id = incident.id returning * into incident;
        perform private.add_event(incident, 'seen_again', me.user_id, me.display_name, jsonb_build_object('payload', given));
        run_id := case private.effect_of_joining(incident, given ->> 'severity')
            when 'raised' then private.raise_severity(incident.id, private.severity(given ->> 'severity'), me)
            when 'run' then private.owe_run(incident, me.user_id) end;
    else
        insert into public.incidents (
            organization_id, external_id, source, service_id, service, severity, severity_text, title, description, logs, metrics,
            context, fingerprint, submitted_by, submitted_by_name)
        values (
            me.organization_id,
            coalesce(outside, 'INC-' || to_char(now() at time zone 'UTC', 'YYYYMMDD') || '-' || upper(substr(md5(gen_random_uuid()::text), 1, 6))),
            'desk',
            (select s.id from public.services s where s.organization_id = me.organization_id and s.name = trim(given ->> 'service')),
            trim(given ->> 'service'), private.severity(given ->> 'severity'), given ->> 'severity', trim(given ->> 'title'),
            coalesce(given ->> 'description', ''), private.log_lines(given -> 'logs'),
            case when jsonb_typeof(given -> 'metrics') = 'object' then given -> 'metrics' else '{}' end,
            case when jsonb_typeof(given -> 'context') = 'object' then given -> 'context' else '{}' end,
            print, me.user_id, me.display_name)
        returning * into incident;
        perform private.add_event(incident, 'submitted', me.user_id, me.display_name, jsonb_build_object('severity', incident.severity));
        run_id := private.owe_run(incident, me.user_id);
    end if;
    perform private.audit(me.organization_id, me.user_id, me.display_name, case when joined then 'incident.seen_again' else 'incident.submitted' end,
        'incidents', incident.id::text, jsonb_build_object('version', incident.version, 'run_id', run_id));
    return jsonb_build_object(
        'incident_id', incident.id, 'external_id', incident.external_id, 'joined', joined, 'occurrences', incident.occurrences,
        'opened_at', incident.created_at, 'run_id', run_id);
end $$;

-- The preview ----------------------------------------------------------------------------------------------------

create function private.branch_preview(incident public.incidents, approval public.approvals) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    service public.services;
    refusal text;
begin
    select * into service from public.services s where s.id = incident.service_id;
    if incident.severity = 'LOW' then
        refusal := private.refusal(incident, null);
        return jsonb_build_object('severity', incident.severity, 'does', case when refusal is null then 'act' else 'escalate' end, 'why', refusal,
            'actions', (select coalesce(jsonb_agg(jsonb_build_object('title', a.title, 'risk', a.risk) order by a.title), '[]')
                from public.actions a where a.service_id = incident.service_id and a.active),
            'told', private.escalation_channels(incident.organization_id));
    elsif incident.severity = 'MEDIUM' then
        return jsonb_build_object('severity', incident.severity, 'does', 'ask', 'why', private.rule_sentence(incident),
            'deciders', private.deciders_about(incident, approval), 'approvals_required', coalesce(service.approvals_required, 1),
            'minutes_to_decide', coalesce(service.minutes_to_decide, 60));
    end if;
    return jsonb_build_object('severity', incident.severity, 'does', 'escalate', 'told', private.escalation_channels(incident.organization_id));
end $$;
comment on function private.branch_preview is
    'What the flow would do with this incident, stored or not: {severity, does: act, ask or escalate, why, …}.';

create function public.preview_submission(
    service text, severity text default null, title text default null, external_id text default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    known public.services;
    incident public.incidents;
    approval public.approvals;
    twin public.incidents;
    branches jsonb := '[]';
    level text;
begin
    select * into known from public.services s where s.organization_id = me.organization_id and s.name = trim(preview_submission.service);
    incident.organization_id := me.organization_id;
    incident.source := 'desk';
    incident.status := 'open';
    incident.service_id := known.id;
    incident.service := trim(preview_submission.service);
    incident.submitted_by := me.user_id;
    approval.requested_by := me.user_id;
    select o.self_approval_allowed into approval.self_approval_allowed from public.organizations o where o.id = me.organization_id;
    foreach level in array array['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] loop
        incident.severity := level;
        branches := branches || private.branch_preview(incident, approval);
    end loop;
    twin := private.open_twin(me.organization_id, nullif(trim(preview_submission.external_id), ''),
        case when trim(preview_submission.service) <> '' and trim(preview_submission.title) <> ''
            then private.fingerprint(preview_submission.service, preview_submission.title) end);
    return jsonb_build_object(
        'service', case when known.id is not null then jsonb_build_object(
            'name', known.name, 'owner', known.owner, 'tier', known.tier, 'runbook_url', known.runbook_url) end,
        'branches', branches,
        'twin', case when twin.id is not null then jsonb_build_object(
            'incident_id', twin.id, 'external_id', twin.external_id, 'title', twin.title, 'severity', twin.severity, 'status', twin.status,
            'opened_at', twin.created_at, 'occurrences', twin.occurrences,
            'same_id', twin.external_id is not distinct from trim(preview_submission.external_id),
            'effect', private.effect_of_joining(twin, coalesce(preview_submission.severity, twin.severity))) end);
end $$;
comment on function public.preview_submission is
    'People: what would happen to an incident before it is submitted, by severity, and the open one it would join. {service, branches, twin}.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke all on function public.preview_submission(text, text, text, text) from public, anon, authenticated, service_role;
grant execute on function public.preview_submission(text, text, text, text) to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
