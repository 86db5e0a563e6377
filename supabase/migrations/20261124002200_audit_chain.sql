-- The audit log as one hash chain per organization: whoever changes, removes, adds or reorders entries behind the
-- functions' back breaks it, and whoever rebuilds it whole is found by a head that was exported before.
--
-- Entries are chained when their transaction commits, so the chain's lock is always the last one taken, and only
-- for that moment. `incidentscribe audit verify` computes the hashes itself, from the columns.

create table public.audit_chain (
    organization_id uuid not null,
    position bigint not null check (position > 0),
    entry_id bigint not null unique references public.audit_log (id) on delete restrict,
    hash bytea not null check (length(hash) = 32),
    primary key (organization_id, position)
);
comment on table public.audit_chain is 'The order of the audit log and its hashes. Append-only.';
comment on column public.audit_chain.organization_id is 'Whose chain; all zeros for the installation''s own.';
comment on column public.audit_chain.position is '1, 2, 3 … without a gap.';
comment on column public.audit_chain.entry_id is 'The entry of the audit log.';
comment on column public.audit_chain.hash is 'SHA-256 over the hash before it (32 zero bytes at first) and private.audit_text of the entry.';
alter table public.audit_chain enable row level security;
revoke all on public.audit_chain from public, anon, authenticated, service_role;
create trigger audit_chain_only_grows before update or delete on public.audit_chain
    for each row execute function private.refuse_change();
create trigger audit_chain_is_never_emptied before truncate on public.audit_chain
    for each statement execute function private.refuse_change();

create index audit_log_by_subject on public.audit_log (subject_kind, subject_id, id);

create function private.netstring(value text) returns text
language sql immutable set search_path = '' as $$
    select coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-')
$$;
comment on function private.netstring is 'The value behind its length in bytes, a hyphen for null: two different lists of values never read the same.';

create function private.audit_at(entry public.audit_log) returns text
language sql immutable set search_path = '' as $$
    select to_char(entry.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
comment on function private.audit_at is 'The time of an entry as it is hashed: UTC with microseconds.';

create function private.audit_text(place bigint, entry public.audit_log) returns text
language sql immutable set search_path = '' as $$
    select string_agg(private.netstring(part), '' order by n) from unnest(array[
        place::text, entry.id::text, entry.organization_id::text, private.audit_at(entry), entry.actor_id::text, entry.actor_name,
        entry.action, entry.subject_kind, entry.subject_id, entry.detail::text]) with ordinality as parts (part, n)
$$;
comment on function private.audit_text is 'What is hashed of an entry at its place in the chain: every column as a netstring.';

create function private.chain_of(organization_id uuid) returns uuid
language sql immutable set search_path = '' as $$
    select coalesce(organization_id, '00000000-0000-0000-0000-000000000000')
$$;
comment on function private.chain_of is 'The chain an entry belongs to; all zeros for what concerns the installation.';

create function private.add_to_chain(entry public.audit_log) returns void
language plpgsql security definer set search_path = '' as $$
declare
    chain uuid := private.chain_of(entry.organization_id);
    head public.audit_chain;
begin
    select * into head from public.audit_chain c where c.organization_id = chain order by c.position desc limit 1;
    insert into public.audit_chain (organization_id, position, entry_id, hash)
    values (chain, coalesce(head.position, 0) + 1, entry.id, sha256(
        coalesce(head.hash, decode(repeat('00', 32), 'hex'))
        || convert_to(private.audit_text(coalesce(head.position, 0) + 1, entry), 'UTF8')));
end $$;
comment on function private.add_to_chain is 'Puts an entry at the end of its chain. The caller holds the chain''s lock.';

create function private.remember_chain() returns trigger
language plpgsql set search_path = '' as $$
declare
    chain text := private.chain_of(new.organization_id)::text;
    known text := coalesce(current_setting('incidentscribe.chains', true), '');
begin
    if position(chain in known) = 0 then
        perform set_config('incidentscribe.chains', known || chain || ' ', true);
    end if;
    return new;
end $$;
comment on function private.remember_chain is 'Trigger: which chains this transaction will need, so that it can lock them in one order.';

create function private.chain_entry() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    chains uuid[];
begin
    -- All chains of the transaction, in one order for everybody, and the counters of news before them:
    -- nobody waits for somebody who waits for them.
    select array_agg(chain order by chain) into chains from (
        select distinct chain::uuid from unnest(
            string_to_array(coalesce(current_setting('incidentscribe.chains', true), '') || private.chain_of(new.organization_id), ' ')) as chain
        where chain <> '') as named;
    insert into private.news as known (organization_id, n)
    select o.id, 1 from public.organizations o where o.id = any (chains) order by o.id
    on conflict (organization_id) do update set n = known.n + 1 where known.xmin <> pg_current_xact_id()::xid;
    perform pg_advisory_xact_lock(hashtextextended('incidentscribe audit chain ' || chain, 0)) from unnest(chains) as chain;
    perform private.add_to_chain(new);
    return null;
end $$;
comment on function private.chain_entry is 'Trigger, at commit: says that there is news, locks the chains, and adds the entry to its own.';

create trigger audit_log_remembers_its_chain before insert on public.audit_log
    for each row execute function private.remember_chain();
create constraint trigger audit_log_is_chained after insert on public.audit_log
    deferrable initially deferred for each row execute function private.chain_entry();

do $$
declare
    entry public.audit_log;
begin
    for entry in select * from public.audit_log order by id loop
        perform private.add_to_chain(entry);
    end loop;
end $$;

-- From where -----------------------------------------------------------------------------------------------------

create function private.asked_from() returns text
language sql stable set search_path = '' as $$
    select left(regexp_replace(nullif(current_setting('request.headers', true), '')::json ->> 'x-desk-viewer', '[^0-9A-Za-z.:, _/()-]', '', 'g'), 100)
$$;
comment on function private.asked_from is 'The address of the browser as the desk saw it, where the desk says so. A program with the same rights may say anything.';

create or replace function private.audit(
    organization_id uuid, actor_id uuid, actor_name text, action text, subject_kind text, subject_id text, detail jsonb default '{}'
) returns void
language sql security definer set search_path = '' as $$
    insert into public.audit_log (organization_id, actor_id, actor_name, action, subject_kind, subject_id, detail)
    values (organization_id, actor_id, actor_name, action, subject_kind, subject_id,
        coalesce(detail, '{}') || case when actor_id is null or private.asked_from() is null then '{}'::jsonb
                                       else jsonb_build_object('from', private.asked_from()) end)
$$;
comment on function private.audit is 'Appends one row to the audit log; for people also from where, as the desk said.';

-- Who saw what ---------------------------------------------------------------------------------------------------

create function public.note_seen(approval_id uuid, content_hash text) returns void
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    approval public.approvals := private.visible_approval(approval_id, me);
begin
    if content_hash is distinct from approval.content_hash then
        perform private.fail(409, 'stale_content', 'The proposal is another one now. Read it again.');
    end if;
    if not exists (
        select from public.audit_log a
        where a.subject_kind = 'approvals' and a.subject_id = approval.id::text and a.action = 'approval.seen'
          and a.actor_id = me.user_id and a.detail ->> 'content_hash' = approval.content_hash
    ) then
        perform private.audit(approval.organization_id, me.user_id, me.display_name, 'approval.seen', 'approvals', approval.id::text,
            jsonb_build_object('content_hash', approval.content_hash));
    end if;
end $$;
comment on function public.note_seen is 'People: this proposal was on my screen, in this version. Audited once a person and version (409 stale_content).';

-- Reading it -----------------------------------------------------------------------------------------------------

create function private.readable_chain(organization_id uuid) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles;
begin
    if (select auth.role()) = 'service_role' then
        return private.chain_of(organization_id);
    end if;
    me := private.require_role('viewer');
    if organization_id is distinct from me.organization_id and organization_id is not null then
        perform private.fail(404, 'not_found', 'There is no such organization.');
    end if;
    return me.organization_id;
end $$;
comment on function private.readable_chain is 'The chain the caller may read: a person''s own; for the service key the named one, unnamed the installation''s.';

create function public.audit_entries(organization_id uuid default null, after_position bigint default 0, most int default 500)
returns setof jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    chain uuid := private.readable_chain(organization_id);
begin
    return query
        select jsonb_build_object(
            'position', c.position, 'hash', encode(c.hash, 'hex'), 'entry_id', c.entry_id, 'is_there', a.id is not null, 'id', a.id,
            'organization_id', a.organization_id, 'at', private.audit_at(a), 'actor_id', a.actor_id, 'actor_name', a.actor_name,
            'action', a.action, 'subject_kind', a.subject_kind, 'subject_id', a.subject_id, 'detail', a.detail::text)
        from public.audit_chain c left join public.audit_log a on a.id = c.entry_id
        where c.organization_id = chain and c.position > after_position
        order by c.position limit least(greatest(most, 1), 1000);
end $$;
comment on function public.audit_entries is 'People and service key: a chain with its entries from a position on, for verification; `detail` is text, exactly as hashed.';

create function public.audit_head(organization_id uuid default null) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    chain uuid := private.readable_chain(organization_id);
    head public.audit_chain;
begin
    select * into head from public.audit_chain c where c.organization_id = chain order by c.position desc limit 1;
    return jsonb_build_object(
        'organization_id', chain, 'position', coalesce(head.position, 0), 'hash', coalesce(encode(head.hash, 'hex'), repeat('00', 32)), 'at', now(),
        'unchained', (
            select coalesce(jsonb_agg(a.id order by a.id), '[]') from (
                select a.id from public.audit_log a
                where private.chain_of(a.organization_id) = chain and not exists (select from public.audit_chain c where c.entry_id = a.id)
                order by a.id limit 20) a));
end $$;
comment on function public.audit_head is 'People and service key: the last position and hash of a chain, to be kept elsewhere; and entries no chain holds.';

revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
revoke execute on function public.note_seen, public.audit_entries, public.audit_head from public, anon, authenticated, service_role;
grant execute on function public.note_seen to authenticated;
grant execute on function public.audit_entries, public.audit_head to authenticated, service_role;
