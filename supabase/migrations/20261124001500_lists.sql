-- The desk's lists at a hundred thousand incidents: an index behind each, and a search that may use one.

create extension if not exists pg_trgm with schema extensions;

create index incidents_search on public.incidents
    using gin ((external_id || ' ' || service || ' ' || title) extensions.gin_trgm_ops);
create index incidents_needing_people on public.incidents (organization_id, updated_at desc) where needs_human;
create index executions_finished on public.executions (organization_id, ended_at desc) where owns;
create index action_runs_by_incident on public.action_runs (incident_id, begun_at);
create index ai_analyses_completed on public.ai_analyses (organization_id, completed_at desc);
create index outbox_owed_by_organization on public.outbox (organization_id, created_at) where status = 'owed';

create function public.search_incidents(
    search text default '', statuses text[] default null, severities text[] default null, skip int default 0, take int default 50
) returns setof public.incidents
language plpgsql stable security definer set search_path = '' as $$
declare
    -- Under row level security `ilike` may not use an index, for it could tell of rows one must not see.
    me public.profiles := private.require_role('viewer');
    words text := trim(coalesce(search, ''));
    pattern text := '%' || replace(replace(replace(words, '\', '\\'), '%', '\%'), '_', '\_') || '%';
begin
    if words = '' then
        return query
        select i.* from public.incidents i
        where i.organization_id = me.organization_id
            and (statuses is null or i.status = any (statuses)) and (severities is null or i.severity = any (severities))
        order by i.created_at desc offset greatest(skip, 0) limit least(greatest(take, 0), 200);
    else
        return query
        select i.* from public.incidents i
        where i.organization_id = me.organization_id
            and (statuses is null or i.status = any (statuses)) and (severities is null or i.severity = any (severities))
            and (i.external_id || ' ' || i.service || ' ' || i.title) ilike pattern
        order by i.created_at desc offset greatest(skip, 0) limit least(greatest(take, 0), 200);
    end if;
end $$;
comment on function public.search_incidents is
    'People: incidents of the organization, newest first; search looks in id, service and title, letter by letter and in any case. Rows of incidents.';

revoke all on function public.search_incidents(text, text[], text[], int, int) from public, anon, authenticated, service_role;
grant execute on function public.search_incidents(text, text[], text[], int, int) to authenticated;
