-- What a Supabase project has before the first migration. Idempotent; runs at every start as the superuser.
-- Since 2026-10-30 a new project grants nothing in `public` by default, so nothing is granted here either.

do $$
declare
    role text;
begin
    foreach role in array array['anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin', 'postgres'] loop
        if not exists (select from pg_roles where rolname = role) then
            execute format('create role %I', role);
        end if;
    end loop;
end $$;
alter role anon nologin noinherit;
alter role authenticated nologin noinherit;
alter role service_role nologin noinherit bypassrls;
alter role authenticator login noinherit;
alter role supabase_auth_admin login noinherit;
alter role postgres login nosuperuser createdb createrole bypassrls;
grant anon, authenticated, service_role to authenticator, postgres;

-- Limits of a hosted project; PostgREST applies the settings of the role it switches to.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

create schema if not exists extensions;
grant usage on schema extensions to anon, authenticated, service_role, postgres;
create extension if not exists pg_trgm with schema extensions;
create extension if not exists unaccent with schema extensions;

alter schema public owner to postgres;
revoke all on schema public from public;
grant usage on schema public to anon, authenticated, service_role;

-- Auth -----------------------------------------------------------------------------------------------------------

create schema if not exists auth authorization supabase_auth_admin;
grant usage on schema auth to anon, authenticated, service_role, postgres;

create table if not exists auth.users (
    id uuid primary key default gen_random_uuid(),
    aud text,
    role text,
    email text unique,
    encrypted_password text,
    email_confirmed_at timestamptz,
    last_sign_in_at timestamptz,
    raw_app_meta_data jsonb,
    raw_user_meta_data jsonb,
    banned_until timestamptz,
    is_anonymous boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create table if not exists auth.sessions (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    not_after timestamptz
);
create index if not exists sessions_by_user on auth.sessions (user_id);
create table if not exists auth.refresh_tokens (
    id bigint generated always as identity primary key,
    session_id uuid not null references auth.sessions (id) on delete cascade,
    user_id uuid not null,
    token text not null unique,
    parent text,
    revoked boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index if not exists refresh_tokens_by_session on auth.refresh_tokens (session_id);
alter table auth.users owner to supabase_auth_admin;
alter table auth.sessions owner to supabase_auth_admin;
alter table auth.refresh_tokens owner to supabase_auth_admin;
-- Migrations refer to users by foreign key.
grant select, references on auth.users to postgres;

create or replace function auth.jwt() returns jsonb
language sql stable as $$ select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;
create or replace function auth.uid() returns uuid
language sql stable as $$ select nullif(auth.jwt() ->> 'sub', '')::uuid $$;
create or replace function auth.role() returns text
language sql stable as $$ select auth.jwt() ->> 'role' $$;
create or replace function auth.email() returns text
language sql stable as $$ select auth.jwt() ->> 'email' $$;
