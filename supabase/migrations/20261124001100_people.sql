-- Who administers: organizations, people, services and the catalogue are changed by functions, each change audited.
-- The service key, which Kestra holds too, makes an organization and its first admin and nothing more.

revoke insert, update on public.organizations, public.profiles, public.services, public.actions from service_role;

alter table public.services add column version int not null default 1;
comment on column public.services.version is 'Raised with every change of its description or rules.';

-- A check that is null counts as passed, so a request without headers was let through.
alter table public.actions
    drop constraint request_is_a_template,
    drop constraint verify_is_a_template,
    add constraint request_is_a_template check (coalesce(
        request ->> 'method' in ('POST', 'PUT', 'PATCH', 'DELETE')
        and request ->> 'url' ~ '^https?://'
        and request -> 'headers' ->> 'Idempotency-Key' = '${idempotency_key}', false)),
    add constraint verify_is_a_template check (coalesce(
        verify ->> 'method' = 'GET'
        and verify ->> 'url' ~ '^https?://'
        and jsonb_typeof(verify -> 'expect') = 'object'
        and (verify ->> 'within_seconds')::int between 1 and 60, false));

-- Descriptions from outside ---------------------------------------------------------------------------------------

create function private.misfits(given jsonb, fields jsonb, prefix text default '') returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('field', prefix || left(name, 60), 'problem', problem) order by name), '[]') from (
        select coalesce(field.key, value.key) as name, case
            when field.key is null then 'is not known here'
            when value.value is null or jsonb_typeof(value.value) = 'null' then
                case when field.value @> '{"required": true}' then 'is missing' end
            when field.value ->> 'type' = 'integer' then case
                when jsonb_typeof(value.value) <> 'number' or value.value::text !~ '^-?[0-9]{1,9}$' then 'must be a whole number'
                when value.value::text::int not between (field.value ->> 'minimum')::int and (field.value ->> 'maximum')::int
                    then format('must be between %s and %s', field.value ->> 'minimum', field.value ->> 'maximum') end
            when field.value ? 'enum' then case
                when not (field.value -> 'enum') @> jsonb_build_array(value.value)
                    then 'must be ' || (select string_agg(word, ' or ') from jsonb_array_elements_text(field.value -> 'enum') as word) end
            when jsonb_typeof(value.value) <> field.value ->> 'type' then 'must be ' || case field.value ->> 'type'
                when 'string' then 'text' when 'boolean' then 'true or false' when 'array' then 'a list' when 'number' then 'a number' else 'an object' end
            when field.value ->> 'type' = 'string' then case
                when field.value @> '{"required": true}' and trim(value.value #>> '{}') = '' then 'is missing'
                when length(value.value #>> '{}') > coalesce((field.value ->> 'maxLength')::int, 5000)
                    then format('is longer than %s characters', coalesce(field.value ->> 'maxLength', '5000'))
                when value.value #>> '{}' !~ coalesce(field.value ->> 'pattern', '') then 'must be ' || (field.value ->> 'form') end
            end as problem
        from jsonb_each(fields) as field full join jsonb_each(case when jsonb_typeof(given) = 'object' then given else '{}' end) as value on value.key = field.key
    ) as checked where problem is not null
$$;
comment on function private.misfits is
    'Where an object differs from its fields {name: {type, required, enum, minimum, maximum, maxLength, pattern, form}}: [{field, problem}]. A field without type takes anything.';

create function private.refuse_misfits(what text, misfits jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    if misfits <> '[]' then
        perform private.fail(422, 'invalid', format('%s cannot be used: %s.', what, (
            select string_agg((misfit ->> 'field') || ' ' || (misfit ->> 'problem'), '; ') from jsonb_array_elements(misfits) as misfit)),
            jsonb_build_object('fields', misfits));
    end if;
end $$;
comment on function private.refuse_misfits is 'Raises 422 that names every field with its problem, if there is one.';

create function private.described(what text, payload json, fields jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
    given jsonb := private.clean(payload);
begin
    if jsonb_typeof(given) is distinct from 'object' then
        perform private.fail(422, 'invalid', format('%s is described by an object of fields.', what));
    end if;
    perform private.refuse_misfits(what, private.misfits(given, fields));
    return coalesce((select jsonb_object_agg(key, value) from jsonb_each(given) where jsonb_typeof(value) <> 'null'), '{}');
end $$;
comment on function private.described is 'A payload that fits its fields, without those that are null; 422 otherwise.';

-- Organizations and people ----------------------------------------------------------------------------------------

create function public.create_organization(name text, slug text, is_default boolean default false) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    known public.organizations;
    made boolean := false;
begin
    if length(coalesce(trim(name), '')) not between 1 and 200 or coalesce(slug, '') !~ '^[a-z0-9][a-z0-9-]{0,62}$' then
        perform private.fail(422, 'invalid', 'An organization has a name of at most 200 characters, and a slug of small letters, digits and hyphens.');
    end if;
    perform pg_advisory_xact_lock(hashtextextended('organizations', 0));
    select * into known from public.organizations o where o.slug = create_organization.slug;
    if known.id is null then
        made := true;
        insert into public.organizations (name, slug, is_default)
        values (trim(create_organization.name), create_organization.slug,
            coalesce(create_organization.is_default, false) and not exists (select from public.organizations o where o.is_default))
        returning * into known;
        perform private.audit(known.id, null, 'set-up', 'organization.created', 'organizations', known.id::text,
            jsonb_build_object('slug', known.slug, 'is_default', known.is_default));
    end if;
    return jsonb_build_object('organization_id', known.id, 'created', made, 'name', known.name, 'is_default', known.is_default);
end $$;
comment on function public.create_organization is
    'Set-up: makes a tenant, the default one if wanted and there is none; the same slug answers the one there is. {organization_id, created, name, is_default}.';

create function private.administrator() returns public.profiles
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.require_role('admin');
begin
    perform from public.organizations o where o.id = me.organization_id for no key update;
    -- Asked again: another admin may have changed this one's role while this call waited.
    return private.require_role('admin');
end $$;
comment on function private.administrator is 'The calling admin. Administration of one organization happens one call after the other.';

create function private.put_person(
    organization_id uuid, user_id uuid, role text, display_name text, actor_id uuid, actor_name text
) returns jsonb
language plpgsql set search_path = '' as $$
declare
    known public.profiles;
    address text;
begin
    if private.role_rank(role) is null then
        perform private.fail(422, 'invalid', 'A role is viewer, responder, approver or admin.',
            '{"fields": [{"field": "role", "problem": "must be viewer, responder, approver or admin"}]}');
    elsif length(coalesce(trim(display_name), '')) not between 1 and 200 then
        perform private.fail(422, 'invalid', 'A person needs a name of at most 200 characters.',
            '{"fields": [{"field": "display_name", "problem": "must have 1 to 200 characters"}]}');
    end if;
    select u.email into address from auth.users u where u.id = put_person.user_id;
    if not found then
        perform private.fail(404, 'not_found', 'There is no such account at Supabase Auth.');
    elsif coalesce(address, '') = '' then
        perform private.fail(422, 'invalid', 'This account has no e-mail address.');
    end if;
    insert into public.profiles (user_id, organization_id, role, display_name, email)
    values (put_person.user_id, put_person.organization_id, put_person.role, trim(put_person.display_name), address)
    on conflict do nothing returning * into known;
    if known.user_id is not null then
        perform private.audit(known.organization_id, actor_id, actor_name, 'person.added', 'profiles', known.user_id::text,
            jsonb_build_object('role', known.role, 'email', known.email));
        return jsonb_build_object('user_id', known.user_id, 'created', true, 'role', known.role, 'active', known.active);
    end if;
    select * into known from public.profiles p where p.user_id = put_person.user_id;
    if known.organization_id <> put_person.organization_id then
        perform private.fail(409, 'other_organization', 'This account belongs to another organization.');
    end if;
    return jsonb_build_object('user_id', known.user_id, 'created', false, 'role', known.role, 'active', known.active);
end $$;
comment on function private.put_person is 'Adds an account to an organization under its e-mail address; who is there already is left as they are.';

create function public.add_first_admin(organization_id uuid, user_id uuid, display_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
    perform from public.organizations o where o.id = add_first_admin.organization_id for no key update;
    if not found then
        perform private.fail(404, 'not_found', 'There is no such organization.');
    elsif exists (select from public.profiles p where p.organization_id = add_first_admin.organization_id
            and p.role = 'admin' and p.user_id is distinct from add_first_admin.user_id) then
        perform private.fail(409, 'has_admin', 'This organization has an admin, who adds further people.');
    elsif exists (select from public.profiles p where p.organization_id = add_first_admin.organization_id
            and p.user_id = add_first_admin.user_id and p.role <> 'admin') then
        perform private.fail(409, 'other_role', 'This person is in the organization with another role.');
    end if;
    return private.put_person(organization_id, user_id, 'admin', display_name, null, 'set-up');
end $$;
comment on function public.add_first_admin is
    'Set-up: the first admin of an organization, and only the first (409 has_admin, other_role). {user_id, created, role, active}.';

create function public.add_person(user_id uuid, role text, display_name text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.administrator();
begin
    return private.put_person(me.organization_id, user_id, role, display_name, me.user_id, me.display_name);
end $$;
comment on function public.add_person is
    'Admins: adds an account to their own organization; one that is there already stays as it is (409 other_organization). {user_id, created, role, active}.';

create function public.change_person(user_id uuid, role text default null, active boolean default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.administrator();
    before public.profiles;
    person public.profiles;
begin
    select * into before from public.profiles p
    where p.user_id = change_person.user_id and p.organization_id = me.organization_id for update;
    if before.user_id is null then
        perform private.fail(404, 'not_found', 'There is no such person here.');
    elsif before.user_id = me.user_id then
        perform private.fail(403, 'not_allowed', 'Nobody changes their own role or switches themselves off; another admin does.');
    elsif role is not null and private.role_rank(role) is null then
        perform private.fail(422, 'invalid', 'A role is viewer, responder, approver or admin.',
            '{"fields": [{"field": "role", "problem": "must be viewer, responder, approver or admin"}]}');
    end if;
    update public.profiles p set role = coalesce(change_person.role, p.role), active = coalesce(change_person.active, p.active)
    where p.user_id = before.user_id returning * into person;
    if not person.active then
        update public.desk_sessions s set closed_at = now(), sealed = '-' where s.user_id = person.user_id and s.closed_at is null;
    end if;
    if (before.role, before.active) is distinct from (person.role, person.active) then
        perform private.audit(me.organization_id, me.user_id, me.display_name, 'person.changed', 'profiles', person.user_id::text,
            jsonb_build_object('before', jsonb_build_object('role', before.role, 'active', before.active),
                'after', jsonb_build_object('role', person.role, 'active', person.active)));
    end if;
    return jsonb_build_object('user_id', person.user_id, 'role', person.role, 'active', person.active,
        'changed', (before.role, before.active) is distinct from (person.role, person.active));
end $$;
comment on function public.change_person is
    'Admins: role or switch of another person of their organization; switched off, every session of the desk ends. {user_id, role, active, changed}.';

create function public.change_organization(payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.administrator();
    given jsonb := private.described('The organization', payload, '{
        "self_approval_allowed": {"type": "boolean"}, "accepts_direct_webhook": {"type": "boolean"}, "auto_remediate_direct_webhooks": {"type": "boolean"}}');
    before public.organizations;
    organization public.organizations;
begin
    select * into before from public.organizations o where o.id = me.organization_id;
    update public.organizations o set
        self_approval_allowed = coalesce((given ->> 'self_approval_allowed')::boolean, o.self_approval_allowed),
        accepts_direct_webhook = coalesce((given ->> 'accepts_direct_webhook')::boolean, o.accepts_direct_webhook),
        auto_remediate_direct_webhooks = coalesce((given ->> 'auto_remediate_direct_webhooks')::boolean, o.auto_remediate_direct_webhooks)
    where o.id = me.organization_id returning * into organization;
    if before is distinct from organization then
        perform private.audit(me.organization_id, me.user_id, me.display_name, 'organization.changed', 'organizations', me.organization_id::text,
            jsonb_build_object('before', to_jsonb(before), 'after', to_jsonb(organization)));
    end if;
    return jsonb_build_object('organization_id', organization.id, 'changed', before is distinct from organization);
end $$;
comment on function public.change_organization is
    'Admins: {self_approval_allowed, accepts_direct_webhook, auto_remediate_direct_webhooks} of their organization; what is left out stays. {organization_id, changed}.';

-- Services --------------------------------------------------------------------------------------------------------

create function public.apply_service(payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.administrator();
    what text := format('The service %s', coalesce(left(private.clean(payload) ->> 'name', 80), '(no name)'));
    given jsonb := private.described(what, payload, '{
        "name": {"type": "string", "required": true, "maxLength": 200}, "owner": {"type": "string", "required": true, "maxLength": 200},
        "tier": {"type": "integer", "minimum": 1, "maximum": 4}, "description": {"type": "string", "maxLength": 2000},
        "runbook_url": {"type": "string", "maxLength": 2000, "pattern": "^https?://", "form": "an address that begins with http:// or https://"},
        "auto_remediate": {"type": "boolean"}, "approval_role": {"enum": ["responder", "approver", "admin"]}, "approver_ids": {"type": "array"},
        "approvals_required": {"type": "integer", "minimum": 1, "maximum": 5}, "minutes_to_decide": {"type": "integer", "minimum": 1, "maximum": 7200}}');
    approvers uuid[];
    named int;
    known public.services;
    service public.services;
begin
    select count(distinct coalesce(named_id, '')), coalesce(array_agg(distinct p.user_id) filter (where p.user_id is not null), '{}') into named, approvers
    from jsonb_array_elements_text(coalesce(given -> 'approver_ids', '[]')) as named_id
    left join public.profiles p on p.user_id = private.as_uuid(named_id) and p.organization_id = me.organization_id;
    if cardinality(approvers) <> named then
        perform private.refuse_misfits(what, '[{"field": "approver_ids", "problem": "names somebody who is not in this organization"}]');
    elsif named between 1 and coalesce((given ->> 'approvals_required')::int, 1) - 1 then
        perform private.refuse_misfits(what, '[{"field": "approver_ids", "problem": "names fewer people than must approve"}]');
    end if;
    select * into known from public.services s where s.organization_id = me.organization_id and s.name = trim(given ->> 'name') for update;
    insert into public.services as s (
        organization_id, name, owner, tier, description, runbook_url, auto_remediate, approval_role, approver_ids, approvals_required, minutes_to_decide)
    values (
        me.organization_id, trim(given ->> 'name'), trim(given ->> 'owner'), coalesce((given ->> 'tier')::int, 2), coalesce(given ->> 'description', ''),
        given ->> 'runbook_url', coalesce((given ->> 'auto_remediate')::boolean, false), coalesce(given ->> 'approval_role', 'approver'), approvers,
        coalesce((given ->> 'approvals_required')::int, 1), coalesce((given ->> 'minutes_to_decide')::int, 60))
    on conflict (organization_id, name) do update set
        owner = excluded.owner, tier = excluded.tier, description = excluded.description, runbook_url = excluded.runbook_url,
        auto_remediate = excluded.auto_remediate, approval_role = excluded.approval_role, approver_ids = excluded.approver_ids,
        approvals_required = excluded.approvals_required, minutes_to_decide = excluded.minutes_to_decide
    returning * into service;
    if known.id is not null and known is distinct from service then
        update public.services s set version = s.version + 1 where s.id = service.id returning * into service;
    end if;
    if known is distinct from service then
        perform private.audit(me.organization_id, me.user_id, me.display_name, case when known.id is null then 'service.added' else 'service.changed' end,
            'services', service.id::text, jsonb_strip_nulls(jsonb_build_object(
                'version', service.version, 'before', case when known.id is not null then to_jsonb(known) end, 'after', to_jsonb(service))));
    end if;
    return jsonb_build_object('service_id', service.id, 'created', known.id is null,
        'changed', known.id is not null and known is distinct from service, 'version', service.version);
end $$;
comment on function public.apply_service is
    'Admins: makes a service of their organization as described, by name; what is left out gets its default. A change raises its version. {service_id, created, changed, version}.';

-- The catalogue ---------------------------------------------------------------------------------------------------

create function private.placeholders(template jsonb) returns setof text
language sql immutable set search_path = '' as $$
    select distinct found[1] from regexp_matches(coalesce(template, '{}')::text, '\$\{([^}"]*)', 'g') as found
$$;
comment on function private.placeholders is 'The names that stand as ${name} in a template.';

create function private.parameter_misfits(parameters jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    problems jsonb := private.misfits(parameters, '{
        "type": {"enum": ["object"], "required": true}, "properties": {"type": "object"}, "required": {"type": "array"}, "additionalProperties": {"enum": [false]}}',
        'parameters.');
    name text;
    schema jsonb;
    found jsonb;
begin
    if problems <> '[]' then
        return problems;
    end if;
    for name, schema in select * from jsonb_each(coalesce(parameters -> 'properties', '{}')) loop
        -- Only what private.typed_parameter holds; any other keyword would promise a check that nobody makes.
        found := private.misfits(schema, '{
            "type": {"enum": ["integer", "number", "boolean", "string"], "required": true}, "title": {"type": "string"}, "description": {"type": "string"},
            "default": {}, "enum": {"type": "array"}, "minimum": {"type": "number"}, "maximum": {"type": "number"},
            "maxLength": {"type": "integer", "minimum": 1, "maximum": 2000}, "pattern": {"type": "string", "maxLength": 500}}',
            format('parameters.%s.', left(name, 60)));
        if name !~ '^[a-z][a-z0-9_]{0,62}$' or name = 'idempotency_key' then
            found := found || jsonb_build_object('field', 'parameters.' || left(name, 60), 'problem', 'must be named by small letters, digits and underscores');
        end if;
        begin
            if found = '[]' and '' ~ coalesce(schema ->> 'pattern', '') is not null and schema ? 'default'
                and (select checked.typed is distinct from schema -> 'default' or checked.problem is not null
                    from private.typed_parameter(schema, name, schema ->> 'default') as checked) then
                found := jsonb_build_array(jsonb_build_object('field', format('parameters.%s.default', name), 'problem', 'is no value that the parameter may have'));
            end if;
        exception when invalid_regular_expression then
            found := jsonb_build_array(jsonb_build_object('field', format('parameters.%s.pattern', name), 'problem', 'is no regular expression'));
        end;
        problems := problems || found;
    end loop;
    if exists (select from jsonb_array_elements(coalesce(parameters -> 'required', '[]')) as wanted
            where jsonb_typeof(wanted) <> 'string' or not coalesce(parameters -> 'properties', '{}') ? (wanted #>> '{}')) then
        problems := problems || '[{"field": "parameters.required", "problem": "names a parameter that is not described"}]'::jsonb;
    end if;
    return problems;
end $$;
comment on function private.parameter_misfits is 'What is wrong with a catalogue action''s parameters: [{field, problem}].';

create function private.template_misfits(template jsonb, fields jsonb, parameters jsonb, prefix text) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
    -- The host is never chosen by a parameter: the headers may carry a secret.
    problems jsonb := private.misfits(template, fields || '{
        "url": {"type": "string", "required": true, "maxLength": 2000, "pattern": "^https?://[^/?#$@\\s]+(/[^\\s#]*)?$", "form": "an address with a fixed host and without user or fragment"},
        "headers": {"type": "object"}}', prefix);
    filled jsonb := template - 'headers';
    name text;
begin
    if problems <> '[]' then
        return problems;
    end if;
    if exists (select from jsonb_each(coalesce(nullif(template -> 'headers', 'null'), '{}')) as header where jsonb_typeof(header.value) <> 'string') then
        problems := problems || jsonb_build_object('field', prefix || 'headers', 'problem', 'must hold text only');
    end if;
    for name in select private.placeholders(template -> 'headers') loop
        if name <> 'idempotency_key' and name !~ '^ACTION_[A-Z0-9_]+$' then
            problems := problems || jsonb_build_object('field', prefix || 'headers', 'problem',
                format('may name ${idempotency_key} and ${ACTION_...} only, not ${%s}', left(name, 60)));
        end if;
    end loop;
    for name in select private.placeholders(filled) loop
        if not coalesce(parameters -> 'properties', '{}') ? name then
            problems := problems || jsonb_build_object('field', rtrim(prefix, '.'), 'problem', format('names ${%s}, which is no parameter', left(name, 60)));
        end if;
    end loop;
    if exists (select from jsonb_path_query(filled - 'url', 'strict $.** ? (@.type() == "string")') as part
            where part #>> '{}' like '%${%' and part #>> '{}' !~ '^\$\{[^}]*\}$') then
        problems := problems || jsonb_build_object('field', rtrim(prefix, '.'), 'problem', 'has a ${name} inside a longer text, where it would stay as it is');
    end if;
    return problems;
end $$;
comment on function private.template_misfits is 'What is wrong with a request or verify template: [{field, problem}].';

create function public.apply_action(payload json) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    me public.profiles := private.administrator();
    what text := format('The action %s', coalesce(left(private.clean(payload) ->> 'key', 80), '(no key)'));
    given jsonb := private.described(what, payload, '{
        "service": {"type": "string", "required": true}, "title": {"type": "string", "required": true, "maxLength": 200},
        "key": {"type": "string", "required": true, "pattern": "^[a-z][a-z0-9_]{0,62}$", "form": "small letters, digits and underscores"},
        "description": {"type": "string", "required": true}, "parameters": {"type": "object"}, "request": {"type": "object", "required": true},
        "verify": {"type": "object", "required": true}, "risk": {"enum": ["low", "medium", "high"], "required": true},
        "expected_effect": {"type": "string", "required": true}, "rollback": {"type": "string", "required": true}, "active": {"type": "boolean"}}');
    parameters jsonb := coalesce(given -> 'parameters', '{"type": "object", "properties": {}}');
    problems jsonb;
    service public.services;
    known public.actions;
    action public.actions;
begin
    problems := private.parameter_misfits(parameters);
    perform private.refuse_misfits(what, problems);
    problems := private.template_misfits(given -> 'request', '{
            "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"], "required": true}, "body": {}}', parameters, 'request.')
        || private.template_misfits(given -> 'verify', '{
            "method": {"enum": ["GET"], "required": true}, "expect": {"type": "object", "required": true},
            "within_seconds": {"type": "integer", "minimum": 1, "maximum": 60, "required": true}}', parameters, 'verify.')
        || private.misfits(given -> 'verify' -> 'expect', '{
            "status": {"type": "integer", "minimum": 100, "maximum": 599, "required": true}, "json": {"type": "object"}}', 'verify.expect.');
    if given -> 'request' -> 'headers' ->> 'Idempotency-Key' is distinct from '${idempotency_key}' then
        problems := problems || '[{"field": "request.headers", "problem": "must carry \"Idempotency-Key\": \"${idempotency_key}\""}]'::jsonb;
    end if;
    perform private.refuse_misfits(what, problems);
    select * into service from public.services s where s.organization_id = me.organization_id and s.name = given ->> 'service';
    if service.id is null then
        perform private.refuse_misfits(what, jsonb_build_array(jsonb_build_object(
            'field', 'service', 'problem', format('names %s, which is no service here', left(given ->> 'service', 80)))));
    end if;
    select * into known from public.actions a where a.service_id = service.id and a.key = given ->> 'key' for update;
    insert into public.actions as a (
        organization_id, service_id, key, title, description, parameters, request, verify, risk, expected_effect, rollback, active)
    values (
        me.organization_id, service.id, given ->> 'key', trim(given ->> 'title'), given ->> 'description', parameters,
        given -> 'request', given -> 'verify', given ->> 'risk', given ->> 'expected_effect', given ->> 'rollback', coalesce((given ->> 'active')::boolean, true))
    on conflict (service_id, key) do update set
        title = excluded.title, description = excluded.description, parameters = excluded.parameters, request = excluded.request,
        verify = excluded.verify, risk = excluded.risk, expected_effect = excluded.expected_effect, rollback = excluded.rollback, active = excluded.active
    returning * into action;
    if known.id is not null and known is distinct from action then
        update public.actions a set version = a.version + 1 where a.id = action.id returning * into action;
    end if;
    if known is distinct from action then
        perform private.audit(me.organization_id, me.user_id, me.display_name, case when known.id is null then 'action.added' else 'action.changed' end,
            'actions', action.id::text, jsonb_build_object(
                'version', action.version, 'before', case when known.id is not null then to_jsonb(known) end, 'after', to_jsonb(action)));
    end if;
    return jsonb_build_object('action_id', action.id, 'created', known.id is null,
        'changed', known.id is not null and known is distinct from action, 'version', action.version);
end $$;
comment on function public.apply_action is
    'Admins: makes a catalogue action of a service as described, by {service, key}; a change raises its version. {action_id, created, changed, version}.';

-- Rights ----------------------------------------------------------------------------------------------------------

revoke all on function
    public.create_organization(text, text, boolean), public.add_first_admin(uuid, uuid, text), public.add_person(uuid, text, text),
    public.change_person(uuid, text, boolean), public.change_organization(json), public.apply_service(json), public.apply_action(json)
    from public, anon, authenticated, service_role;
grant execute on function public.create_organization(text, text, boolean), public.add_first_admin(uuid, uuid, text) to service_role;
grant execute on function
    public.add_person(uuid, text, text), public.change_person(uuid, text, boolean), public.change_organization(json),
    public.apply_service(json), public.apply_action(json)
    to authenticated;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
