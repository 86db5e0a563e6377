-- Settings of the installation, and the counter that tells desks there is something new.

create table public.system_config (
    key text primary key check (key ~ '^[A-Z][A-Z0-9_]{0,62}$'),
    value text not null check (length(value) <= 2000),
    updated_at timestamptz not null default now(),
    -- A secret does not belong here: people read this table, and the audit log keeps what stood in it.
    constraint no_secrets check (
        key !~ '(PASSW|SECRET|TOKEN|CREDENTIAL|SERVICE_ROLE|PRIVATE|WEBHOOK|DATABASE_URL)' and key !~ '(^|_)KEYS?(_|$)'
        and value !~ '://[^/?#]*@' and value !~ '^(sb_secret_|eyJ|AIza|sk-|ghp_|xox[abp]-)')
);
comment on table public.system_config is 'Non-secret settings that win over the environment, which gives the first value.';
comment on column public.system_config.key is 'Name as in the environment, such as KESTRA_URL.';
comment on column public.system_config.value is 'The value; one that the desk refuses leaves the former in force, and System says so.';
comment on column public.system_config.updated_at is 'Last change.';

create function private.note_config() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_op = 'DELETE' then
        perform private.audit(null, null, session_user::text, 'config.removed', 'system_config', old.key, jsonb_build_object('before', old.value));
        return old;
    end if;
    new.updated_at := now();
    if tg_op = 'INSERT' then
        perform private.audit(null, null, session_user::text, 'config.added', 'system_config', new.key, jsonb_build_object('after', new.value));
    elsif (old.key, old.value) is distinct from (new.key, new.value) then
        perform private.audit(null, null, session_user::text, 'config.changed', 'system_config', new.key,
            jsonb_build_object('before', old.value, 'after', new.value));
    end if;
    return new;
end $$;
comment on function private.note_config is 'Trigger: every change of a setting is audited under the login that made it, with the values.';
create trigger system_config_is_audited before insert or update or delete on public.system_config
    for each row execute function private.note_config();

-- What is new ----------------------------------------------------------------------------------------------------

create table private.news (
    organization_id uuid primary key references public.organizations (id),
    n bigint not null default 0
);
comment on table private.news is 'A counter per organization, raised by every change that a page shows.';

create function private.bump_news() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    -- Once per transaction is enough: nobody sees part of one.
    insert into private.news as known (organization_id, n) values (new.organization_id, 1)
    on conflict (organization_id) do update set n = known.n + 1 where known.xmin <> pg_current_xact_id()::xid;
    return null;
end $$;
comment on function private.bump_news is 'Trigger, deferred to the commit so that the counter is locked for a moment only and always last.';

create function public.news() returns bigint
language sql stable security definer set search_path = '' as $$
    select coalesce((select k.n from private.news k where k.organization_id = private.my_organization()), 0)
$$;
comment on function public.news is 'People: a number that grows with every change in their organization.';

create constraint trigger incidents_are_news after insert or update on public.incidents
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger events_are_news after insert on public.incident_events
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger executions_are_news after insert or update on public.executions
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger approvals_are_news after insert or update on public.approvals
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger actions_are_news after insert or update on public.action_runs
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger analyses_are_news after insert or update on public.ai_analyses
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger escalations_are_news after insert or update on public.escalations
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger outbox_is_news after insert or update of status, stuck_since on public.outbox
    deferrable initially deferred for each row execute function private.bump_news();

-- Before anybody signs in ----------------------------------------------------------------------------------------

create or replace function public.public_settings() returns jsonb
language sql stable security definer set search_path = '' as $$
    select jsonb_build_object('organization_count', (select count(*) from public.organizations))
$$;
-- The version of the schema stood here as a constant and was wrong after the next migration; nobody read it.
comment on function public.public_settings is 'Web: what the desk may know before anybody signs in. {organization_count}.';

-- What people make of a document ---------------------------------------------------------------------------------

create table public.postmortem_versions (
    id bigint generated always as identity primary key,
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    version int not null check (version >= 1),
    status text not null default 'draft' check (status in ('draft', 'in_review', 'published')),
    sections jsonb not null check (jsonb_typeof(sections) = 'object'),
    author_id uuid not null references public.profiles (user_id),
    author_name text not null,
    at timestamptz not null default clock_timestamp(),
    unique (incident_id, version)
);
create index postmortem_versions_by_organization on public.postmortem_versions (organization_id, at desc);
create trigger postmortem_versions_only_grow before update or delete on public.postmortem_versions
    for each row execute function private.refuse_change();
create trigger postmortem_versions_are_never_emptied before truncate on public.postmortem_versions
    for each statement execute function private.refuse_change();
comment on table public.postmortem_versions is 'Each version people made of a postmortem. Append-only; the newest counts.';
comment on column public.postmortem_versions.id is 'Order of writing.';
comment on column public.postmortem_versions.organization_id is 'Tenant.';
comment on column public.postmortem_versions.incident_id is 'The incident.';
comment on column public.postmortem_versions.version is '1, 2, 3 … per incident.';
comment on column public.postmortem_versions.status is 'draft, in_review, published.';
comment on column public.postmortem_versions.sections is 'The sections that people changed, by name.';
comment on column public.postmortem_versions.author_id is 'Who made this version.';
comment on column public.postmortem_versions.author_name is 'That person''s name at that time.';
comment on column public.postmortem_versions.at is 'When.';

create table public.action_items (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    title text not null check (length(title) between 1 and 300),
    owner_id uuid references public.profiles (user_id),
    priority text not null default 'MEDIUM' check (priority in ('LOW', 'MEDIUM', 'HIGH')),
    due_at timestamptz,
    done_at timestamptz,
    version int not null default 1,
    created_at timestamptz not null default now()
);
create index action_items_by_incident on public.action_items (incident_id);
create index action_items_open on public.action_items (organization_id, due_at) where done_at is null;
comment on table public.action_items is 'What is to be changed after an incident.';
comment on column public.action_items.id is 'Identity.';
comment on column public.action_items.organization_id is 'Tenant.';
comment on column public.action_items.incident_id is 'The incident it follows from.';
comment on column public.action_items.title is 'What is to be done.';
comment on column public.action_items.owner_id is 'Who does it.';
comment on column public.action_items.priority is 'LOW, MEDIUM or HIGH.';
comment on column public.action_items.due_at is 'Until when.';
comment on column public.action_items.done_at is 'When it was done.';
comment on column public.action_items.version is 'Raised by every change.';
comment on column public.action_items.created_at is 'When it was written down.';

create constraint trigger versions_are_news after insert on public.postmortem_versions
    deferrable initially deferred for each row execute function private.bump_news();
create constraint trigger items_are_news after insert or update on public.action_items
    deferrable initially deferred for each row execute function private.bump_news();

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.system_config enable row level security;
alter table public.postmortem_versions enable row level security;
alter table public.action_items enable row level security;
create policy "people see the settings" on public.system_config
    for select to authenticated using ((select private.my_organization()) is not null);
create policy "people see the versions of their organization" on public.postmortem_versions
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see the action items of their organization" on public.action_items
    for select to authenticated using (organization_id = (select private.my_organization()));
revoke all on public.system_config, public.postmortem_versions, public.action_items, private.news from public, anon, authenticated, service_role;
grant select on public.system_config, public.postmortem_versions, public.action_items to authenticated, service_role;
revoke all on function public.news() from public, anon, authenticated, service_role;
grant execute on function public.news() to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
