-- What people change on an incident, and what they ask of a run.

-- Commands -------------------------------------------------------------------------------------------------------

create function private.owe_command(execution public.executions, command text, requested_by uuid, reason text) returns uuid
language sql set search_path = '' as $$
    insert into public.outbox (organization_id, incident_id, kind, requested_by, payload)
    values (execution.organization_id, execution.incident_id, 'command', requested_by, jsonb_build_object(
        'command', command, 'kestra_execution_id', execution.kestra_execution_id, 'kestra_instance', execution.kestra_instance, 'reason', reason))
    returning id
$$;
comment on function private.owe_command is 'Owes Kestra a kill or a restart of an execution.';

create function private.raise_severity(incident_id uuid, severity text, me public.profiles) returns uuid
language plpgsql set search_path = '' as $$
declare
    incident public.incidents;
    execution public.executions;
    run_id uuid;
begin
    update public.incidents i set severity = raise_severity.severity where i.id = raise_severity.incident_id returning * into incident;
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
comment on function private.raise_severity is 'Raises the severity; a live run is superseded, killed and followed by a new one, whose run_id is answered.';

create function private.severity_rank(severity text) returns int
language sql immutable set search_path = '' as $$
    select array_position(array['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'], case severity when 'UNKNOWN' then 'HIGH' else severity end)
$$;
comment on function private.severity_rank is '1 LOW … 4 CRITICAL; UNKNOWN counts as HIGH.';

create function private.visible_incident(incident_id uuid, me public.profiles) returns public.incidents
language plpgsql set search_path = '' as $$
declare
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = incident_id and i.organization_id = me.organization_id for update;
    if incident.id is null then
        perform private.fail(404, 'not_found', 'There is no such incident.');
    end if;
    return incident;
end $$;
comment on function private.visible_incident is 'The incident, locked, or 404 for one that is not there or another organization''s.';

create function public.request_command(kind text, id uuid, reason text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    execution public.executions;
    incident public.incidents;
    owed uuid;
    why text := left(coalesce(nullif(trim(reason), ''), 'No reason was given.'), 2000);
begin
    if kind = 'run_again' then
        incident := private.visible_incident(request_command.id, me);
        if private.has_live_run(incident.id) then
            perform private.fail(409, 'live_run', 'A run of this incident is live or about to start; kill it first.');
        elsif incident.status in ('resolved', 'closed') then
            perform private.fail(409, 'not_open', format('The incident is %s; reopen it first.', incident.status));
        end if;
        owed := private.owe_run(incident, me.user_id);
    elsif kind in ('kill', 'restart') then
        select * into execution from public.executions e where e.id = request_command.id and e.organization_id = me.organization_id;
        if execution.id is null then
            perform private.fail(404, 'not_found', 'There is no such execution.');
        end if;
        incident := private.visible_incident(execution.incident_id, me);
        select * into execution from public.executions e where e.id = execution.id for update;
        select o.id into owed from public.outbox o
        where o.kind = 'command' and o.status = 'owed' and o.payload ->> 'kestra_execution_id' = execution.kestra_execution_id
            and o.payload ->> 'command' = request_command.kind;
        if owed is not null then
            return jsonb_build_object('command_id', owed, 'already_asked', true);
        end if;
        if kind = 'kill' and execution.ended_at is not null then
            perform private.fail(409, 'not_live', format('This execution has ended as %s.', execution.state));
        elsif kind = 'restart' and (execution.ended_at is null or execution.state <> 'FAILED') then
            perform private.fail(409, 'not_failed', 'Only a failed execution can be restarted.');
        elsif kind = 'restart' and (not execution.owns or private.has_live_run(incident.id)) then
            perform private.fail(409, 'live_run', 'Another run has this incident.');
        elsif kind = 'restart' and incident.status in ('resolved', 'closed') then
            perform private.fail(409, 'not_open', format('The incident is %s; reopen it first.', incident.status));
        end if;
        if kind = 'kill' then
            update public.executions e set kill_requested_at = coalesce(e.kill_requested_at, now()) where e.id = execution.id;
        end if;
        owed := private.owe_command(execution, kind, me.user_id, why);
    else
        perform private.fail(422, 'invalid', 'A command is kill, restart or run_again.');
    end if;
    perform private.add_event(incident, kind || '_requested', me.user_id, me.display_name, jsonb_build_object('reason', why, 'command_id', owed));
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'command.' || kind, 'outbox', owed::text, jsonb_build_object('reason', why));
    return jsonb_build_object('command_id', owed, 'already_asked', false);
end $$;
comment on function public.request_command is
    'People: kill or restart an execution, or run an incident again once its run is over; owed to Kestra. {command_id, already_asked}. 409 live_run, not_live, not_failed, not_open.';

create function public.withdraw_outbox(id uuid, reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    owed public.outbox;
    incident public.incidents;
begin
    if coalesce(trim(reason), '') = '' then
        perform private.fail(422, 'reason_required', 'Withdrawing needs a reason.');
    end if;
    select * into owed from public.outbox o where o.id = withdraw_outbox.id and o.organization_id = me.organization_id;
    if owed.id is null then
        perform private.fail(404, 'not_found', 'There is no such work.');
    end if;
    if owed.kind = 'deliver_decision' then
        perform private.fail(409, 'not_withdrawable', 'A decision that was given is delivered; withdraw the decision instead.');
    end if;
    if owed.incident_id is not null then
        incident := private.visible_incident(owed.incident_id, me);
    end if;
    update public.outbox o set status = 'withdrawn', settled_at = now(), lease_token = null, lease_until = null,
        last_error = left('Withdrawn by ' || me.display_name || ': ' || trim(reason), 2000)
    where o.id = owed.id and o.status = 'owed' returning * into owed;
    if owed.id is null then
        perform private.fail(409, 'settled', 'It was settled in the meantime.');
    end if;
    if incident.id is not null then
        perform private.add_event(incident, 'withdrawn', me.user_id, me.display_name, jsonb_build_object('kind', owed.kind, 'reason', reason));
        if owed.kind = 'start_run' then
            perform private.needs_human(incident.id, format('%s withdrew the start of its run: %s', me.display_name, trim(reason)));
        end if;
    end if;
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'outbox.withdrawn', 'outbox', owed.id::text, jsonb_build_object('reason', reason));
    return jsonb_build_object('withdrawn', true);
end $$;
comment on function public.withdraw_outbox is 'People: takes back owed work (not a delivery) with a reason. {withdrawn}. 409 settled, not_withdrawable.';

-- Changes --------------------------------------------------------------------------------------------------------

create function public.update_incident(incident_id uuid, kind text, payload json default null, version int default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    incident public.incidents := private.visible_incident(update_incident.incident_id, me);
    given jsonb := coalesce(private.clean(payload), '{}');
    note text := nullif(trim(left(given ->> 'text', 5000)), '');
    is_open boolean := incident.status not in ('resolved', 'closed');
    assignee public.profiles;
    wanted text;
    last record;
    detail jsonb := '{}';
    run_id uuid;
begin
    if version is distinct from incident.version then
        select e.kind, e.actor_name, e.at into last from public.incident_events e where e.incident_id = incident.id order by e.id desc limit 1;
        perform private.fail(409, 'stale_version', 'The incident changed while you looked at it; nothing was overwritten.',
            jsonb_build_object('by', last.actor_name, 'at', last.at, 'decision', last.kind, 'version', incident.version));
    end if;
    case kind
        when 'acknowledge' then
            update public.incidents i set acknowledged_at = coalesce(i.acknowledged_at, now()), acknowledged_by = coalesce(i.acknowledged_by, me.user_id)
            where i.id = incident.id;
            update public.escalations s set acknowledged_at = now(), acknowledged_by = me.user_id
            where s.incident_id = incident.id and s.acknowledged_at is null;
        when 'assign' then
            select * into assignee from public.profiles p
            where p.user_id = private.as_uuid(given ->> 'user_id') and p.organization_id = me.organization_id and p.active;
            if assignee.user_id is null then
                perform private.fail(422, 'invalid', 'There is no such active person here.', '{"fields": [{"field": "user_id", "problem": "is no active person"}]}');
            end if;
            update public.incidents i set assigned_to = assignee.user_id where i.id = incident.id;
            detail := jsonb_build_object('to', assignee.display_name, 'user_id', assignee.user_id);
        when 'note' then
            if note is null then
                perform private.fail(422, 'invalid', 'A note needs text.', '{"fields": [{"field": "text", "problem": "is missing"}]}');
            end if;
            -- A note changes nothing that another person could have seen differently.
            update public.incidents i set updated_at = now() where i.id = incident.id;
            detail := jsonb_build_object('text', note);
        when 'severity' then
            wanted := private.severity(given ->> 'severity');
            if wanted = 'UNKNOWN' then
                perform private.fail(422, 'invalid', 'A severity is LOW, MEDIUM, HIGH or CRITICAL.', '{"fields": [{"field": "severity", "problem": "must be LOW, MEDIUM, HIGH or CRITICAL"}]}');
            elsif not is_open then
                perform private.fail(409, 'not_open', format('The incident is %s; reopen it first.', incident.status));
            end if;
            detail := jsonb_build_object('from', incident.severity, 'to', wanted);
            if private.severity_rank(wanted) > private.severity_rank(incident.severity) then
                run_id := private.raise_severity(incident.id, wanted, me);
            else
                update public.incidents i set severity = wanted where i.id = incident.id;
            end if;
        when 'resolve' then
            if not is_open then
                perform private.fail(409, 'not_open', format('The incident is %s already.', incident.status));
            end if;
            perform private.cancel_pending(e.id, format('%s resolved the incident.', me.display_name)) from public.executions e where e.incident_id = incident.id;
            update public.incidents i set status = 'resolved', needs_human = false, needs_human_reason = null where i.id = incident.id;
            detail := jsonb_strip_nulls(jsonb_build_object('text', note));
        when 'reopen' then
            if is_open then
                perform private.fail(409, 'open', 'The incident is open.');
            elsif note is null then
                perform private.fail(422, 'reason_required', 'Reopening needs a reason.', '{"fields": [{"field": "text", "problem": "is missing"}]}');
            elsif exists (select from public.incidents i where i.organization_id = incident.organization_id and i.external_id = incident.external_id
                    and i.id <> incident.id and i.status not in ('resolved', 'closed')) then
                perform private.fail(409, 'live_twin', format('Another incident named %s is open.', incident.external_id));
            end if;
            update public.incidents i set status = 'open', resolved_at = null, closed_at = null, needs_human = true,
                needs_human_reason = left(format('%s reopened it: %s', me.display_name, note), 2000)
            where i.id = incident.id;
            detail := jsonb_build_object('text', note);
        when 'close' then
            if incident.status = 'closed' then
                perform private.fail(409, 'not_open', 'The incident is closed already.');
            end if;
            perform private.cancel_pending(e.id, format('%s closed the incident.', me.display_name)) from public.executions e where e.incident_id = incident.id;
            update public.incidents i set status = 'closed', needs_human = false, needs_human_reason = null where i.id = incident.id;
            detail := jsonb_strip_nulls(jsonb_build_object('text', note));
        else
            perform private.fail(422, 'invalid', 'A change is acknowledge, assign, note, severity, resolve, reopen or close.');
    end case;
    select * into incident from public.incidents i where i.id = incident.id;
    perform private.add_event(incident, case kind when 'acknowledge' then 'acknowledged' when 'assign' then 'assigned' when 'resolve' then 'resolved'
        when 'reopen' then 'reopened' when 'close' then 'closed' else kind end, me.user_id, me.display_name, detail);
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'incident.' || kind, 'incidents', incident.id::text,
        detail || jsonb_build_object('version', incident.version));
    return jsonb_build_object('incident_id', incident.id, 'version', incident.version, 'status', incident.status, 'run_id', run_id);
end $$;
comment on function public.update_incident is
    'People: acknowledge, assign {user_id}, note {text}, severity {severity}, resolve, reopen {text}, close; names the version it saw (409 stale_version). {incident_id, version, status, run_id}.';

-- Rights ---------------------------------------------------------------------------------------------------------

revoke all on function
    public.request_command(text, uuid, text), public.withdraw_outbox(uuid, text), public.update_incident(uuid, text, json, int)
    from public, anon, authenticated, service_role;
grant execute on function
    public.request_command(text, uuid, text), public.withdraw_outbox(uuid, text), public.update_incident(uuid, text, json, int)
    to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
