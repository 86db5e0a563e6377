-- Postmortems as documents of people: sections with versions, review, action items, search.

-- Versions say what was changed, and on which text of the model they stand -----------------------------------------

alter table public.postmortem_versions
    add column change text not null default 'edited' check (change in ('edited', 'restored', 'analysis', 'status')),
    add column section text,
    add column analysis_id uuid references public.ai_analyses (id);
comment on column public.postmortem_versions.sections is
    'The sections that people changed, by name, each {text, version, by, by_id, at}; text null: the model''s text again.';
comment on column public.postmortem_versions.change is
    'edited: a section; restored: a section back to the model''s text; analysis: another run''s text taken over; status.';
comment on column public.postmortem_versions.section is 'The section that was edited or restored.';
comment on column public.postmortem_versions.analysis_id is
    'The model''s text beneath the sections nobody changed: a later run does not change what was read and published.';

create table public.postmortems (
    incident_id uuid primary key references public.incidents (id),
    organization_id uuid not null references public.organizations (id),
    external_id text not null,
    service text not null,
    severity text not null,
    title text not null,
    status text not null default 'draft' check (status in ('draft', 'in_review', 'published')),
    version int not null default 0,
    published_version int,
    analysis_id uuid references public.ai_analyses (id),
    excerpt text not null default '' check (length(excerpt) <= 400),
    body text not null default '' check (length(body) <= 200000),
    written_at timestamptz not null,
    updated_at timestamptz not null default now(),
    words tsvector not null generated always as (
        setweight(to_tsvector('pg_catalog.english'::regconfig, external_id || ' ' || service || ' ' || title), 'A')
        || setweight(to_tsvector('pg_catalog.english'::regconfig, body), 'B')) stored
);
create index postmortems_newest on public.postmortems (organization_id, written_at desc, incident_id);
-- With the columns of the other filters, so that counting reads no row.
create index postmortems_by_status on public.postmortems (organization_id, status, written_at desc, incident_id) include (severity, service);
create index postmortems_by_service on public.postmortems (organization_id, service, written_at desc, incident_id) include (status, severity);
create index postmortems_by_severity on public.postmortems (organization_id, severity, written_at desc, incident_id) include (status, service);
create index postmortems_words on public.postmortems using gin (words);
comment on table public.postmortems is
    'One row per document as it stands now, for lists and search; made anew from analyses, versions and action items by every change.';
comment on column public.postmortems.incident_id is 'The incident; one document each.';
comment on column public.postmortems.organization_id is 'Tenant.';
comment on column public.postmortems.external_id is 'Of the incident.';
comment on column public.postmortems.service is 'Of the incident.';
comment on column public.postmortems.severity is 'Of the incident.';
comment on column public.postmortems.title is 'Of the incident, without control characters.';
comment on column public.postmortems.status is 'draft, in_review, published.';
comment on column public.postmortems.version is 'Newest version of people; 0: nobody has touched the model''s draft.';
comment on column public.postmortems.published_version is 'The version that was published last; it stays readable while a newer one is a draft.';
comment on column public.postmortems.analysis_id is 'The model''s text the document stands on.';
comment on column public.postmortems.excerpt is 'How the summary begins.';
comment on column public.postmortems.body is 'All sections as plain text without control characters.';
comment on column public.postmortems.written_at is 'When the run''s text was complete; without one, when people began.';
comment on column public.postmortems.updated_at is 'Last change.';
comment on column public.postmortems.words is 'What the search looks in; title and names weigh more than the text.';

create table public.postmortem_drafts (
    incident_id uuid not null references public.incidents (id),
    section text not null,
    author_id uuid not null references public.profiles (user_id),
    organization_id uuid not null references public.organizations (id),
    author_name text not null,
    content text not null check (length(content) <= 20000),
    base_version int not null,
    at timestamptz not null default now(),
    primary key (incident_id, section, author_id)
);
create index postmortem_drafts_by_author on public.postmortem_drafts (author_id);
comment on table public.postmortem_drafts is 'Text somebody is typing and has not saved; a reload, a lost connection or a faster colleague takes nothing away.';
comment on column public.postmortem_drafts.incident_id is 'The incident.';
comment on column public.postmortem_drafts.section is 'The section.';
comment on column public.postmortem_drafts.author_id is 'Who types; nobody else reads it.';
comment on column public.postmortem_drafts.organization_id is 'Tenant.';
comment on column public.postmortem_drafts.author_name is 'That person''s name, shown to others as long as they type.';
comment on column public.postmortem_drafts.content is 'The text so far.';
comment on column public.postmortem_drafts.base_version is 'Version of the section the text began from.';
comment on column public.postmortem_drafts.at is 'Last keystrokes.';

alter table public.action_items
    add column suggestion text check (length(suggestion) <= 300),
    add column owner_name text,
    add column created_by uuid references public.profiles (user_id),
    add column created_by_name text,
    add column done_by_name text,
    add column updated_at timestamptz not null default now(),
    add column updated_by_name text;
create unique index action_items_once_per_suggestion on public.action_items (incident_id, suggestion);
comment on column public.action_items.suggestion is 'The model''s wording it was taken over from; once each.';
comment on column public.action_items.owner_name is 'That person''s name when they were given it.';
comment on column public.action_items.created_by is 'Who wrote it down.';
comment on column public.action_items.created_by_name is 'That person''s name at that time.';
comment on column public.action_items.done_by_name is 'Who said that it is done.';
comment on column public.action_items.updated_at is 'Last change.';
comment on column public.action_items.updated_by_name is 'Who made it.';

-- Plain text of a document -----------------------------------------------------------------------------------------

create function private.plain(value text) returns text
language sql immutable set search_path = '' as $$
    select regexp_replace(replace(coalesce(value, ''), E'\r\n', E'\n'), '[\u0001-\u0008\u000b-\u001f\u007f-\u009f]', '', 'g')
$$;
comment on function private.plain is 'A text without control characters but tab and line end; the marks of highlights can therefore never be part of it.';

create function private.statements(list jsonb) returns text
language sql immutable set search_path = '' as $$
    select string_agg(concat_ws(E'\n', value ->> 'text', value ->> 'command', value ->> 'title'), E'\n' order by position)
    from jsonb_array_elements(case when jsonb_typeof(list) = 'array' then list else '[]' end) with ordinality as element (value, position)
$$;
comment on function private.statements is 'Texts of the model''s sentences, steps or action items, one a line.';

create function private.postmortem_sections() returns text[]
language sql immutable set search_path = '' as $$
    select array['summary', 'timeline', 'root_cause', 'impact', 'remediation', 'prevention', 'lessons']
$$;
comment on function private.postmortem_sections is 'The sections people may write, in reading order.';

create function private.model_section(analysis public.ai_analyses, section text) returns text
language sql immutable set search_path = '' as $$
    select case section
        when 'summary' then private.statements(analysis.documentation -> 'executive_summary')
        when 'timeline' then private.statements(analysis.documentation -> 'timeline')
        when 'root_cause' then concat_ws(E'\n', analysis.root_cause, private.statements(analysis.documentation -> 'root_cause_analysis'))
        when 'impact' then analysis.impact
        when 'remediation' then concat_ws(E'\n', private.statements(analysis.remediation -> 'steps'),
            private.statements(analysis.remediation -> 'verification'), private.statements(analysis.remediation -> 'rollback'))
        when 'prevention' then private.statements(analysis.documentation -> 'preventive_measures') end
$$;
comment on function private.model_section is 'What the model wrote for a section, as plain text.';

create function private.refresh_postmortem(incident_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
    incident public.incidents;
    newest public.postmortem_versions;
    analysis public.ai_analyses;
    summary text;
    body text;
begin
    select * into incident from public.incidents i where i.id = refresh_postmortem.incident_id;
    select * into newest from public.postmortem_versions v where v.incident_id = incident.id order by v.version desc limit 1;
    select * into analysis from public.ai_analyses a
    where a.incident_id = incident.id and (a.completed_at is not null or a.documentation is not null)
        and (newest.analysis_id is null or a.id = newest.analysis_id)
    order by a.created_at desc limit 1;
    select string_agg(coalesce(newest.sections -> name ->> 'text', private.model_section(analysis, name)), E'\n\n' order by position) into body
    from unnest(private.postmortem_sections()) with ordinality as section (name, position);
    body := concat_ws(E'\n\n', body, private.statements(analysis.documentation -> 'action_items'),
        (select string_agg(item.title, E'\n' order by item.created_at) from public.action_items item where item.incident_id = incident.id));
    summary := coalesce(newest.sections -> 'summary' ->> 'text', private.model_section(analysis, 'summary'), analysis.root_cause);
    insert into public.postmortems as known (incident_id, organization_id, external_id, service, severity, title, status, version,
        published_version, analysis_id, excerpt, body, written_at)
    values (incident.id, incident.organization_id, incident.external_id, incident.service, incident.severity, private.plain(incident.title),
        coalesce(newest.status, 'draft'), coalesce(newest.version, 0),
        (select max(v.version) from public.postmortem_versions v where v.incident_id = incident.id and v.status = 'published' and v.change = 'status'),
        analysis.id, left(private.plain(summary), 400), left(private.plain(body), 200000), coalesce(analysis.completed_at, newest.at, now()))
    on conflict on constraint postmortems_pkey do update set
        external_id = excluded.external_id, service = excluded.service, severity = excluded.severity, title = excluded.title,
        status = excluded.status, version = excluded.version, published_version = excluded.published_version,
        analysis_id = excluded.analysis_id, excerpt = excluded.excerpt, body = excluded.body,
        written_at = case when excluded.analysis_id is null then known.written_at else excluded.written_at end, updated_at = now();
end $$;
comment on function private.refresh_postmortem is 'Makes the row of postmortems anew from what the model and people wrote.';

create function private.note_analysis() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.refresh_postmortem(new.incident_id);
    return null;
end $$;
comment on function private.note_analysis is 'Trigger: a document that the model finished or went on with is in the list.';
create trigger analyses_are_documents after insert or update on public.ai_analyses
    for each row when (new.completed_at is not null or new.documentation is not null) execute function private.note_analysis();

create function private.note_incident() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update public.postmortems p set external_id = new.external_id, service = new.service, severity = new.severity, title = private.plain(new.title)
    where p.incident_id = new.id;
    return null;
end $$;
comment on function private.note_incident is 'Trigger: the list of documents names the incident as it is named now.';
create trigger incidents_name_documents after update on public.incidents for each row
    when ((old.external_id, old.service, old.severity, old.title) is distinct from (new.external_id, new.service, new.severity, new.title))
    execute function private.note_incident();

-- Writing ----------------------------------------------------------------------------------------------------------

create function private.newest_version(incident_id uuid) returns public.postmortem_versions
language sql stable set search_path = '' as $$
    select v from public.postmortem_versions v where v.incident_id = $1 order by v.version desc limit 1
$$;
comment on function private.newest_version is 'The newest version of people, or null. Under the incident''s lock there is no newer one.';

create function private.add_version(
    incident public.incidents, before public.postmortem_versions, me public.profiles, change text, status text, sections jsonb,
    section text default null, analysis_id uuid default null
) returns int
language plpgsql set search_path = '' as $$
declare
    number int := coalesce(before.version, 0) + 1;
begin
    insert into public.postmortem_versions (organization_id, incident_id, version, status, sections, author_id, author_name, change, section, analysis_id)
    values (incident.organization_id, incident.id, number, status, sections, me.user_id, me.display_name, change, section,
        coalesce(add_version.analysis_id, before.analysis_id, (
            select a.id from public.ai_analyses a
            where a.incident_id = incident.id and a.completed_at is not null order by a.created_at desc limit 1)));
    perform private.refresh_postmortem(incident.id);
    perform private.audit(incident.organization_id, me.user_id, me.display_name, 'postmortem.' || case change when 'status' then status else change end,
        'postmortem_versions', incident.id::text, jsonb_strip_nulls(jsonb_build_object('version', number, 'section', section)));
    return number;
end $$;
comment on function private.add_version is 'Appends a version, audited; the first one fixes the model''s text it stands on.';

create function public.edit_postmortem(incident_id uuid, section text, content text default null, base_version int default 0) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    incident public.incidents := private.visible_incident(edit_postmortem.incident_id, me);
    newest public.postmortem_versions := private.newest_version(incident.id);
    now_stands jsonb := coalesce(newest.sections -> section, '{}');
    written text := trim(E'\n' from private.plain(content));
    number int;
begin
    if section is null or section <> all (private.postmortem_sections()) then
        perform private.fail(422, 'invalid', 'There is no such section.', '{"fields": [{"field": "section", "problem": "is none of this document"}]}');
    elsif length(written) > 20000 then
        perform private.fail(422, 'invalid', 'The text is too long.', '{"fields": [{"field": "content", "problem": "must be 20,000 characters at most"}]}');
    elsif content is not null and written !~ '\S' then
        perform private.fail(422, 'invalid', 'A section needs text.', '{"fields": [{"field": "content", "problem": "is missing"}]}');
    end if;
    written := case when content is not null then written end;
    if newest.sections ? section and (now_stands ->> 'text') is not distinct from written and (now_stands ->> 'by_id')::uuid = me.user_id then
        -- Pressed twice, or the answer was lost.
        number := newest.version;
    elsif coalesce((now_stands ->> 'version')::int, 0) is distinct from base_version then
        perform private.fail(409, 'stale_section', 'Somebody else changed this section while you wrote; nothing was overwritten and your text is kept.',
            jsonb_build_object('by', now_stands ->> 'by', 'at', now_stands ->> 'at', 'version', (now_stands ->> 'version')::int));
    else
        number := private.add_version(incident, newest, me, case when written is null then 'restored' else 'edited' end,
            -- What was published stays as it was; the next version has to be published again.
            case when newest.status = 'in_review' then 'in_review' else 'draft' end,
            coalesce(newest.sections, '{}') || jsonb_build_object(section, jsonb_build_object(
                'text', written, 'version', coalesce(newest.version, 0) + 1, 'by', me.display_name, 'by_id', me.user_id, 'at', clock_timestamp())),
            section);
    end if;
    delete from public.postmortem_drafts d where d.incident_id = incident.id and d.section = edit_postmortem.section and d.author_id = me.user_id;
    return jsonb_build_object('version', number);
end $$;
comment on function public.edit_postmortem is
    'People: writes a section (content null: the model''s text again), naming the version of that section it began from (0: the model''s). {version}. 409 stale_section.';

create function public.save_postmortem_draft(incident_id uuid, section text, content text default null, base_version int default 0) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
begin
    if not exists (select from public.incidents i where i.id = save_postmortem_draft.incident_id and i.organization_id = me.organization_id) then
        perform private.fail(404, 'not_found', 'There is no such incident.');
    elsif section is null or section <> all (private.postmortem_sections()) then
        perform private.fail(422, 'invalid', 'There is no such section.', '{"fields": [{"field": "section", "problem": "is none of this document"}]}');
    elsif length(content) > 20000 then
        perform private.fail(422, 'invalid', 'The text is too long.', '{"fields": [{"field": "content", "problem": "must be 20,000 characters at most"}]}');
    elsif content is null then
        delete from public.postmortem_drafts d
        where d.incident_id = save_postmortem_draft.incident_id and d.section = save_postmortem_draft.section and d.author_id = me.user_id;
    else
        insert into public.postmortem_drafts (incident_id, section, author_id, organization_id, author_name, content, base_version)
        values (save_postmortem_draft.incident_id, save_postmortem_draft.section, me.user_id, me.organization_id, me.display_name,
            private.plain(save_postmortem_draft.content), coalesce(save_postmortem_draft.base_version, 0))
        on conflict on constraint postmortem_drafts_pkey do update set content = excluded.content, base_version = excluded.base_version, at = now();
    end if;
    return jsonb_build_object('kept', content is not null);
end $$;
comment on function public.save_postmortem_draft is 'People: keeps what they are typing, for themselves alone; content null drops it. {kept}.';

create function private.stale_version(newest public.postmortem_versions) returns void
language sql set search_path = '' as $$
    select private.fail(409, 'stale_version', 'The document changed while you looked at it; read the newest version first.',
        jsonb_build_object('by', newest.author_name, 'at', newest.at, 'decision', newest.change, 'version', newest.version))
$$;
comment on function private.stale_version is 'Raises 409: somebody made a newer version.';

create function public.set_postmortem_status(incident_id uuid, status text, version int default 0) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    incident public.incidents := private.visible_incident(set_postmortem_status.incident_id, me);
    newest public.postmortem_versions := private.newest_version(incident.id);
    before text := coalesce(newest.status, 'draft');
begin
    if status is null or status not in ('draft', 'in_review', 'published') then
        perform private.fail(422, 'invalid', 'A status is draft, in_review or published.', '{"fields": [{"field": "status", "problem": "must be draft, in_review or published"}]}');
    end if;
    if 'published' in (status, before) then
        me := private.require_role('approver');
    end if;
    if newest.version = version + 1 and newest.change = 'status' and before = status and newest.author_id = me.user_id then
        -- Pressed twice, or the answer was lost.
        return jsonb_build_object('status', status, 'version', newest.version);
    elsif coalesce(newest.version, 0) is distinct from version then
        perform private.stale_version(newest);
    elsif (before, status) not in (('draft', 'in_review'), ('in_review', 'draft'), ('in_review', 'published'), ('published', 'draft')) then
        perform private.fail(409, 'wrong_status', format('The document is %s; from there it does not become %s.', replace(before, '_', ' '), replace(status, '_', ' ')));
    elsif not exists (select from public.postmortems p where p.incident_id = incident.id and p.body <> '') then
        perform private.fail(409, 'nothing_written', 'Nothing was written yet.');
    end if;
    return jsonb_build_object('status', status,
        'version', private.add_version(incident, newest, me, 'status', status, coalesce(newest.sections, '{}')));
end $$;
comment on function public.set_postmortem_status is
    'People: draft to in_review and back (responder), in_review to published and published to draft (approver), for the version they read. {status, version}. 409 stale_version, wrong_status, nothing_written.';

create function public.take_analysis(incident_id uuid, analysis_id uuid, version int default 0) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    incident public.incidents := private.visible_incident(take_analysis.incident_id, me);
    newest public.postmortem_versions := private.newest_version(incident.id);
begin
    if not exists (select from public.ai_analyses a where a.id = take_analysis.analysis_id and a.incident_id = incident.id and a.completed_at is not null) then
        perform private.fail(404, 'not_found', 'There is no such finished analysis of this incident.');
    elsif newest.version = version + 1 and newest.change = 'analysis' and newest.analysis_id = take_analysis.analysis_id and newest.author_id = me.user_id then
        return jsonb_build_object('version', newest.version);
    elsif coalesce(newest.version, 0) is distinct from version then
        perform private.stale_version(newest);
    end if;
    return jsonb_build_object('version', private.add_version(incident, newest, me, 'analysis',
        case when newest.status = 'in_review' then 'in_review' else 'draft' end, coalesce(newest.sections, '{}'), null, take_analysis.analysis_id));
end $$;
comment on function public.take_analysis is
    'People: puts the text of another run beneath the sections nobody changed. {version}. 409 stale_version.';

create function public.postmortem_state(incident_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    incident public.incidents;
begin
    select * into incident from public.incidents i where i.id = postmortem_state.incident_id and i.organization_id = me.organization_id;
    if incident.id is null then
        perform private.fail(404, 'not_found', 'There is no such incident.');
    end if;
    return jsonb_build_object(
        'mark', md5(concat_ws(' ', incident.version,
            (select max(v.version) from public.postmortem_versions v where v.incident_id = incident.id),
            (select concat(count(*), max(a.updated_at)) from public.ai_analyses a where a.incident_id = incident.id),
            (select concat(count(*), sum(t.version)) from public.action_items t where t.incident_id = incident.id),
            (select max(e.id) from public.incident_events e where e.incident_id = incident.id))),
        'writing', (
            select coalesce(jsonb_agg(jsonb_build_object('section', d.section, 'name', d.author_name, 'at', d.at) order by d.at), '[]')
            from public.postmortem_drafts d
            where d.incident_id = incident.id and d.author_id <> me.user_id and d.at > now() - interval '10 minutes'));
end $$;
comment on function public.postmortem_state is
    'People: {mark, writing: [{section, name, at}]}: a mark that differs when the document''s page has something new, and who else is typing where.';

-- Action items -----------------------------------------------------------------------------------------------------

create function private.check_item(given jsonb, me public.profiles, out owner public.profiles, out problems jsonb)
language plpgsql stable set search_path = '' as $$
begin
    select * into owner from public.profiles p
    where p.user_id = private.as_uuid(given ->> 'owner_id') and p.organization_id = me.organization_id and p.active;
    select coalesce(jsonb_agg(jsonb_build_object('field', field, 'problem', problem)), '[]') into problems
    from (values
        ('title', case when coalesce(given ->> 'title', '') !~ '\S' then 'is missing' when length(given ->> 'title') > 300 then 'must be 300 characters at most' end),
        ('priority', case when given ->> 'priority' is null or given ->> 'priority' not in ('LOW', 'MEDIUM', 'HIGH') then 'must be LOW, MEDIUM or HIGH' end),
        ('owner_id', case when given ->> 'owner_id' is not null and owner.user_id is null then 'is no active person' end),
        ('due_at', case when not pg_input_is_valid(coalesce(given ->> 'due_at', 'now'), 'timestamptz') then 'must be a moment' end)
    ) as found (field, problem)
    where problem is not null;
    if problems <> '[]' then
        perform private.fail(422, 'invalid', 'The action item was not saved: some fields need another look.', jsonb_build_object('fields', problems));
    end if;
end $$;
comment on function private.check_item is 'The active person named as owner, or null; 422 with the fields that are wrong.';

create function public.add_action_item(incident_id uuid, payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    incident public.incidents := private.visible_incident(add_action_item.incident_id, me);
    given jsonb := '{"priority": "MEDIUM"}' || jsonb_strip_nulls(coalesce(private.clean(payload), '{}'));
    checked record;
    item public.action_items;
begin
    select * into checked from private.check_item(given, me);
    -- A press that came twice, or whose answer was lost, writes nothing down again.
    select * into item from public.action_items t
    where t.incident_id = incident.id and (t.suggestion = given ->> 'suggestion'
        or (t.created_by = me.user_id and t.title = private.plain(trim(given ->> 'title')) and t.created_at > now() - interval '1 minute'))
    limit 1;
    if item.id is not null then
        return jsonb_build_object('id', item.id, 'version', item.version);
    end if;
    insert into public.action_items (organization_id, incident_id, title, owner_id, owner_name, priority, due_at, suggestion,
        created_by, created_by_name, updated_by_name)
    values (me.organization_id, incident.id, private.plain(trim(given ->> 'title')), (checked.owner).user_id, (checked.owner).display_name,
        given ->> 'priority', (given ->> 'due_at')::timestamptz, left(given ->> 'suggestion', 300), me.user_id, me.display_name, me.display_name)
    returning * into item;
    perform private.refresh_postmortem(incident.id);
    perform private.audit(me.organization_id, me.user_id, me.display_name, 'action_item.added', 'action_items', item.id::text,
        jsonb_build_object('incident_id', incident.id, 'title', item.title));
    return jsonb_build_object('id', item.id, 'version', item.version);
end $$;
comment on function public.add_action_item is
    'People: writes down {title, priority, owner_id, due_at, suggestion}; a suggestion of the model is taken over once. {id, version}.';

create function public.change_action_item(id uuid, kind text, payload json default null, version int default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('responder');
    item public.action_items;
    incident public.incidents;
    given jsonb;
    checked record;
begin
    select * into item from public.action_items t where t.id = change_action_item.id and t.organization_id = me.organization_id;
    if item.id is null then
        perform private.fail(404, 'not_found', 'There is no such action item.');
    end if;
    incident := private.visible_incident(item.incident_id, me);
    select * into item from public.action_items t where t.id = item.id for update;
    if kind is null or kind not in ('edit', 'done', 'reopen') then
        perform private.fail(422, 'invalid', 'A change is edit, done or reopen.');
    elsif (kind = 'done' and item.done_at is not null) or (kind = 'reopen' and item.done_at is null) then
        -- Pressed twice: it is as wanted.
        return jsonb_build_object('id', item.id, 'version', item.version);
    elsif kind = 'edit' and item.version = version + 1 and item.updated_by_name = me.display_name
        and (coalesce(private.clean(payload), '{}') - 'due_at') <@ to_jsonb(item) then
        return jsonb_build_object('id', item.id, 'version', item.version);
    elsif version is distinct from item.version then
        perform private.fail(409, 'stale_version', 'The action item changed while you looked at it; nothing was overwritten.',
            jsonb_build_object('by', item.updated_by_name, 'at', item.updated_at, 'decision', kind, 'version', item.version));
    end if;
    if kind = 'edit' then
        given := jsonb_build_object('title', item.title, 'priority', item.priority, 'owner_id', item.owner_id, 'due_at', item.due_at)
            || coalesce(private.clean(payload), '{}');
        select * into checked from private.check_item(given, me);
        item.title := private.plain(trim(given ->> 'title'));
        item.priority := given ->> 'priority';
        item.owner_id := (checked.owner).user_id;
        item.owner_name := (checked.owner).display_name;
        item.due_at := (given ->> 'due_at')::timestamptz;
    else
        item.done_at := case when kind = 'done' then now() end;
        item.done_by_name := case when kind = 'done' then me.display_name end;
    end if;
    update public.action_items t set title = item.title, priority = item.priority, owner_id = item.owner_id, owner_name = item.owner_name,
        due_at = item.due_at, done_at = item.done_at, done_by_name = item.done_by_name,
        version = t.version + 1, updated_at = now(), updated_by_name = me.display_name
    where t.id = item.id returning * into item;
    perform private.refresh_postmortem(incident.id);
    perform private.audit(me.organization_id, me.user_id, me.display_name,
        'action_item.' || case kind when 'edit' then 'edited' when 'done' then 'done' else 'reopened' end, 'action_items', item.id::text,
        jsonb_build_object('incident_id', incident.id, 'version', item.version, 'title', item.title));
    return jsonb_build_object('id', item.id, 'version', item.version);
end $$;
comment on function public.change_action_item is
    'People: edit {title, priority, owner_id, due_at}, done, reopen; names the version it saw. {id, version}. 409 stale_version.';

-- Finding ----------------------------------------------------------------------------------------------------------

create function public.search_postmortems(
    search text default '', services text[] default null, severities text[] default null, statuses text[] default null,
    skip int default 0, take int default 20
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('viewer');
    asked text := trim(private.plain(left(search, 300)));
    wanted tsquery := websearch_to_tsquery('pg_catalog.english'::regconfig, asked);
    -- What the marks are made of cannot be in the text: private.plain took it out.
    marks text := format('StartSel=%s,StopSel=%s,', chr(2), chr(3));
    -- Where words are looked for each row is read.
    most constant int := case when asked = '' then 1000 else 300 end;
    condition text := 'p.organization_id = $1';
    counts jsonb := '{}';
    one text;
    counted int;
    found jsonb;
begin
    if asked = '' then
        wanted := null;
    elsif numnode(wanted) = 0 then
        return jsonb_build_object('rows', '[]'::jsonb, 'counts', '{"draft": 0, "in_review": 0, "published": 0}'::jsonb, 'most', most, 'too_common', true);
    else
        condition := condition || ' and p.words @@ $5';
    end if;
    condition := condition || case when services is not null then ' and p.service = any ($2)' else '' end
        || case when severities is not null then ' and p.severity = any ($3)' else '' end;
    -- Counting stops where nobody reads on: the cost does not grow with what lies behind the list.
    foreach one in array array['draft', 'in_review', 'published'] loop
        execute 'select count(*) from (select from public.postmortems p where ' || condition || ' and p.status = $4 limit $6) counted'
        into counted using me.organization_id, services, severities, one, wanted, most;
        counts := counts || jsonb_build_object(one, counted);
    end loop;
    -- Planned for these values: a rare word comes from its index, a common one from the newest documents.
    execute 'select coalesce(jsonb_agg(to_jsonb(page) - ''body'' || jsonb_build_object(
            ''marked_title'', case when $5 is not null then ts_headline(''pg_catalog.english''::regconfig, page.title, $5, $8 || ''HighlightAll=true'') end,
            ''marked'', case when $5 is not null then ts_headline(''pg_catalog.english''::regconfig, page.body, $5,
                $8 || ''MaxFragments=2,MinWords=12,MaxWords=32,FragmentDelimiter=" … "'') end)
            order by page.written_at desc, page.incident_id), ''[]'')
        from (
            select p.incident_id, p.external_id, p.service, p.severity, p.title, p.status, p.version, p.published_version, p.excerpt, p.body,
                p.written_at, p.updated_at
            from public.postmortems p where ' || condition || case when statuses is not null then ' and p.status = any ($4)' else '' end || '
            order by p.written_at desc, p.incident_id limit $6 offset $7) page'
    into found using me.organization_id, services, severities, statuses, wanted, least(greatest(take, 0), 100),
        least(greatest(skip, 0), 3 * most), marks;
    return jsonb_build_object('rows', found, 'counts', counts, 'most', most, 'too_common', false);
end $$;
comment on function public.search_postmortems is
    'People: documents of the organization, newest first; words, "phrases", or, -without. {rows, counts by status up to most, too_common}; characters 2 and 3 stand around what was found.';

-- Rights -----------------------------------------------------------------------------------------------------------

alter table public.postmortems enable row level security;
alter table public.postmortem_drafts enable row level security;
create policy "people see the documents of their organization" on public.postmortems
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see what they are typing themselves" on public.postmortem_drafts
    for select to authenticated using (author_id = (select auth.uid()) and organization_id = (select private.my_organization()));
revoke all on public.postmortems, public.postmortem_drafts from public, anon, authenticated, service_role;
grant select on public.postmortems, public.postmortem_drafts to authenticated;
revoke all on function
    public.edit_postmortem(uuid, text, text, int), public.save_postmortem_draft(uuid, text, text, int),
    public.set_postmortem_status(uuid, text, int), public.take_analysis(uuid, uuid, int), public.postmortem_state(uuid),
    public.add_action_item(uuid, json), public.change_action_item(uuid, text, json, int),
    public.search_postmortems(text, text[], text[], text[], int, int)
    from public, anon, authenticated, service_role;
grant execute on function
    public.edit_postmortem(uuid, text, text, int), public.save_postmortem_draft(uuid, text, text, int),
    public.set_postmortem_status(uuid, text, int), public.take_analysis(uuid, uuid, int), public.postmortem_state(uuid),
    public.add_action_item(uuid, json), public.change_action_item(uuid, text, json, int),
    public.search_postmortems(text, text[], text[], text[], int, int)
    to authenticated;

-- What was written before this migration.
do $$
begin
    perform private.refresh_postmortem(written.incident_id)
    from (select distinct a.incident_id from public.ai_analyses a where a.completed_at is not null or a.documentation is not null) written;
end $$;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
