-- How an incident comes in: submitted by a person, or claimed by the flow.

create function private.payload_problems(payload jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('field', field, 'problem', problem)), '[]')
    from (values
        ('payload', 'must be an object', jsonb_typeof(payload) is distinct from 'object'),
        ('payload', 'is larger than 5 MB', length(payload::text) > 5000000),
        ('service', 'is missing', coalesce(trim(payload ->> 'service'), '') = ''),
        ('service', 'is longer than 200 characters', length(payload ->> 'service') > 200),
        ('severity', 'must be LOW, MEDIUM, HIGH or CRITICAL', private.severity(payload ->> 'severity') = 'UNKNOWN'),
        ('title', 'is missing', coalesce(trim(payload ->> 'title'), '') = ''),
        ('title', 'is longer than 300 characters', length(payload ->> 'title') > 300),
        ('description', 'must be text', coalesce(jsonb_typeof(payload -> 'description'), 'null') not in ('string', 'null')),
        ('description', 'is longer than 20,000 characters', length(payload ->> 'description') > 20000),
        ('logs', 'must be a list of lines', coalesce(jsonb_typeof(payload -> 'logs'), 'null') not in ('array', 'null')),
        ('logs', 'has more than 20,000 lines', jsonb_typeof(payload -> 'logs') = 'array' and jsonb_array_length(payload -> 'logs') > 20000),
        ('metrics', 'must be an object', coalesce(jsonb_typeof(payload -> 'metrics'), 'null') not in ('object', 'null')),
        ('context', 'must be an object', coalesce(jsonb_typeof(payload -> 'context'), 'null') not in ('object', 'null')),
        ('id', 'must be text of at most 100 characters', jsonb_typeof(payload -> 'id') not in ('string', 'null') or length(payload ->> 'id') > 100)
    ) as rule (field, problem, broken)
    where broken
$$;
comment on function private.payload_problems is 'Everything wrong with a submitted payload, as [{field, problem}].';

create function private.log_lines(logs jsonb) returns text[]
language sql immutable set search_path = '' as $$
    select coalesce(array_agg(case when jsonb_typeof(line) = 'string' then line #>> '{}' else line::text end order by position), '{}')
    from jsonb_array_elements(case when jsonb_typeof(logs) = 'array' then logs else '[]' end) with ordinality as element (line, position)
$$;
comment on function private.log_lines is 'Log lines of a payload; what is no text is kept as its JSON.';

create function private.owe_run(incident public.incidents, requested_by uuid) returns uuid
language sql set search_path = '' as $$
    insert into public.outbox (organization_id, incident_id, kind, requested_by)
    values (incident.organization_id, incident.id, 'start_run', requested_by)
    returning id
$$;
comment on function private.owe_run is 'Puts an intended start into the outbox; answers its run_id.';

create function public.submit_incident(payload json) returns jsonb
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
    where i.organization_id = me.organization_id and i.status not in ('resolved', 'closed')
        and (i.external_id = outside
            or (i.fingerprint = print and not coalesce((given ->> 'file_separately')::boolean, false)))
    order by (i.external_id = outside) desc nulls last, i.created_at
    limit 1
    for update;

    if incident.id is not null then
        joined := true;
        update public.incidents set occurrences = occurrences + 1 where id = incident.id returning * into incident;
        perform private.add_event(incident, 'seen_again', me.user_id, me.display_name, jsonb_build_object('payload', given));
        if private.severity_rank(private.severity(given ->> 'severity')) > private.severity_rank(incident.severity) then
            run_id := private.raise_severity(incident.id, private.severity(given ->> 'severity'), me);
        elsif not private.has_live_run(incident.id) then
            run_id := private.owe_run(incident, me.user_id);
        end if;
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
comment on function public.submit_incident is
    'Files an incident and owes its run, in one transaction; the same problem while open joins. {incident_id, external_id, joined, occurrences, opened_at, run_id}. 422 invalid with fields.';

-- The claim ------------------------------------------------------------------------------------------------------

create function private.claim_answer(execution public.executions, incident public.incidents) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object(
        'proceed', execution.owns,
        'reason', case when execution.owns then 'This execution owns the incident.' else execution.problem end,
        'incident', jsonb_build_object(
            'id', incident.id, 'external_id', incident.external_id, 'organization_id', incident.organization_id,
            'service', incident.service, 'severity', incident.severity, 'severity_text', incident.severity_text,
            'title', incident.title, 'description', left(incident.description, 4000), 'occurrences', incident.occurrences,
            'log_count', coalesce(array_length(incident.logs, 1), 0)),
        'run', jsonb_build_object('run_id', execution.run_id, 'execution_id', execution.id))
$$;
comment on function private.claim_answer is 'What open_run answers for an execution.';

create function private.as_uuid(value text) returns uuid
language sql immutable set search_path = '' as $$
    select case when value ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then value::uuid end
$$;
comment on function private.as_uuid is 'The uuid, or null for any other text.';

create function private.incident_of_webhook(given jsonb, kestra_execution_id text) returns public.incidents
language plpgsql set search_path = '' as $$
declare
    organization public.organizations;
    notes text[] := '{}';
    incident public.incidents;
    name text;
    lines text[] := private.log_lines(given -> 'logs');
    fields jsonb := case when jsonb_typeof(given) = 'object' then given else '{}' end;
    outside text;
begin
    select * into organization from public.organizations o
    where o.id = private.as_uuid(fields ->> 'organization_id') and o.accepts_direct_webhook;
    if organization.id is null then
        select * into organization from public.organizations o where o.is_default and o.accepts_direct_webhook;
        if fields ? 'organization_id' then
            notes := notes || 'The named organization is unknown or takes no direct webhooks; filed under the default one.'::text;
        end if;
    end if;
    if organization.id is null then
        return null;
    end if;
    perform private.submission_lock(organization.id);

    outside := nullif(trim(left(fields ->> 'id', 200)), '');
    if outside is not null then
        select * into incident from public.incidents i
        where i.organization_id = organization.id and i.external_id = outside and i.status not in ('resolved', 'closed')
        for update;
        if incident.id is not null then
            update public.incidents set occurrences = occurrences + 1 where id = incident.id returning * into incident;
            perform private.add_event(incident, 'seen_again', null, 'webhook', jsonb_build_object('payload', given, 'kestra_execution_id', kestra_execution_id));
            return incident;
        end if;
    end if;

    if jsonb_typeof(given) is distinct from 'object' then
        notes := notes || ('The payload was no object; kept as text: ' || left(coalesce(given::text, 'nothing'), 1000));
    end if;
    foreach name in array array['service', 'title', 'severity'] loop
        if coalesce(trim(fields ->> name), '') = '' then
            notes := notes || format('%s was missing.', name);
        elsif jsonb_typeof(fields -> name) <> 'string' then
            notes := notes || format('%s was no text; kept as it was written.', name);
        end if;
    end loop;
    if fields ? 'logs' and jsonb_typeof(fields -> 'logs') <> 'array' then
        lines := array[case when jsonb_typeof(fields -> 'logs') = 'string' then fields ->> 'logs' else (fields -> 'logs')::text end];
        notes := notes || 'logs was no list; kept as one line.'::text;
    end if;
    if array_length(lines, 1) > 20000 then
        lines := lines[1:20000];
        notes := notes || 'logs had more than 20,000 lines; the first 20,000 were kept.'::text;
    end if;
    if length(array_to_string(lines, '')) > 5000000 then
        select coalesce(array_agg(line order by n), '{}') into lines
        from (select line, n, sum(length(line)) over (order by n) as so_far from unnest(lines) with ordinality as each_line (line, n)) counted
        where so_far <= 5000000;
        notes := notes || 'logs were larger than 5 MB; what fits of their beginning was kept.'::text;
    end if;
    foreach name in array array['metrics', 'context'] loop
        if length((fields -> name)::text) > 500000 then
            notes := notes || format('%s was larger than 500 KB and was left out.', name);
            fields := fields - name;
        end if;
        if fields ? name and jsonb_typeof(fields -> name) not in ('object', 'null') then
            notes := notes || format('%s was no object; kept as text: %s', name, left((fields -> name)::text, 500));
        end if;
    end loop;
    insert into public.incidents (
        organization_id, external_id, source, service_id, service, severity, severity_text, title, description, logs, metrics,
        context, fingerprint, intake_notes)
    values (
        organization.id, coalesce(outside, kestra_execution_id), 'webhook',
        (select s.id from public.services s where s.organization_id = organization.id and s.name = trim(fields ->> 'service')),
        coalesce(nullif(trim(left(fields ->> 'service', 200)), ''), 'unknown'),
        private.severity(fields ->> 'severity'), left(coalesce(fields ->> 'severity', ''), 200),
        coalesce(nullif(trim(left(fields ->> 'title', 500)), ''), 'Untitled incident'),
        left(coalesce(fields ->> 'description', ''), 20000), lines,
        case when jsonb_typeof(fields -> 'metrics') = 'object' then fields -> 'metrics' else '{}' end,
        case when jsonb_typeof(fields -> 'context') = 'object' then fields -> 'context' else '{}' end,
        private.fingerprint(coalesce(fields ->> 'service', ''), coalesce(fields ->> 'title', '')), notes)
    returning * into incident;
    perform private.add_event(incident, 'submitted', null, 'webhook', jsonb_build_object('kestra_execution_id', kestra_execution_id));
    return incident;
end $$;
comment on function private.incident_of_webhook is 'Finds or creates, and locks, the incident of a webhook that did not come from the desk; null when no organization takes it.';

create function public.open_run(payload json, kestra_execution_id text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    given jsonb := private.clean(payload);
    execution public.executions;
    incident public.incidents;
    start public.outbox;
    refusal text;
begin
    select * into execution from public.executions e where e.kestra_execution_id = open_run.kestra_execution_id;
    if execution.id is not null then
        select * into incident from public.incidents i where i.id = execution.incident_id;
        return private.claim_answer(execution, incident);
    end if;

    if jsonb_typeof(given) = 'object' then
        select * into start from public.outbox o
        where o.id = private.as_uuid(given ->> 'run_id') and o.kind = 'start_run';
    end if;
    if start.id is not null then
        select * into incident from public.incidents i where i.id = start.incident_id for update;
        select * into start from public.outbox o where o.id = start.id for update;
        if start.status = 'withdrawn' then
            refusal := 'This start was withdrawn.';
        end if;
    else
        incident := private.incident_of_webhook(given, kestra_execution_id);
        if incident.id is null then
            return jsonb_build_object('proceed', false, 'incident', null, 'run', null,
                'reason', 'No organization accepts direct webhooks, so nothing was filed. Name one by organization_id, or make a default organization.');
        end if;
        if exists (select from public.outbox o where o.incident_id = incident.id and o.kind = 'start_run' and o.status = 'owed') then
            refusal := 'A run of this incident is about to start from the desk.';
        end if;
    end if;

    -- Two calls for one execution may have met in front of the lock.
    select * into execution from public.executions e where e.kestra_execution_id = open_run.kestra_execution_id;
    if execution.id is not null then
        return private.claim_answer(execution, incident);
    end if;
    select coalesce(refusal,
        (select format('Execution %s owns this run.', e.kestra_execution_id) from public.executions e where e.owns and e.run_id = start.id),
        (select format('Execution %s is at work on this incident.', e.kestra_execution_id) from public.executions e
            where e.incident_id = incident.id and e.owns and e.ended_at is null),
        case when incident.status in ('resolved', 'closed') then format('The incident is %s.', incident.status) end)
    into refusal;

    insert into public.executions (organization_id, incident_id, run_id, kestra_execution_id, requested_by, owns, state, step, problem)
    values (incident.organization_id, incident.id, coalesce(start.id, case when refusal is null then gen_random_uuid() end),
        kestra_execution_id, start.requested_by, refusal is null, 'RUNNING', 'open_run', refusal)
    returning * into execution;
    if refusal is null then
        update public.incidents set status = 'investigating', needs_human = false, needs_human_reason = null
        where id = incident.id returning * into incident;
        update public.outbox
        set status = 'done', settled_at = now(), lease_token = null, lease_until = null, last_error = null, stuck_since = null,
            detail = detail || jsonb_build_object('kestra_execution_id', kestra_execution_id)
        where id = start.id and status = 'owed';
        perform private.add_event(incident, 'run_started', start.requested_by, 'flow', jsonb_build_object('kestra_execution_id', kestra_execution_id));
    else
        -- A start whose incident is over will never be claimed: it is owed no longer.
        update public.outbox
        set status = 'withdrawn', settled_at = now(), lease_token = null, lease_until = null, last_error = refusal
        where id = start.id and status = 'owed' and incident.status in ('resolved', 'closed');
        perform private.add_event(incident, 'duplicate_run', null, 'flow', jsonb_build_object('kestra_execution_id', kestra_execution_id, 'reason', refusal));
    end if;
    return private.claim_answer(execution, incident);
end $$;
comment on function public.open_run is
    'Flow: finds or creates the incident and claims it for this execution; the same execution gets the same answer. {proceed, reason, incident, run}.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke all on function public.submit_incident(json), public.open_run(json, text) from public, anon, authenticated, service_role;
grant execute on function public.submit_incident(json) to authenticated;
grant execute on function public.open_run(json, text) to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
