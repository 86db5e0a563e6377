-- What every later migration stands on: the helper schema, tenants and people, the audit log.
--
-- Rules of all migrations: plain Postgres 17; no superuser; every right is granted here by name, because a new
-- Supabase project grants nothing by default and an older one grants too much.

create schema if not exists private;
comment on schema private is 'Helpers of the functions in public. Not exposed by the API.';
revoke all on schema private from public;
grant usage on schema private to authenticated, service_role;

-- Errors ---------------------------------------------------------------------------------------------------------

create function private.fail(status int, code text, message text, more jsonb default '{}') returns void
language plpgsql set search_path = '' as $$
begin
    raise exception using
        errcode = 'PT' || status,
        message = message,
        detail = (jsonb_build_object('code', code) || more)::text;
end $$;
comment on function private.fail is
    'Raises what the API answers with HTTP `status`; `code` and `more` reach the caller as JSON in `details`.';

-- Append-only tables ---------------------------------------------------------------------------------------------

create function private.refuse_change() returns trigger
language plpgsql set search_path = '' as $$
begin
    perform private.fail(409, 'append_only', format('%s only grows: %s is refused.', tg_table_name, lower(tg_op)));
    return null;
end $$;
comment on function private.refuse_change is 'Trigger of append-only tables.';

-- Tenants and people ---------------------------------------------------------------------------------------------

create table public.organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null check (length(name) between 1 and 200),
    slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    is_default boolean not null default false,
    self_approval_allowed boolean not null default false,
    accepts_direct_webhook boolean not null default true,
    auto_remediate_direct_webhooks boolean not null default false,
    created_at timestamptz not null default now()
);
create unique index organizations_one_default on public.organizations (is_default) where is_default;
comment on table public.organizations is 'Tenants. Nothing of one is ever visible in another.';
comment on column public.organizations.id is 'Identity.';
comment on column public.organizations.name is 'Shown in the desk''s frame.';
comment on column public.organizations.slug is 'Short name for command lines.';
comment on column public.organizations.is_default is 'Receives direct webhooks that name no usable organization; at most one.';
comment on column public.organizations.self_approval_allowed is 'Whether a submitter may decide on their own incident; row and page then say so.';
comment on column public.organizations.accepts_direct_webhook is 'Whether a webhook past the desk may name this organization.';
comment on column public.organizations.auto_remediate_direct_webhooks is 'Whether a LOW incident that came by direct webhook may act by itself.';
comment on column public.organizations.created_at is 'When the tenant was made.';

create table public.profiles (
    user_id uuid primary key references auth.users (id) on delete restrict,
    organization_id uuid not null references public.organizations (id),
    role text not null check (role in ('viewer', 'responder', 'approver', 'admin')),
    display_name text not null check (length(display_name) between 1 and 200),
    email text not null check (length(email) <= 320),
    active boolean not null default true,
    created_at timestamptz not null default now()
);
create index profiles_by_organization on public.profiles (organization_id);
comment on table public.profiles is 'People: who they are in which organization. Nobody changes their own role or organization.';
comment on column public.profiles.user_id is 'The account at Supabase Auth.';
comment on column public.profiles.organization_id is 'The one organization this person works in.';
comment on column public.profiles.role is 'viewer < responder < approver < admin.';
comment on column public.profiles.display_name is 'As shown on screens and in records.';
comment on column public.profiles.email is 'As at Supabase Auth when the profile was made.';
comment on column public.profiles.active is 'False: switched off; may neither sign in nor decide.';
comment on column public.profiles.created_at is 'When the person was added.';

create function private.role_rank(role text) returns int
language sql immutable set search_path = '' as $$
    select array_position(array['viewer', 'responder', 'approver', 'admin'], role)
$$;
comment on function private.role_rank is '1 viewer … 4 admin; null for anything else.';

create function private.my_organization() returns uuid
language sql stable security definer set search_path = '' as $$
    select organization_id from public.profiles where user_id = (select auth.uid()) and active
$$;
comment on function private.my_organization is 'Organization of the signed-in, active person; null for anybody else. For policies.';

create function private.require_role(minimum text) returns public.profiles
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles;
begin
    if auth.uid() is null then
        perform private.fail(403, 'not_signed_in', 'You are not signed in.');
    end if;
    select * into me from public.profiles where user_id = auth.uid();
    if me.user_id is null or not me.active then
        perform private.fail(403, 'inactive', 'This account is switched off or belongs to no organization.');
    end if;
    if private.role_rank(me.role) < private.role_rank(minimum) then
        perform private.fail(403, 'not_allowed', format('Your role is %s; this needs %s or more.', me.role, minimum));
    end if;
    return me;
end $$;
comment on function private.require_role is 'The signed-in person''s profile; raises 403 unless active and of at least this role.';

-- Audit ----------------------------------------------------------------------------------------------------------

create table public.audit_log (
    id bigint generated always as identity primary key,
    organization_id uuid references public.organizations (id),
    at timestamptz not null default clock_timestamp(),
    actor_id uuid,
    actor_name text not null,
    action text not null,
    subject_kind text not null,
    subject_id text not null,
    detail jsonb not null default '{}'
);
create index audit_log_by_organization on public.audit_log (organization_id, at desc);
create trigger audit_log_only_grows before update or delete on public.audit_log
    for each row execute function private.refuse_change();
create trigger audit_log_is_never_emptied before truncate on public.audit_log
    for each statement execute function private.refuse_change();
comment on table public.audit_log is 'Who did what to what, when, on which version. Append-only.';
comment on column public.audit_log.id is 'Order of writing.';
comment on column public.audit_log.organization_id is 'Tenant; null for what concerns the installation.';
comment on column public.audit_log.at is 'When, by the database''s clock.';
comment on column public.audit_log.actor_id is 'The person; null for flow, worker and set-up.';
comment on column public.audit_log.actor_name is 'The person''s name at that time, or the program.';
comment on column public.audit_log.action is 'A verb, such as approval.approved.';
comment on column public.audit_log.subject_kind is 'Table of the subject.';
comment on column public.audit_log.subject_id is 'Key of the subject.';
comment on column public.audit_log.detail is 'Versions, hashes, reasons.';

create function private.audit(
    organization_id uuid, actor_id uuid, actor_name text, action text, subject_kind text, subject_id text, detail jsonb default '{}'
) returns void
language sql security definer set search_path = '' as $$
    insert into public.audit_log (organization_id, actor_id, actor_name, action, subject_kind, subject_id, detail)
    values (organization_id, actor_id, actor_name, action, subject_kind, subject_id, coalesce(detail, '{}'))
$$;
comment on function private.audit is 'Appends one row to the audit log.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.organizations enable row level security;
alter table public.profiles enable row level security;
alter table public.audit_log enable row level security;

create policy "people see their own organization" on public.organizations
    for select to authenticated using (id = (select private.my_organization()));
create policy "people see the people of their organization" on public.profiles
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see the audit log of their organization" on public.audit_log
    for select to authenticated using (organization_id = (select private.my_organization()));

revoke all on public.organizations, public.profiles, public.audit_log from public, anon, authenticated, service_role;
grant select on public.organizations, public.profiles, public.audit_log to authenticated, service_role;
grant insert, update on public.organizations, public.profiles to service_role;

revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
