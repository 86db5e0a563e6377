-- Incidents, what happened to them, and the runs that handle them.

create table public.incidents (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    external_id text not null check (length(external_id) between 1 and 200),
    source text not null check (source in ('desk', 'webhook', 'import')),
    service_id uuid references public.services (id),
    service text not null check (length(service) between 1 and 200),
    severity text not null check (severity in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'UNKNOWN')),
    severity_text text not null check (length(severity_text) <= 200),
    status text not null default 'open'
        check (status in ('open', 'investigating', 'awaiting_approval', 'resolved', 'closed')),
    needs_human boolean not null default false,
    needs_human_reason text check (length(needs_human_reason) <= 2000),
    title text not null check (length(title) between 1 and 500),
    description text not null default '',
    logs text[] not null default '{}',
    metrics jsonb not null default '{}' check (jsonb_typeof(metrics) = 'object'),
    context jsonb not null default '{}' check (jsonb_typeof(context) = 'object'),
    intake_notes text[] not null default '{}',
    fingerprint text not null check (length(fingerprint) = 64),
    occurrences int not null default 1 check (occurrences >= 1),
    submitted_by uuid references public.profiles (user_id),
    submitted_by_name text,
    acknowledged_at timestamptz,
    acknowledged_by uuid references public.profiles (user_id),
    assigned_to uuid references public.profiles (user_id),
    version int not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    resolved_at timestamptz,
    closed_at timestamptz
);
create unique index incidents_one_open_per_external_id on public.incidents (organization_id, external_id)
    where status not in ('resolved', 'closed');
create index incidents_newest on public.incidents (organization_id, created_at desc);
create index incidents_by_fingerprint on public.incidents (organization_id, fingerprint, created_at desc);
create index incidents_by_service on public.incidents (organization_id, service, created_at desc);
comment on table public.incidents is 'Problems as reported. Only functions write here.';
comment on column public.incidents.id is 'Identity; in the desk''s addresses.';
comment on column public.incidents.organization_id is 'Tenant.';
comment on column public.incidents.external_id is 'Name outside, such as INC-001; unique in an organization while not resolved or closed.';
comment on column public.incidents.source is 'desk: submitted by a person; webhook: posted to Kestra past the desk; import: history.';
comment on column public.incidents.service_id is 'The service, where its name is known here.';
comment on column public.incidents.service is 'Name of the service as reported.';
comment on column public.incidents.severity is 'As reported, normalised; UNKNOWN is treated as HIGH. The model never changes it.';
comment on column public.incidents.severity_text is 'As reported, letter by letter.';
comment on column public.incidents.status is 'Moved only by functions; open means not resolved and not closed.';
comment on column public.incidents.needs_human is 'Whether a person has to look.';
comment on column public.incidents.needs_human_reason is 'Why, in a sentence.';
comment on column public.incidents.title is 'One line.';
comment on column public.incidents.description is 'What the reporter wrote.';
comment on column public.incidents.logs is 'Log lines, oldest first.';
comment on column public.incidents.metrics is 'Names and values.';
comment on column public.incidents.context is 'Anything else, such as the host.';
comment on column public.incidents.intake_notes is 'What was missing, malformed or cut when it came in.';
comment on column public.incidents.fingerprint is 'SHA-256 of service and normalised title: the same problem again.';
comment on column public.incidents.occurrences is 'How often it was reported while open.';
comment on column public.incidents.submitted_by is 'The person; null: by webhook, submitter unknown.';
comment on column public.incidents.submitted_by_name is 'That person''s name at that time.';
comment on column public.incidents.acknowledged_at is 'First acknowledgement; with created_at the time to acknowledge.';
comment on column public.incidents.acknowledged_by is 'Who acknowledged first.';
comment on column public.incidents.assigned_to is 'Who has it.';
comment on column public.incidents.version is 'Raised by every change; edits name the version they saw.';
comment on column public.incidents.created_at is 'First report.';
comment on column public.incidents.updated_at is 'Last change.';
comment on column public.incidents.resolved_at is 'When it was resolved.';
comment on column public.incidents.closed_at is 'When a person closed it.';

create function private.touch_incident() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.version := old.version + 1;
    new.updated_at := now();
    if new.status = 'resolved' and old.status <> 'resolved' then new.resolved_at := now(); end if;
    if new.status = 'closed' and old.status <> 'closed' then new.closed_at := now(); end if;
    return new;
end $$;
comment on function private.touch_incident is 'Trigger: version and times of incidents.';
create trigger incidents_are_versioned before update on public.incidents
    for each row execute function private.touch_incident();

create table public.incident_events (
    id bigint generated always as identity primary key,
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    kind text not null check (kind ~ '^[a-z_]{1,60}$'),
    actor_id uuid,
    actor_name text not null,
    at timestamptz not null default clock_timestamp(),
    detail jsonb not null default '{}'
);
create index incident_events_by_incident on public.incident_events (incident_id, at);
create index incident_events_by_organization on public.incident_events (organization_id, at desc);
create trigger incident_events_only_grow before update or delete on public.incident_events
    for each row execute function private.refuse_change();
create trigger incident_events_are_never_emptied before truncate on public.incident_events
    for each statement execute function private.refuse_change();
comment on table public.incident_events is 'What happened to an incident, oldest first. Append-only.';
comment on column public.incident_events.id is 'Order of writing.';
comment on column public.incident_events.organization_id is 'Tenant.';
comment on column public.incident_events.incident_id is 'The incident.';
comment on column public.incident_events.kind is 'submitted, seen_again, run_started, approval_requested, approved, …';
comment on column public.incident_events.actor_id is 'The person; null for flow and worker.';
comment on column public.incident_events.actor_name is 'The person''s name at that time, or the program.';
comment on column public.incident_events.at is 'When.';
comment on column public.incident_events.detail is 'What belongs to the kind; a repeated report keeps its whole payload here.';

create table public.outbox (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    incident_id uuid references public.incidents (id),
    kind text not null check (kind in ('start_run', 'deliver_decision', 'command', 'notice')),
    status text not null default 'owed' check (status in ('owed', 'done', 'withdrawn')),
    payload jsonb not null default '{}',
    detail jsonb not null default '{}',
    requested_by uuid references public.profiles (user_id),
    attempts int not null default 0,
    next_attempt_at timestamptz not null default now(),
    leased_by text,
    lease_token uuid,
    lease_until timestamptz,
    last_error text check (length(last_error) <= 2000),
    stuck_since timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz
);
create index outbox_owed on public.outbox (next_attempt_at) where status = 'owed';
create index outbox_by_incident on public.outbox (incident_id, created_at);
create index outbox_by_organization on public.outbox (organization_id, created_at desc);
comment on table public.outbox is 'Work owed to the world outside. Nothing is ever dropped: tried until done or withdrawn by a person.';
comment on column public.outbox.id is 'Identity; of a start_run this is the run_id.';
comment on column public.outbox.organization_id is 'Tenant.';
comment on column public.outbox.incident_id is 'The incident it belongs to.';
comment on column public.outbox.kind is 'start_run, deliver_decision, command, notice.';
comment on column public.outbox.status is 'owed, done, or withdrawn by a person.';
comment on column public.outbox.payload is 'What is to be done; never changed.';
comment on column public.outbox.detail is 'What the attempts found out, such as the execution id.';
comment on column public.outbox.requested_by is 'The person who caused it.';
comment on column public.outbox.attempts is 'Failed attempts so far.';
comment on column public.outbox.next_attempt_at is 'Not before then.';
comment on column public.outbox.leased_by is 'The worker that has it now.';
comment on column public.outbox.lease_token is 'Proof of the lease; a lost one cannot settle.';
comment on column public.outbox.lease_until is 'End of the lease.';
comment on column public.outbox.last_error is 'Why the last attempt failed.';
comment on column public.outbox.stuck_since is 'Set when it is owed for over two minutes after a failure; still tried.';
comment on column public.outbox.created_at is 'When it came to be owed.';
comment on column public.outbox.settled_at is 'When it was done or withdrawn.';

create table public.executions (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    run_id uuid,
    kestra_execution_id text not null unique check (length(kestra_execution_id) between 1 and 100),
    kestra_instance text,
    requested_by uuid references public.profiles (user_id),
    owns boolean not null,
    state text not null check (length(state) <= 40),
    step text check (length(step) <= 200),
    history_length int not null default 0,
    problem text check (length(problem) <= 8000),
    started_at timestamptz not null default now(),
    reported_at timestamptz not null default now(),
    seen_at timestamptz,
    kill_requested_at timestamptz,
    superseded_at timestamptz,
    ended_at timestamptz
);
create unique index executions_one_live_owner on public.executions (incident_id) where owns and ended_at is null;
create unique index executions_one_owner_per_run on public.executions (run_id) where owns;
create index executions_by_incident on public.executions (incident_id, started_at desc);
create index executions_live on public.executions (organization_id) where ended_at is null;
comment on table public.executions is 'Kestra executions that handle incidents; also those that were refused the incident.';
comment on column public.executions.id is 'Identity.';
comment on column public.executions.organization_id is 'Tenant.';
comment on column public.executions.incident_id is 'The incident.';
comment on column public.executions.run_id is 'The intended start it claimed; for direct webhooks made at the claim.';
comment on column public.executions.kestra_execution_id is 'Kestra''s id.';
comment on column public.executions.kestra_instance is 'uuid of the Kestra that runs it.';
comment on column public.executions.requested_by is 'The person who asked for this run; null: by webhook.';
comment on column public.executions.owns is 'Whether it was given the incident; false: a duplicate.';
comment on column public.executions.state is 'Kestra''s state, last known.';
comment on column public.executions.step is 'Task the flow last reported.';
comment on column public.executions.history_length is 'Length of Kestra''s state history last seen; a shorter one is older.';
comment on column public.executions.problem is 'Why it failed or was refused.';
comment on column public.executions.started_at is 'When it claimed the incident.';
comment on column public.executions.reported_at is 'When the flow last reported.';
comment on column public.executions.seen_at is 'When the worker last saw it at Kestra.';
comment on column public.executions.kill_requested_at is 'When a person asked to kill it; nothing begins after that.';
comment on column public.executions.superseded_at is 'When another run took its place.';
comment on column public.executions.ended_at is 'When its end was recorded; null: live.';

create table public.escalations (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    execution_id uuid not null unique references public.executions (id),
    reason text not null check (length(reason) <= 2000),
    told text[] not null default '{}',
    told_nobody boolean not null,
    acknowledged_at timestamptz,
    acknowledged_by uuid references public.profiles (user_id),
    created_at timestamptz not null default now()
);
create index escalations_by_incident on public.escalations (incident_id, created_at);
create index escalations_open on public.escalations (organization_id) where acknowledged_at is null;
comment on table public.escalations is 'Incidents handed to people by the flow.';
comment on column public.escalations.id is 'Identity.';
comment on column public.escalations.organization_id is 'Tenant.';
comment on column public.escalations.incident_id is 'The incident.';
comment on column public.escalations.execution_id is 'The execution that escalated; once each.';
comment on column public.escalations.reason is 'Why, in a sentence.';
comment on column public.escalations.told is 'Channels that were told.';
comment on column public.escalations.told_nobody is 'No channel is set up: nobody could be told; the desk is the only place that shows it.';
comment on column public.escalations.acknowledged_at is 'When a person took it.';
comment on column public.escalations.acknowledged_by is 'Who took it.';
comment on column public.escalations.created_at is 'When it was escalated.';

-- Helpers --------------------------------------------------------------------------------------------------------

create function private.add_event(incident public.incidents, kind text, actor_id uuid, actor_name text, detail jsonb default '{}') returns void
language sql set search_path = '' as $$
    insert into public.incident_events (organization_id, incident_id, kind, actor_id, actor_name, detail)
    values (incident.organization_id, incident.id, kind, actor_id, actor_name, coalesce(detail, '{}'))
$$;
comment on function private.add_event is 'Appends one event to an incident.';

create function private.needs_human(incident_id uuid, reason text) returns void
language sql set search_path = '' as $$
    update public.incidents
    set needs_human = true, needs_human_reason = left(reason, 2000),
        status = case when status in ('resolved', 'closed') then status else 'investigating' end
    where id = incident_id
$$;
comment on function private.needs_human is 'Says that a person has to look, and why; a finished incident stays finished.';

create function private.fingerprint(service text, title text) returns text
language sql immutable set search_path = '' as $$
    select encode(sha256(convert_to(
        lower(trim(service)) || chr(10) ||
        regexp_replace(regexp_replace(lower(trim(title)), '[0-9]+', '#', 'g'), '\s+', ' ', 'g'), 'UTF8')), 'hex')
$$;
comment on function private.fingerprint is 'SHA-256 of service and title with numbers and spacing levelled: the same problem gives the same value.';

create function private.severity(text) returns text
language sql immutable set search_path = '' as $$
    select case when upper(trim($1)) in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL') then upper(trim($1)) else 'UNKNOWN' end
$$;
comment on function private.severity is 'LOW, MEDIUM, HIGH, CRITICAL in any case; everything else, also null, UNKNOWN.';

create function private.clean(payload json) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    written text := payload::text;
begin
    -- jsonb knows neither NUL nor half a surrogate pair. A backslash that is itself escaped starts no escape.
    written := regexp_replace(written, '(?<!\\)((?:\\\\)*)\\u0000', '\1', 'g');
    written := regexp_replace(written, '(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})', '\1\\ufffd', 'g');
    begin
        return written::jsonb;
    exception when untranslatable_character or invalid_text_representation then
        return regexp_replace(written, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::jsonb;
    end;
end $$;
comment on function private.clean is 'A payload without NUL and without halves of surrogate pairs.';

create function private.redact(value text) returns text
language sql immutable set search_path = '' as $$
    select regexp_replace(regexp_replace(regexp_replace(regexp_replace(value,
        '(?i)\m(bearer|basic)\s+[a-z0-9._~+/=-]{8,}', '\1 [redacted]', 'g'),
        '\meyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+', '[redacted token]', 'g'),
        '\m(sb_secret_|sk-|AIza|ghp_|xox[abp]-)[A-Za-z0-9_-]{8,}', '[redacted key]', 'g'),
        '(?i)\m(password|passwd|secret|token|api[_-]?key)(["'']?\s*[:=]\s*["'']?)[^\s"'',;&]{4,}', '\1\2[redacted]', 'g')
$$;
comment on function private.redact is 'Text of error messages without what looks like a credential, before it is stored.';

create function private.submission_lock(organization_id uuid) returns void
language sql set search_path = '' as $$
    select pg_advisory_xact_lock(hashtextextended('submission ' || organization_id, 0))
$$;
comment on function private.submission_lock is 'Serialises what finds or creates incidents of one organization, until the end of the transaction.';

create function private.has_live_run(incident_id uuid) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.executions e where e.incident_id = $1 and e.owns and e.ended_at is null)
        or exists (select from public.outbox o where o.incident_id = $1 and o.kind = 'start_run' and o.status = 'owed')
$$;
comment on function private.has_live_run is 'Whether a run is owed or live.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.incidents enable row level security;
alter table public.incident_events enable row level security;
alter table public.outbox enable row level security;
alter table public.executions enable row level security;
alter table public.escalations enable row level security;
create policy "people see the incidents of their organization" on public.incidents
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see the events of their organization" on public.incident_events
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see what is owed in their organization" on public.outbox
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see the executions of their organization" on public.executions
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see the escalations of their organization" on public.escalations
    for select to authenticated using (organization_id = (select private.my_organization()));

revoke all on public.incidents, public.incident_events, public.outbox, public.executions, public.escalations
    from public, anon, authenticated, service_role;
grant select on public.incidents, public.incident_events, public.executions, public.escalations to authenticated, service_role;
-- The lease is the worker's business: people see what is owed, not the token that settles it.
grant select (id, organization_id, incident_id, kind, status, payload, detail, attempts, next_attempt_at, last_error,
    stuck_since, created_at, settled_at) on public.outbox to authenticated;
grant select on public.outbox to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
