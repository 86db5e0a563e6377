-- One incident as its page shows it: two answers instead of a dozen, small enough to be asked for at every change.

create function private.name_of(person uuid) returns text
language sql stable set search_path = '' as $$
    select p.display_name from public.profiles p where p.user_id = person
$$;
comment on function private.name_of is 'The display name of a person; null for nobody.';

create function private.seen_incident(incident_id uuid, me public.profiles) returns public.incidents
language plpgsql stable set search_path = '' as $$
declare
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = incident_id and i.organization_id = me.organization_id;
    if incident.id is null then
        perform private.fail(404, 'not_found', 'There is no such incident, or it belongs to another organization.');
    end if;
    return incident;
end $$;
comment on function private.seen_incident is 'The incident for reading, or 404 for one that is not there or another organization''s.';

create function public.incident_case(incident_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    incident public.incidents := private.seen_incident(incident_case.incident_id, me);
begin
    return jsonb_build_object(
        -- The report may be megabytes and never changes: it is read when somebody opens it.
        'incident', to_jsonb(incident) - array['logs', 'metrics', 'context', 'description'] || jsonb_build_object(
            'assigned_to_name', private.name_of(incident.assigned_to), 'acknowledged_by_name', private.name_of(incident.acknowledged_by)),
        'runs', (
            select coalesce(jsonb_agg(run.row order by run.started_at desc), '[]') from (
                select to_jsonb(e) || jsonb_build_object('requested_by_name', private.name_of(e.requested_by)) as row, e.started_at
                from public.executions e
                where e.incident_id = incident.id and (e.owns or e.superseded_at is not null)
                order by e.started_at desc limit 50) run),
        'requests', (
            select coalesce(jsonb_agg(request.row order by request.created_at desc), '[]') from (
                select to_jsonb(o) - array['leased_by', 'lease_token', 'lease_until', 'requested_by', 'organization_id']
                    || jsonb_build_object('requested_by_name', private.name_of(o.requested_by)) as row, o.created_at
                from public.outbox o
                where o.incident_id = incident.id and o.kind in ('start_run', 'command')
                order by o.created_at desc limit 20) request),
        'approvals', (
            select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at desc), '[]')
            from public.approvals a where a.incident_id = incident.id));
end $$;
comment on function public.incident_case is
    'People: how an incident stands. {incident (without its report, with the names of assignee and acknowledger), runs, requests (starts and commands), approvals}, lists newest first. 404 not_found.';

create function public.incident_findings(incident_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    incident public.incidents := private.seen_incident(incident_findings.incident_id, me);
begin
    return jsonb_build_object(
        'analysis', (
            select to_jsonb(a) from public.ai_analyses a where a.incident_id = incident.id order by a.created_at desc limit 1),
        'action_runs', (
            select coalesce(jsonb_agg(to_jsonb(r) - array['nonce', 'organization_id', 'verify'] order by r.begun_at), '[]')
            from public.action_runs r where r.incident_id = incident.id),
        'escalations', (
            select coalesce(jsonb_agg(to_jsonb(s) || jsonb_build_object('acknowledged_by_name', private.name_of(s.acknowledged_by))
                order by s.created_at), '[]')
            from public.escalations s where s.incident_id = incident.id),
        'events', (
            select coalesce(jsonb_agg(event.row order by event.id), '[]') from (
                -- A repeated report keeps its whole payload, up to megabytes: it is read when somebody opens it.
                select to_jsonb(v) - 'organization_id' || jsonb_build_object(
                    'detail', v.detail - 'payload', 'has_payload', v.detail ? 'payload') as row, v.id
                from public.incident_events v where v.incident_id = incident.id
                order by v.id desc limit 300) event));
end $$;
comment on function public.incident_findings is
    'People: what an incident has brought to light. {analysis (of the latest run that has one), action_runs, escalations, events (the newest 300; a payload only as has_payload)}, lists oldest first. 404 not_found.';

revoke all on function public.incident_case(uuid), public.incident_findings(uuid) from public, anon, authenticated, service_role;
grant execute on function public.incident_case(uuid), public.incident_findings(uuid) to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
