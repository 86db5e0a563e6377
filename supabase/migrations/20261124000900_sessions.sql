-- Sign-in of the desk: an opaque cookie, of which only the hash is here; tokens sealed with a key derived from the cookie.

create table public.desk_sessions (
    cookie_hash text primary key check (length(cookie_hash) = 64),
    user_id uuid not null references public.profiles (user_id) on delete cascade,
    sealed text not null check (length(sealed) <= 16384),
    version int not null default 1,
    refresh_token_lease uuid,
    refresh_lease_until timestamptz,
    opened_at timestamptz not null default now(),
    used_at timestamptz not null default now(),
    closed_at timestamptz
);
create index desk_sessions_by_user on public.desk_sessions (user_id);
comment on table public.desk_sessions is 'Signed-in browsers. Neither this table nor the service key reveals a token.';
comment on column public.desk_sessions.cookie_hash is 'SHA-256 of the cookie, in hex.';
comment on column public.desk_sessions.user_id is 'Who.';
comment on column public.desk_sessions.sealed is 'Tokens, encrypted with a key derived from the cookie itself.';
comment on column public.desk_sessions.version is 'Raised by every refresh.';
comment on column public.desk_sessions.refresh_token_lease is 'Proof of who refreshes now.';
comment on column public.desk_sessions.refresh_lease_until is 'End of that lease.';
comment on column public.desk_sessions.opened_at is 'Sign-in; ends 30 days later.';
comment on column public.desk_sessions.used_at is 'Last use; ends after 7 days without.';
comment on column public.desk_sessions.closed_at is 'Sign-out.';

create function private.live_session(hash text) returns public.desk_sessions
language sql stable set search_path = '' as $$
    select s from public.desk_sessions s join public.profiles p on p.user_id = s.user_id
    where s.cookie_hash = hash and s.closed_at is null and p.active
        and s.opened_at > now() - interval '30 days' and s.used_at > now() - interval '7 days'
$$;
comment on function private.live_session is 'The session of a cookie while it lives, else nulls.';

create function public.open_desk_session(cookie_hash text, sealed text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    if cookie_hash !~ '^[0-9a-f]{64}$' or coalesce(sealed, '') = '' then
        perform private.fail(422, 'invalid', 'A session needs the hash of its cookie and its sealed tokens.');
    end if;
    delete from public.desk_sessions s where s.user_id = me.user_id
        and (s.closed_at is not null or s.opened_at < now() - interval '30 days' or s.used_at < now() - interval '7 days');
    insert into public.desk_sessions (cookie_hash, user_id, sealed) values (cookie_hash, me.user_id, sealed);
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'session.opened', 'profiles', me.user_id::text);
    return jsonb_build_object('version', 1);
end $$;
comment on function public.open_desk_session is 'People, just signed in: opens a session for a cookie. {version}.';

create function public.desk_session(cookie_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    session public.desk_sessions := private.live_session(desk_session.cookie_hash);
begin
    if session.cookie_hash is null then
        return null;
    end if;
    -- A use a minute is enough to tell an idle session; every page asks.
    update public.desk_sessions s set used_at = now()
    where s.cookie_hash = session.cookie_hash and s.used_at < now() - interval '1 minute';
    return jsonb_build_object('user_id', session.user_id, 'sealed', session.sealed, 'version', session.version, 'opened_at', session.opened_at);
end $$;
comment on function public.desk_session is 'Web: the live session of a cookie {user_id, sealed, version, opened_at}, or null. Counts as use.';

create function public.take_refresh(cookie_hash text, version int) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    session public.desk_sessions := private.live_session(take_refresh.cookie_hash);
    token uuid;
begin
    update public.desk_sessions s set refresh_token_lease = gen_random_uuid(), refresh_lease_until = now() + interval '10 seconds'
    where s.cookie_hash = session.cookie_hash and s.version = take_refresh.version
        and (s.refresh_lease_until is null or s.refresh_lease_until < now())
    returning s.refresh_token_lease into token;
    return jsonb_build_object('taken', token is not null, 'lease_token', token);
end $$;
comment on function public.take_refresh is 'Web: one refresher at a time, for ten seconds, of the version it saw. {taken, lease_token}.';

create function public.store_refresh(cookie_hash text, lease_token uuid, sealed text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    stored int;
begin
    update public.desk_sessions s set
        sealed = store_refresh.sealed, version = s.version + 1, refresh_token_lease = null, refresh_lease_until = null
    where s.cookie_hash = store_refresh.cookie_hash and s.refresh_token_lease = store_refresh.lease_token and s.closed_at is null
    returning s.version into stored;
    if stored is null then
        perform private.fail(409, 'lost_lease', 'Another tab refreshed this session.');
    end if;
    return jsonb_build_object('version', stored);
end $$;
comment on function public.store_refresh is 'Web: stores refreshed tokens under the lease. {version}.';

create function public.close_desk_session(cookie_hash text) returns void
language sql security definer set search_path = '' as $$
    update public.desk_sessions s set closed_at = now(), sealed = '-'
    where s.cookie_hash = close_desk_session.cookie_hash and s.closed_at is null
$$;
comment on function public.close_desk_session is 'Web: signs a browser out; its tokens are gone.';

create function public.public_settings() returns jsonb
language sql stable security definer set search_path = '' as $$
    select jsonb_build_object('schema_version', '20261124000900', 'organization_count', (select count(*) from public.organizations))
$$;
comment on function public.public_settings is 'Web: what the desk may know before anybody signs in. {schema_version, organization_count}.';

alter table public.desk_sessions enable row level security;
revoke all on public.desk_sessions from public, anon, authenticated, service_role;
revoke all on function
    public.open_desk_session(text, text), public.desk_session(text), public.take_refresh(text, int),
    public.store_refresh(text, uuid, text), public.close_desk_session(text), public.public_settings()
    from public, anon, authenticated, service_role;
grant execute on function public.open_desk_session(text, text) to authenticated;
grant execute on function
    public.desk_session(text), public.take_refresh(text, int), public.store_refresh(text, uuid, text),
    public.close_desk_session(text), public.public_settings()
    to anon, authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
