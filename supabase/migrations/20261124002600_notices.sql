-- Word out: who is told what, by which channel. A notice is work owed like any other; what it says is made by the
-- worker from the facts kept here, and where it goes (the address of a webhook, a mail server) only the worker knows.

create table public.notice_rules (
    organization_id uuid not null references public.organizations (id),
    event text not null check (event in (
        'waiting', 'reminded', 'second_line', 'decided', 'expired', 'escalated', 'run_failed', 'delivery_stuck', 'nobody_can_decide')),
    channel text not null check (channel in ('slack', 'teams', 'email')),
    recipients text[] not null default '{}' check (cardinality(recipients) <= 20),
    primary key (organization_id, event, channel),
    constraint mail_goes_to_somebody check ((channel = 'email') = (cardinality(recipients) > 0))
);
comment on table public.notice_rules is 'Which events an organization wants to hear of, and where.';
comment on column public.notice_rules.organization_id is 'Tenant.';
comment on column public.notice_rules.event is 'waiting, reminded (half of the time is over), second_line (three quarters), decided, expired, escalated, run_failed, delivery_stuck, nobody_can_decide.';
comment on column public.notice_rules.channel is 'slack, teams or email.';
comment on column public.notice_rules.recipients is 'For e-mail: addresses, or deciders, submitter, admins.';
alter table public.notice_rules enable row level security;
create policy "people see the notice rules of their organization" on public.notice_rules
    for select to authenticated using (organization_id = (select private.my_organization()));
revoke all on public.notice_rules from public, anon, authenticated, service_role;
grant select on public.notice_rules to authenticated, service_role;

alter table public.approvals add column reminded_at timestamptz;
alter table public.approvals add column second_line_at timestamptz;
comment on column public.approvals.reminded_at is 'When half of the time to decide was over and people were reminded.';
comment on column public.approvals.second_line_at is 'When three quarters were over and the second line was told.';

create function public.apply_notices(payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.administrator();
    given jsonb := private.clean(payload);
    item jsonb;
    fields jsonb;
    what text;
    before jsonb;
    after jsonb;
begin
    if jsonb_typeof(given) is distinct from 'array' then
        perform private.fail(422, 'invalid', 'Notices are described by a list of {event, channel, to}.');
    end if;
    for item in select value from jsonb_array_elements(given) loop
        what := format('The notice %s by %s', coalesce(left(item ->> 'event', 40), '(no event)'), coalesce(left(item ->> 'channel', 40), '(no channel)'));
        fields := private.described(what, item::json, '{
            "event": {"required": true, "enum": ["waiting", "reminded", "second_line", "decided", "expired", "escalated", "run_failed", "delivery_stuck", "nobody_can_decide"]},
            "channel": {"required": true, "enum": ["slack", "teams", "email"]}, "to": {"type": "array"}}');
        if (fields ->> 'channel' = 'email') <> (jsonb_array_length(coalesce(fields -> 'to', '[]')) > 0) then
            perform private.refuse_misfits(what, case when fields ->> 'channel' = 'email'
                then '[{"field": "to", "problem": "is missing"}]' else '[{"field": "to", "problem": "is for e-mail only"}]' end::jsonb);
        elsif exists (select from jsonb_array_elements_text(coalesce(fields -> 'to', '[]')) as name
            where name not in ('deciders', 'submitter', 'admins') and name !~ '^[^@\s<>,;"]{1,64}@[^@\s<>,;"]{1,255}$')
            or jsonb_array_length(coalesce(fields -> 'to', '[]')) > 20 then
            perform private.refuse_misfits(what, '[{"field": "to", "problem": "must be at most 20 of: deciders, submitter, admins, or an e-mail address"}]');
        end if;
    end loop;
    select coalesce(jsonb_agg(to_jsonb(r) - 'organization_id' order by r.event, r.channel), '[]') into before
    from public.notice_rules r where r.organization_id = me.organization_id;
    delete from public.notice_rules r where r.organization_id = me.organization_id;
    insert into public.notice_rules (organization_id, event, channel, recipients)
    select distinct on (value ->> 'event', value ->> 'channel') me.organization_id, value ->> 'event', value ->> 'channel',
        array(select distinct jsonb_array_elements_text(coalesce(value -> 'to', '[]')) order by 1)
    from jsonb_array_elements(given) with ordinality as element (value, position)
    order by value ->> 'event', value ->> 'channel', position desc;
    select coalesce(jsonb_agg(to_jsonb(r) - 'organization_id' order by r.event, r.channel), '[]') into after
    from public.notice_rules r where r.organization_id = me.organization_id;
    if before <> after then
        perform private.audit(me.organization_id, me.user_id, me.display_name, 'organization.notices_changed', 'organizations', me.organization_id::text,
            jsonb_build_object('before', before, 'after', after));
    end if;
    return jsonb_build_object('rules', jsonb_array_length(after), 'changed', before <> after);
end $$;
comment on function public.apply_notices is
    'Admins: the whole list of [{event, channel, to}] of their organization; what is not in it is not told any more. {rules, changed}.';

-- Owing a notice -------------------------------------------------------------------------------------------------

create function private.addresses(recipients text[], incident public.incidents, approval public.approvals) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(distinct address order by address), '{}') from (
        select p.email as address from public.profiles p
        where p.organization_id = incident.organization_id and p.active and (
            ('deciders' = any (recipients) and approval.id is not null and (private.objection(approval, p)).code is null)
            or ('admins' = any (recipients) and p.role = 'admin')
            or ('submitter' = any (recipients) and p.user_id = incident.submitted_by))
        union
        select name from unnest(recipients) as name where name like '%@%') as found
    where address like '%@%'
$$;
comment on function private.addresses is 'E-mail addresses of a rule''s recipients, as they are now.';

create function private.notify(event text, incident public.incidents, approval public.approvals, facts jsonb default '{}') returns text[]
language plpgsql set search_path = '' as $$
declare
    rule public.notice_rules;
    told text[] := '{}';
    addressed text[];
begin
    for rule in select * from public.notice_rules r where r.organization_id = incident.organization_id and r.event = $1 order by r.channel loop
        addressed := private.addresses(rule.recipients, incident, approval);
        continue when rule.channel = 'email' and addressed = '{}';
        insert into public.outbox (organization_id, incident_id, kind, payload)
        values (incident.organization_id, incident.id, 'notice', jsonb_strip_nulls(jsonb_build_object(
            'event', event, 'channel', rule.channel, 'to', to_jsonb(addressed),
            'incident', jsonb_build_object('id', incident.id, 'external_id', private.redact(left(incident.external_id, 200)),
                'service', private.redact(left(incident.service, 200)), 'severity', incident.severity, 'title', private.redact(left(incident.title, 300))),
            'approval_id', approval.id, 'statement', private.redact(left(approval.proposal_text::jsonb ->> 'statement', 1000)),
            'deadline_at', approval.deadline_at, 'facts', facts)));
        told := told || rule.channel;
    end loop;
    return told;
end $$;
comment on function private.notify is 'Owes a notice by each channel the organization wants for this event; answers the channels.';

create or replace function private.escalation_channels(organization_id uuid) returns text[]
language sql stable set search_path = '' as $$
    select coalesce(array_agg(r.channel order by r.channel), '{}') from public.notice_rules r where r.organization_id = $1 and r.event = 'escalated'
$$;
comment on function private.escalation_channels is 'Channels that an escalation of this organization goes to.';

create function private.notice_of_approval() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = new.incident_id;
    if tg_op = 'INSERT' and new.status = 'pending' then
        perform private.notify('waiting', incident, new, jsonb_build_object('asked_by', new.requested_by_name));
        if cardinality(private.deciders(new)) = 0 then
            perform private.notify('nobody_can_decide', incident, new);
        end if;
    elsif tg_op = 'UPDATE' and new.status in ('approved', 'rejected') and old.status = 'pending' then
        perform private.notify('decided', incident, new, jsonb_build_object(
            'by', new.decided_by_name, 'decision', new.status, 'reason', private.redact(left(new.decision_reason, 500))));
    elsif tg_op = 'UPDATE' and new.status = 'expired' and old.status = 'pending' then
        perform private.notify('expired', incident, new);
    end if;
    return null;
end $$;
comment on function private.notice_of_approval is 'Trigger: an approval that waits, was decided or expired.';
create trigger approvals_are_told after insert or update of status on public.approvals
    for each row execute function private.notice_of_approval();

create function private.notice_of_escalation() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = new.incident_id;
    -- History that is imported was told to people in its own time.
    if incident.source = 'import' and new.execution_id in (select e.id from public.executions e where e.step = 'import') then
        return null;
    end if;
    perform private.notify('escalated', incident, null, jsonb_build_object('reason', private.redact(left(new.reason, 500))));
    return null;
end $$;
comment on function private.notice_of_escalation is 'Trigger: an incident that was handed to people.';
create trigger escalations_are_told after insert on public.escalations
    for each row execute function private.notice_of_escalation();

create function private.notice_of_run() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = new.incident_id;
    perform private.notify('run_failed', incident, null, jsonb_build_object(
        'state', new.state, 'step', new.step, 'reason', private.redact(left(split_part(new.problem, chr(10), 1), 500))));
    return null;
end $$;
comment on function private.notice_of_run is 'Trigger: a run that ended without doing its work.';
create trigger executions_are_told after update of ended_at on public.executions
    for each row when (old.ended_at is null and new.ended_at is not null and new.owns and new.state not in ('SUCCESS', 'WARNING', 'KILLED'))
    execute function private.notice_of_run();

create function private.notice_of_trouble() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    incident public.incidents;
    approval public.approvals;
begin
    select * into incident from public.incidents i where i.id = new.incident_id;
    select * into approval from public.approvals a where a.id = private.as_uuid(new.payload ->> 'approval_id');
    perform private.notify('delivery_stuck', incident, approval, jsonb_build_object(
        'kind', new.kind, 'since', new.created_at, 'reason', left(new.last_error, 500)));
    return null;
end $$;
comment on function private.notice_of_trouble is 'Trigger: a start, a command or a decision that does not reach Kestra.';
create trigger trouble_is_told after update of stuck_since on public.outbox
    for each row when (old.stuck_since is null and new.stuck_since is not null and new.kind <> 'notice' and new.incident_id is not null)
    execute function private.notice_of_trouble();

-- Time -----------------------------------------------------------------------------------------------------------

create function public.remind_approvals() returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    due uuid;
    approval public.approvals;
    incident public.incidents;
    halfway timestamptz;
    three_quarters timestamptz;
    told text[];
    reminded int := 0;
    second_line int := 0;
begin
    for due in
        select a.id from public.approvals a
        where a.status = 'pending' and a.deadline_at > now() and (
            (a.reminded_at is null and a.created_at + (a.deadline_at - a.created_at) / 2 <= now())
            or (a.second_line_at is null and a.created_at + (a.deadline_at - a.created_at) * 0.75 <= now()))
        order by a.deadline_at, a.id limit 100
    loop
        select i.* into incident from public.incidents i join public.approvals a on a.incident_id = i.id where a.id = due for update of i;
        select * into approval from public.approvals a where a.id = due and a.status = 'pending' for update;
        continue when approval.id is null;
        halfway := approval.created_at + (approval.deadline_at - approval.created_at) / 2;
        three_quarters := approval.created_at + (approval.deadline_at - approval.created_at) * 0.75;
        if approval.second_line_at is null and three_quarters <= now() then
            -- Whoever was away meanwhile hears it once, and the louder of the two.
            update public.approvals a set reminded_at = coalesce(a.reminded_at, now()), second_line_at = now() where a.id = due;
            told := private.notify('second_line', incident, approval);
            perform private.add_event(incident, 'second_line_told', null, 'worker', jsonb_build_object('approval_id', due, 'told', told));
            second_line := second_line + 1;
        elsif approval.reminded_at is null and halfway <= now() then
            update public.approvals a set reminded_at = now() where a.id = due;
            told := private.notify('reminded', incident, approval);
            perform private.add_event(incident, 'reminded', null, 'worker', jsonb_build_object('approval_id', due, 'told', told));
            reminded := reminded + 1;
        end if;
    end loop;
    return jsonb_build_object('reminded', reminded, 'second_line', second_line);
end $$;
comment on function public.remind_approvals is
    'Worker: at half of the time to decide people are reminded, at three quarters the second line is told; once each, by the database''s clock. {reminded, second_line}.';

revoke execute on function public.apply_notices, public.remind_approvals from public, anon, authenticated, service_role;
grant execute on function public.apply_notices to authenticated;
grant execute on function public.remind_approvals to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
