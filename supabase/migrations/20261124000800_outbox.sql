-- The worker's side: taking and settling what is owed, and noting what it saw at Kestra.

create function private.urgency(owed public.outbox) returns int
language sql immutable set search_path = '' as $$
    select case when owed.kind = 'command' and owed.payload ->> 'command' = 'kill' then 0 else 1 end
$$;
comment on function private.urgency is 'A kill goes before everything else of its incident.';

create function public.take_outbox(worker text, kinds text[] default null, n int default 10, lease_seconds int default 30) returns setof jsonb
language sql security definer set search_path = '' as $$
    with due as (
        select o.id from public.outbox o
        where o.status = 'owed' and o.next_attempt_at <= now() and (o.lease_until is null or o.lease_until <= now())
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
comment on function public.take_outbox is 'Worker: leases up to n due rows, at most one per incident. Set of {id, kind, organization_id, incident_id, attempts, lease_token, payload, detail, created_at, stuck_since}.';

create function public.settle_outbox(id uuid, lease_token uuid, outcome text, detail json default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    owed public.outbox;
    found jsonb := case when json_typeof(settle_outbox.detail) = 'object' then settle_outbox.detail::jsonb else '{}' end;
begin
    if outcome is null or outcome not in ('done', 'retry', 'waiting') then
        perform private.fail(422, 'invalid', 'An outcome is done, retry or waiting.');
    end if;
    select * into owed from public.outbox o where o.id = settle_outbox.id for update;
    if owed.id is null then
        perform private.fail(404, 'not_found', 'There is no such row in the outbox.');
    end if;
    if owed.status <> 'owed' then
        return jsonb_build_object('settled', false, 'status', owed.status);
    end if;
    if owed.lease_token is distinct from settle_outbox.lease_token or owed.lease_until < now() then
        perform private.fail(409, 'lost_lease', 'Another worker has this now.');
    end if;
    update public.outbox o set
        status = case when outcome = 'done' then 'done' else 'owed' end,
        settled_at = case when outcome = 'done' then now() end,
        attempts = o.attempts + case when outcome = 'retry' then 1 else 0 end,
        last_error = case when outcome = 'retry' then private.redact(left(coalesce(found ->> 'error', 'no reason was given'), 2000))
            when outcome = 'done' then null else o.last_error end,
        next_attempt_at = case
            when outcome = 'retry' then now() + make_interval(secs => least(60, power(2, least(o.attempts, 6))))
            when outcome = 'waiting' then now() + make_interval(secs => least(60, greatest(0.1, coalesce((found ->> 'after_seconds')::float, 1))))
            else o.next_attempt_at end,
        stuck_since = case when outcome = 'retry' and now() - o.created_at > interval '2 minutes' then coalesce(o.stuck_since, now())
            when outcome = 'done' then null else o.stuck_since end,
        detail = o.detail || (found - 'error' - 'after_seconds'),
        leased_by = null, lease_token = null, lease_until = null
    where o.id = owed.id returning * into owed;
    if owed.kind = 'deliver_decision' and owed.status = 'done' then
        update public.approvals a set delivered_at = coalesce(a.delivered_at, now())
        where a.id = (owed.payload ->> 'approval_id')::uuid;
    end if;
    return jsonb_build_object('settled', true, 'status', owed.status);
end $$;
comment on function public.settle_outbox is 'Worker: done, retry (failed; backoff to 60 s, stuck after two minutes) or waiting (look again). A lost lease settles nothing (409). {settled, status}.';

create function public.note_execution(
    kestra_execution_id text, kestra_instance text default null, state text default null, step text default null, seen int default null
) returns void
language sql security definer set search_path = '' as $$
    update public.executions e set
        kestra_instance = coalesce(note_execution.kestra_instance, e.kestra_instance),
        state = case when note_execution.seen > e.history_length and e.ended_at is null then coalesce(note_execution.state, e.state) else e.state end,
        step = case when note_execution.seen > e.history_length and e.ended_at is null then coalesce(note_execution.step, e.step) else e.step end,
        history_length = greatest(e.history_length, coalesce(note_execution.seen, 0)),
        seen_at = now()
    where e.kestra_execution_id = note_execution.kestra_execution_id
$$;
comment on function public.note_execution is 'Worker: what it saw at Kestra; a shorter state history than the one known is older and changes no state.';

create function public.import_incident(payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    given jsonb := private.clean(payload);
    tenant uuid := private.as_uuid(given ->> 'organization_id');
    incident public.incidents;
    execution public.executions;
    evidence jsonb := private.check_evidence(given -> 'evidence');
    remediation record;
    documentation record;
    problems jsonb := private.payload_problems(given - 'id');
begin
    if problems <> '[]' then
        perform private.fail(422, 'invalid', 'This incident cannot be imported.', jsonb_build_object('fields', problems));
    end if;
    select * into remediation from private.check_remediation(given -> 'remediation', evidence);
    select * into documentation from private.check_documentation(given -> 'documentation', evidence);
    if coalesce(remediation.problem, documentation.problem) is not null then
        perform private.fail(422, 'invalid', 'This incident cannot be imported: ' || coalesce(remediation.problem, documentation.problem));
    end if;
    perform private.submission_lock(tenant);
    select * into incident from public.incidents i
    where i.organization_id = tenant and i.external_id = given ->> 'external_id' and i.source = 'import';
    if incident.id is not null then
        return jsonb_build_object('incident_id', incident.id);
    end if;
    insert into public.incidents (
        organization_id, external_id, source, service_id, service, severity, severity_text, status, title, description, logs, metrics,
        context, fingerprint, created_at, resolved_at)
    values (
        tenant, given ->> 'external_id', 'import',
        (select s.id from public.services s where s.organization_id = tenant and s.name = given ->> 'service'),
        given ->> 'service', private.severity(given ->> 'severity'), given ->> 'severity', 'resolved', given ->> 'title',
        coalesce(given ->> 'description', ''), private.log_lines(given -> 'logs'), coalesce(given -> 'metrics', '{}'),
        coalesce(given -> 'context', '{}'), private.fingerprint(given ->> 'service', given ->> 'title'),
        (given ->> 'opened_at')::timestamptz, (given ->> 'resolved_at')::timestamptz)
    returning * into incident;
    insert into public.executions (organization_id, incident_id, run_id, kestra_execution_id, owns, state, step, started_at, reported_at, ended_at)
    values (tenant, incident.id, gen_random_uuid(), 'import-' || incident.id, true, 'SUCCESS', 'import',
        incident.created_at, incident.resolved_at, incident.resolved_at)
    returning * into execution;
    insert into public.ai_analyses (
        organization_id, incident_id, execution_id, kestra_execution_id, root_cause, impact, error_clusters, confidence_level,
        remediation, documentation, evidence, model, created_at, updated_at, completed_at)
    values (
        tenant, incident.id, execution.id, execution.kestra_execution_id, left(given ->> 'root_cause', 2000), left(given ->> 'impact', 2000),
        coalesce(given -> 'error_clusters', '[]'), upper(given ->> 'confidence_level'), remediation.checked, documentation.checked,
        evidence, left(given ->> 'model', 200), incident.created_at, incident.resolved_at, incident.resolved_at);
    insert into public.incident_events (organization_id, incident_id, kind, actor_name, at, detail)
    values (tenant, incident.id, 'submitted', 'import', incident.created_at, '{}'),
        (tenant, incident.id, 'resolved', 'import', incident.resolved_at, '{}');
    perform private.audit(tenant, null, 'import', 'incident.imported', 'incidents', incident.id::text);
    return jsonb_build_object('incident_id', incident.id);
end $$;
comment on function public.import_incident is 'Service role: a finished incident of the past with its postmortem; once per external_id. {incident_id}.';

revoke all on function
    public.take_outbox(text, text[], int, int), public.settle_outbox(uuid, uuid, text, json),
    public.note_execution(text, text, text, text, int), public.import_incident(json)
    from public, anon, authenticated, service_role;
grant execute on function
    public.take_outbox(text, text[], int, int), public.settle_outbox(uuid, uuid, text, json),
    public.note_execution(text, text, text, text, int), public.import_incident(json)
    to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
