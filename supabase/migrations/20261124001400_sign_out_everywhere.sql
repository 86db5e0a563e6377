-- A lost laptop: a person ends all their sessions at once, from any browser.

create function public.close_all_desk_sessions() returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    ended int;
begin
    update public.desk_sessions s set closed_at = now(), sealed = '-', refresh_token_lease = null, refresh_lease_until = null
    where s.user_id = me.user_id and s.closed_at is null;
    get diagnostics ended = row_count;
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'session.all_closed', 'profiles', me.user_id::text,
        jsonb_build_object('closed', ended));
    return jsonb_build_object('closed', ended);
end $$;
comment on function public.close_all_desk_sessions is 'People: signs the caller out of every browser; their tokens are gone. {closed}.';

revoke all on function public.close_all_desk_sessions() from public, anon, authenticated, service_role;
grant execute on function public.close_all_desk_sessions() to authenticated;
