-- The guided first story of a demo: how far it has come, and who does not want to see it any more.

create table public.dismissals (
    user_id uuid not null references public.profiles (user_id) on delete cascade,
    hint text not null check (hint ~ '^[a-z][a-z_]{0,39}$'),
    at timestamptz not null default now(),
    primary key (user_id, hint)
);
comment on table public.dismissals is 'Hints of the desk that a person has put away.';
comment on column public.dismissals.user_id is 'Who.';
comment on column public.dismissals.hint is 'Which, such as first_story.';
comment on column public.dismissals.at is 'When.';

create function public.dismiss_hint(hint text) returns void
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
begin
    if coalesce(hint, '') not in ('first_story') then
        perform private.fail(422, 'invalid', 'There is no such hint.');
    end if;
    insert into public.dismissals (user_id, hint) values (me.user_id, dismiss_hint.hint) on conflict do nothing;
end $$;
comment on function public.dismiss_hint is 'People: puts a hint away for themselves.';

create function public.first_story() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    incident public.incidents;
    approval public.approvals;
begin
    if exists (select from public.dismissals d where d.user_id = me.user_id and d.hint = 'first_story') then
        return null;
    end if;
    -- The one that came furthest, of the last fifty.
    select i.* into incident
    from (
        select * from public.incidents i
        where i.organization_id = me.organization_id and i.source = 'desk' and i.severity = 'MEDIUM'
        order by i.created_at desc limit 50
    ) as i
    left join lateral (
        select a.decided_at, a.status from public.approvals a where a.incident_id = i.id order by a.created_at desc limit 1
    ) as asked on true
    order by (asked.decided_at is not null) desc, (asked.status is not distinct from 'pending') desc, i.created_at desc
    limit 1;
    select * into approval from public.approvals a where a.incident_id = incident.id order by a.created_at desc limit 1;
    return jsonb_build_object(
        'incident_id', incident.id, 'external_id', incident.external_id, 'approval_id', approval.id, 'approval_status', approval.status,
        'may_decide', approval.status is not distinct from 'pending' and (private.objection(approval, me)).code is null,
        'deciders', case when approval.id is not null then private.deciders(approval) else '{}' end,
        'decided_by_name', approval.decided_by_name,
        'is_written', exists (select from public.ai_analyses a where a.incident_id = incident.id and a.completed_at is not null));
end $$;
comment on function public.first_story is
    'People: how far the first MEDIUM incident of a demo has come, as they see it; null once they have put the story away. {incident_id, approval_id, approval_status, may_decide, deciders, decided_by_name, is_written}.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.dismissals enable row level security;
create policy "people see what they have put away" on public.dismissals
    for select to authenticated using (user_id = (select auth.uid()) and (select private.my_organization()) is not null);
revoke all on public.dismissals from public, anon, authenticated, service_role;
revoke all on function public.dismiss_hint(text), public.first_story() from public, anon, authenticated, service_role;
grant execute on function public.dismiss_hint(text), public.first_story() to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
