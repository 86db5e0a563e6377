-- Services with their rules, and the catalogue of what may be done to each.

create table public.services (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    name text not null check (length(name) between 1 and 200),
    owner text not null check (length(owner) between 1 and 200),
    tier int not null default 2 check (tier between 1 and 4),
    description text not null default '',
    runbook_url text check (runbook_url ~ '^https?://'),
    auto_remediate boolean not null default false,
    approval_role text not null default 'approver' check (approval_role in ('responder', 'approver', 'admin')),
    approver_ids uuid[] not null default '{}',
    approvals_required int not null default 1 check (approvals_required between 1 and 5),
    minutes_to_decide int not null default 60 check (minutes_to_decide between 1 and 7200),
    created_at timestamptz not null default now(),
    unique (organization_id, name)
);
comment on table public.services is 'What incidents happen to: owner, rules for acting and for approvals.';
comment on column public.services.id is 'Identity.';
comment on column public.services.organization_id is 'Tenant.';
comment on column public.services.name is 'The name incidents use, such as payment-api.';
comment on column public.services.owner is 'Team that owns the service.';
comment on column public.services.tier is '1 (customers notice at once) to 4.';
comment on column public.services.description is 'What it does, in a sentence.';
comment on column public.services.runbook_url is 'Where its runbook is.';
comment on column public.services.auto_remediate is 'Whether LOW incidents may act without a person.';
comment on column public.services.approval_role is 'Least role that may decide, unless people are named.';
comment on column public.services.approver_ids is 'Named people who alone may decide; empty: everybody of approval_role.';
comment on column public.services.approvals_required is 'How many different people must approve.';
comment on column public.services.minutes_to_decide is 'From request to deadline; five days at most.';
comment on column public.services.created_at is 'When it was added.';

create table public.actions (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    service_id uuid not null references public.services (id),
    key text not null check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
    title text not null check (length(title) between 1 and 200),
    description text not null,
    parameters jsonb not null default '{"type": "object", "properties": {}}'
        check (jsonb_typeof(parameters) = 'object' and parameters ->> 'type' = 'object'),
    request jsonb not null,
    verify jsonb not null,
    risk text not null check (risk in ('low', 'medium', 'high')),
    expected_effect text not null,
    rollback text not null,
    version int not null default 1,
    active boolean not null default true,
    created_at timestamptz not null default now(),
    unique (service_id, key),
    constraint request_is_a_template check (
        request ->> 'method' in ('POST', 'PUT', 'PATCH', 'DELETE')
        and request ->> 'url' ~ '^https?://'
        and request -> 'headers' ->> 'Idempotency-Key' = '${idempotency_key}'
    ),
    constraint verify_is_a_template check (
        verify ->> 'method' = 'GET'
        and verify ->> 'url' ~ '^https?://'
        and jsonb_typeof(verify -> 'expect') = 'object'
        and (verify ->> 'within_seconds')::int between 1 and 60
    )
);
create index actions_by_organization on public.actions (organization_id);
comment on table public.actions is 'The catalogue: everything that may ever be done to a service, and nothing else.';
comment on column public.actions.id is 'Identity.';
comment on column public.actions.organization_id is 'Tenant.';
comment on column public.actions.service_id is 'The service it acts on.';
comment on column public.actions.key is 'Name that model and flow use, such as restart_service.';
comment on column public.actions.title is 'What it does, as people read it.';
comment on column public.actions.description is 'When it helps and what it touches; the model reads this.';
comment on column public.actions.parameters is 'JSON Schema of its parameters: an object of flat properties.';
comment on column public.actions.request is 'Template {method, url, headers, body}. The value "${name}" becomes the typed parameter, ${name} in the URL is percent-encoded, headers may name KV keys as ${ACTION_…}.';
comment on column public.actions.verify is 'Template {method, url, headers, expect: {status, json}, within_seconds}: how its effect is seen.';
comment on column public.actions.risk is 'low, medium or high.';
comment on column public.actions.expected_effect is 'What should be better afterwards.';
comment on column public.actions.rollback is 'How to undo it, or why that is not needed.';
comment on column public.actions.version is 'Raised with every change of the templates.';
comment on column public.actions.active is 'False: no longer offered or begun.';
comment on column public.actions.created_at is 'When it was added.';

-- Rendering ------------------------------------------------------------------------------------------------------

create function private.url_encode(value text) returns text
language sql immutable strict set search_path = '' as $$
    select coalesce(string_agg(
        case when chr(byte) ~ '[A-Za-z0-9_.~-]' and byte < 128 then chr(byte) else '%' || upper(lpad(to_hex(byte), 2, '0')) end,
        '' order by i), '')
    from (
        select i, get_byte(bytes, i) as byte
        from (select convert_to(value, 'UTF8') as bytes) source, generate_series(0, length(bytes) - 1) as i
    ) each_byte
$$;
comment on function private.url_encode is 'Percent-encodes everything but the unreserved characters of RFC 3986.';

create function private.fill(template jsonb, parameters jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select case jsonb_typeof(template)
        when 'object' then (
            select coalesce(jsonb_object_agg(key, private.fill(value, parameters)), '{}') from jsonb_each(template))
        when 'array' then (
            select coalesce(jsonb_agg(private.fill(value, parameters) order by position), '[]')
            from jsonb_array_elements(template) with ordinality as element (value, position))
        when 'string' then case
            when template #>> '{}' ~ '^\$\{[a-z][a-z0-9_]*\}$' and parameters ? substr(template #>> '{}', 3, length(template #>> '{}') - 3)
            then parameters -> substr(template #>> '{}', 3, length(template #>> '{}') - 3)
            else template end
        else template end
$$;
comment on function private.fill is 'A JSON template in which every value that is exactly "${name}" became the typed parameter. Text is never pasted into JSON.';

create function private.fill_url(template text, parameters jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
    name text;
    value text;
begin
    for name, value in select * from jsonb_each_text(parameters) loop
        template := replace(template, '${' || name || '}', private.url_encode(coalesce(value, '')));
    end loop;
    return template;
end $$;
comment on function private.fill_url is 'A URL template with percent-encoded parameters.';

create function private.secret_names(template jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(distinct found[1]), '[]')
    from regexp_matches(coalesce(template, '{}')::text, '\$\{(ACTION_[A-Z0-9_]+)\}', 'g') as found
$$;
comment on function private.secret_names is 'Names of the KV keys (always ACTION_…) a template refers to, as a JSON array.';

create function private.typed_parameter(schema jsonb, name text, value text, out typed jsonb, out problem text)
language plpgsql immutable set search_path = '' as $$
begin
    case schema ->> 'type'
        when 'integer' then
            if value !~ '^-?[0-9]{1,15}$' then problem := format('%s must be a whole number', name); return; end if;
            typed := to_jsonb(value::bigint);
        when 'number' then
            if value !~ '^-?[0-9]{1,15}(\.[0-9]{1,15})?$' then problem := format('%s must be a number', name); return; end if;
            typed := to_jsonb(value::numeric);
        when 'boolean' then
            if lower(value) not in ('true', 'false') then problem := format('%s must be true or false', name); return; end if;
            typed := to_jsonb(lower(value)::boolean);
        else
            if length(value) > coalesce((schema ->> 'maxLength')::int, 200) then problem := format('%s is too long', name); return; end if;
            if schema ? 'pattern' and value !~ (schema ->> 'pattern') then problem := format('%s has a form that is not allowed', name); return; end if;
            typed := to_jsonb(value);
    end case;
    if schema ? 'enum' and not (schema -> 'enum') @> jsonb_build_array(typed) then
        problem := format('%s must be one of %s', name, schema ->> 'enum');
    elsif schema ? 'minimum' and jsonb_typeof(typed) = 'number' and (typed #>> '{}')::numeric < (schema ->> 'minimum')::numeric then
        problem := format('%s must be at least %s', name, schema ->> 'minimum');
    elsif schema ? 'maximum' and jsonb_typeof(typed) = 'number' and (typed #>> '{}')::numeric > (schema ->> 'maximum')::numeric then
        problem := format('%s must be at most %s', name, schema ->> 'maximum');
    end if;
end $$;
comment on function private.typed_parameter is 'One parameter, given as text by the model, typed and checked by its JSON Schema (type, enum, minimum, maximum, maxLength, pattern).';

create function private.render_action(catalogue public.actions, proposed jsonb, out action jsonb, out problem text)
language plpgsql stable set search_path = '' as $$
declare
    properties jsonb := coalesce(catalogue.parameters -> 'properties', '{}');
    given jsonb := '{}';
    parameters jsonb := '{}';
    name text;
    value text;
    checked record;
    request jsonb;
    verify jsonb;
begin
    if jsonb_typeof(proposed -> 'parameters') = 'array' then
        select coalesce(jsonb_object_agg(pair ->> 'name', pair ->> 'value'), '{}') into given
        from jsonb_array_elements(proposed -> 'parameters') as pair
        where jsonb_typeof(pair) = 'object' and pair ->> 'name' is not null and pair ->> 'value' is not null;
    elsif jsonb_typeof(proposed -> 'parameters') = 'object' then
        given := proposed -> 'parameters';
    end if;
    for name, value in select * from jsonb_each_text(given) loop
        if not properties ? name then
            problem := format('%s: there is no parameter %s', catalogue.key, left(name, 60));
            return;
        end if;
        checked := private.typed_parameter(properties -> name, name, value);
        if checked.problem is not null then
            problem := format('%s: %s', catalogue.key, checked.problem);
            return;
        end if;
        parameters := parameters || jsonb_build_object(name, checked.typed);
    end loop;
    for name in select jsonb_array_elements_text(coalesce(catalogue.parameters -> 'required', '[]')) loop
        if not parameters ? name then
            if properties -> name ? 'default' then
                parameters := parameters || jsonb_build_object(name, properties -> name -> 'default');
            else
                problem := format('%s: the parameter %s is missing', catalogue.key, name);
                return;
            end if;
        end if;
    end loop;
    request := jsonb_build_object(
        'method', catalogue.request ->> 'method',
        'url', private.fill_url(catalogue.request ->> 'url', parameters),
        'headers', catalogue.request -> 'headers',
        'body', case when catalogue.request ? 'body' then private.fill(catalogue.request -> 'body', parameters)::text end);
    verify := jsonb_build_object(
        'method', 'GET',
        'url', private.fill_url(catalogue.verify ->> 'url', parameters),
        'headers', coalesce(catalogue.verify -> 'headers', '{}'),
        'expect', private.fill(catalogue.verify -> 'expect', parameters),
        'within_seconds', (catalogue.verify ->> 'within_seconds')::int);
    action := jsonb_build_object(
        'action', catalogue.key, 'title', catalogue.title, 'catalogue_version', catalogue.version, 'parameters', parameters,
        'request', request, 'verify', verify, 'expected_effect', catalogue.expected_effect, 'risk', catalogue.risk,
        'rollback', catalogue.rollback, 'reason', coalesce(proposed -> 'reason', '{"text": "", "evidence": []}'),
        'secrets', private.secret_names(catalogue.request || jsonb_build_object('verify', catalogue.verify)));
end $$;
comment on function private.render_action is 'A proposed catalogue action with typed parameters and the fully rendered request, or why it cannot be used.';

create function private.render_actions(service_id uuid, proposed jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
    actions jsonb := '[]';
    problems jsonb := '[]';
    item jsonb;
    catalogue public.actions;
    rendered record;
    wanted text;
    seen jsonb := '{}';
begin
    if proposed is null or jsonb_typeof(proposed) <> 'array' then
        return jsonb_build_object('actions', actions, 'problems', problems);
    end if;
    for item in select value from jsonb_array_elements(proposed) with ordinality as element (value, position) order by position loop
        wanted := coalesce(item ->> 'action_key', item ->> 'action');
        select * into catalogue from public.actions a where a.service_id = render_actions.service_id and a.key = wanted and a.active;
        if jsonb_array_length(actions) >= 5 then
            problems := problems || to_jsonb('More than five actions were proposed; the rest was left out.'::text);
            exit;
        elsif catalogue.id is null then
            problems := problems || to_jsonb(format('%s is not in the catalogue of this service and was left out.', left(coalesce(wanted, '(no name)'), 80)));
            continue;
        end if;
        rendered := private.render_action(catalogue, item);
        if rendered.problem is not null then
            problems := problems || to_jsonb(rendered.problem || '; it was left out.');
            continue;
        end if;
        seen := seen || jsonb_build_object(catalogue.key, coalesce((seen ->> catalogue.key)::int, 0) + 1);
        actions := actions || (rendered.action || jsonb_build_object(
            'key', catalogue.key || case when (seen ->> catalogue.key)::int > 1 then '-' || (seen ->> catalogue.key) else '' end));
    end loop;
    return jsonb_build_object('actions', actions, 'problems', problems);
end $$;
comment on function private.render_actions is '{actions: rendered, each with a key that is unique here, problems: sentences about what was left out}.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.services enable row level security;
alter table public.actions enable row level security;
create policy "people see the services of their organization" on public.services
    for select to authenticated using (organization_id = (select private.my_organization()));
create policy "people see the catalogue of their organization" on public.actions
    for select to authenticated using (organization_id = (select private.my_organization()));

revoke all on public.services, public.actions from public, anon, authenticated, service_role;
grant select on public.services, public.actions to authenticated, service_role;
grant insert, update on public.services, public.actions to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
