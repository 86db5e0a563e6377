-- What a person has typed and not yet submitted: kept for them alone, for a week.

create table public.drafts (
    user_id uuid primary key references public.profiles (user_id) on delete cascade,
    organization_id uuid not null references public.organizations (id),
    content jsonb not null check (jsonb_typeof(content) = 'object'),
    version int not null default 1,
    saved_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '7 days',
    constraint content_is_small check (length(content::text) <= 1000000)
);
create index drafts_by_organization on public.drafts (organization_id);
create index drafts_by_expiry on public.drafts (expires_at);
comment on table public.drafts is 'An incident being written: one per person, seen by nobody else, gone a week after its last change.';
comment on column public.drafts.user_id is 'Whose.';
comment on column public.drafts.organization_id is 'Tenant in which it was written.';
comment on column public.drafts.content is 'The fields as typed; the desk alone knows their names.';
comment on column public.drafts.version is 'Raised by every save; a tab that saw an older one does not overwrite.';
comment on column public.drafts.saved_at is 'Last save.';
comment on column public.drafts.expires_at is 'From then on nobody sees it, and the next save of anybody deletes it.';

create function public.save_draft(content json, version int default 0) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    given jsonb := private.clean(content);
    saved public.drafts;
begin
    if jsonb_typeof(given) is distinct from 'object' then
        perform private.fail(422, 'invalid', 'A draft is a JSON object.');
    end if;
    if length(given::text) > 1000000 then
        perform private.fail(422, 'invalid', 'The draft is larger than 1 MB and was not saved.');
    end if;
    delete from public.drafts d where d.expires_at <= now();
    insert into public.drafts as kept (user_id, organization_id, content, version)
    values (me.user_id, me.organization_id, given, save_draft.version + 1)
    on conflict (user_id) do update set
        organization_id = excluded.organization_id, content = excluded.content, version = excluded.version,
        saved_at = excluded.saved_at, expires_at = excluded.expires_at
    where kept.version = save_draft.version
    returning * into saved;
    if saved.user_id is null then
        perform private.fail(409, 'stale_content', 'Another tab saved a newer draft.');
    end if;
    return jsonb_build_object('version', saved.version, 'saved_at', saved.saved_at);
end $$;
comment on function public.save_draft is
    'People: keeps what they are writing; `version` is the one they saw, 0 for none. {version, saved_at}. 409 stale_content, 422 invalid.';

create function public.discard_draft() returns void
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
begin
    delete from public.drafts d where d.user_id = me.user_id;
end $$;
comment on function public.discard_draft is 'People: their draft is gone.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.drafts enable row level security;
create policy "people see their own draft until it expires" on public.drafts
    for select to authenticated
    using (user_id = (select auth.uid()) and organization_id = (select private.my_organization()) and expires_at > now());
revoke all on public.drafts from public, anon, authenticated, service_role;
-- Not even the service key reads what was never submitted.
grant select (user_id, content, version, saved_at) on public.drafts to authenticated;
revoke all on function public.save_draft(json, int), public.discard_draft() from public, anon, authenticated, service_role;
grant execute on function public.save_draft(json, int), public.discard_draft() to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
