-- What the model wrote about a run: checked here before anybody reads it.

create table public.ai_analyses (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    incident_id uuid not null references public.incidents (id),
    execution_id uuid not null unique references public.executions (id),
    kestra_execution_id text not null unique,
    analysis jsonb,
    root_cause text,
    impact text,
    error_clusters jsonb not null default '[]' check (jsonb_typeof(error_clusters) = 'array'),
    confidence_level text check (confidence_level in ('LOW', 'MEDIUM', 'HIGH')),
    proposed_actions jsonb not null default '[]' check (jsonb_typeof(proposed_actions) = 'array'),
    remediation jsonb,
    documentation jsonb,
    evidence jsonb not null default '[]' check (jsonb_typeof(evidence) = 'array'),
    redactions jsonb not null default '{}' check (jsonb_typeof(redactions) = 'object'),
    model text check (length(model) <= 200),
    tokens jsonb not null default '{}' check (jsonb_typeof(tokens) = 'object'),
    problem text check (length(problem) <= 4000),
    raw jsonb not null default '{}' check (jsonb_typeof(raw) = 'object'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    completed_at timestamptz
);
create index ai_analyses_by_incident on public.ai_analyses (incident_id, created_at desc);
create index ai_analyses_newest on public.ai_analyses (organization_id, created_at desc);
comment on table public.ai_analyses is 'Per execution: what was collected, analysed, proposed and documented. The postmortem is read from here.';
comment on column public.ai_analyses.id is 'Identity.';
comment on column public.ai_analyses.organization_id is 'Tenant.';
comment on column public.ai_analyses.incident_id is 'The incident.';
comment on column public.ai_analyses.execution_id is 'The execution that wrote it.';
comment on column public.ai_analyses.kestra_execution_id is 'That execution''s id at Kestra.';
comment on column public.ai_analyses.analysis is 'The checked answer of ai_agent_analyze.';
comment on column public.ai_analyses.root_cause is 'Text of the root cause.';
comment on column public.ai_analyses.impact is 'Text of the impact.';
comment on column public.ai_analyses.error_clusters is '[{label, count, evidence}].';
comment on column public.ai_analyses.confidence_level is 'LOW, MEDIUM or HIGH, as the model says of itself.';
comment on column public.ai_analyses.proposed_actions is 'Catalogue actions with exact parameters and rendered requests.';
comment on column public.ai_analyses.remediation is '{steps, rollback, verification}, checked.';
comment on column public.ai_analyses.documentation is '{executive_summary, timeline, root_cause_analysis, preventive_measures, action_items}, checked.';
comment on column public.ai_analyses.evidence is 'Numbered facts [{n, kind, at, text, source}] that sentences cite.';
comment on column public.ai_analyses.redactions is 'How many secrets and personal data were taken out, by kind, before the model saw anything.';
comment on column public.ai_analyses.model is 'Model that answered.';
comment on column public.ai_analyses.tokens is 'Tokens by step: {step: {prompt, output, total}}.';
comment on column public.ai_analyses.problem is 'What was wrong with the answers, a sentence a step; null: nothing.';
comment on column public.ai_analyses.raw is 'Answers that failed the check: {step: {problem, response}}, cut.';
comment on column public.ai_analyses.created_at is 'When the run began to collect.';
comment on column public.ai_analyses.updated_at is 'Last addition.';
comment on column public.ai_analyses.completed_at is 'When the flow saved it as complete; null: unfinished.';

-- Ownership ------------------------------------------------------------------------------------------------------

create function private.owned_execution(kestra_execution_id text, step text) returns public.executions
language plpgsql set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
begin
    select * into execution from public.executions e where e.kestra_execution_id = owned_execution.kestra_execution_id;
    if execution.id is null then
        perform private.fail(409, 'not_owner', 'This execution never claimed an incident; open_run comes first.');
    end if;
    -- Everywhere in this order: incident, execution, approval, action.
    select * into incident from public.incidents i where i.id = execution.incident_id for update;
    select * into execution from public.executions e where e.id = execution.id for update;
    if not execution.owns then
        perform private.fail(409, 'not_owner', 'This execution does not own the incident: ' || coalesce(execution.problem, 'it was refused.'));
    end if;
    if execution.ended_at is not null then
        -- Restarted in Kestra: the same id goes on, if nobody took over and the incident still needs it.
        if incident.status in ('resolved', 'closed') or private.has_live_run(incident.id) or execution.state = 'KILLED' then
            perform private.fail(409, 'not_owner', format('This execution ended as %s and may not go on.', execution.state));
        end if;
        update public.executions set ended_at = null, problem = null where id = execution.id;
        perform private.add_event(incident, 'run_restarted', null, 'flow', jsonb_build_object('kestra_execution_id', execution.kestra_execution_id));
    end if;
    update public.executions e set state = 'RUNNING', step = owned_execution.step, reported_at = now()
    where e.id = execution.id returning * into execution;
    return execution;
end $$;
comment on function private.owned_execution is 'The execution, locked together with its incident, or 409 unless it owns the incident. Notes the step.';

-- Checks of what a model wrote -----------------------------------------------------------------------------------

create function private.cited(numbers jsonb, evidence jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(n order by n), '[]')
    from (
        select distinct (element #>> '{}')::numeric as n
        from jsonb_array_elements(case when jsonb_typeof(numbers) = 'array' then numbers else '[]' end) as element
        where jsonb_typeof(element) = 'number'
    ) given
    where exists (select from jsonb_array_elements(evidence) as item where item -> 'n' = to_jsonb(n))
$$;
comment on function private.cited is 'The evidence numbers that exist; invented ones are dropped.';

create function private.sentence(value jsonb, evidence jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select case when jsonb_typeof(value) = 'object' and jsonb_typeof(value -> 'text') = 'string' and trim(value ->> 'text') <> ''
        then jsonb_build_object('text', left(value ->> 'text', 2000), 'evidence', private.cited(value -> 'evidence', evidence)) end
$$;
comment on function private.sentence is '{text, evidence}, or null when it is none.';

create function private.sentences(list jsonb, evidence jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(sentence order by position), '[]')
    from (
        select private.sentence(value, evidence) as sentence, position
        from jsonb_array_elements(case when jsonb_typeof(list) = 'array' then list else '[]' end) with ordinality as element (value, position)
        where position <= 100
    ) checked
    where sentence is not null
$$;
comment on function private.sentences is 'The usable sentences of a list, a hundred at most.';

create function private.check_analysis(value jsonb, evidence jsonb, out checked jsonb, out problem text)
language plpgsql immutable set search_path = '' as $$
begin
    problem := case
        when private.sentence(value -> 'root_cause', evidence) is null then 'root_cause is missing'
        when private.sentence(value -> 'impact', evidence) is null then 'impact is missing'
        when coalesce(upper(value ->> 'confidence_level'), '') not in ('LOW', 'MEDIUM', 'HIGH') then 'confidence_level is none of LOW, MEDIUM, HIGH'
        when jsonb_typeof(value -> 'error_clusters') is distinct from 'array' then 'error_clusters is no list'
        when coalesce(jsonb_typeof(value -> 'proposed_actions'), 'array') <> 'array' then 'proposed_actions is no list' end;
    if problem is not null then return; end if;
    checked := jsonb_build_object(
        'root_cause', private.sentence(value -> 'root_cause', evidence),
        'impact', private.sentence(value -> 'impact', evidence),
        'confidence_level', upper(value ->> 'confidence_level'),
        'confidence_reason', left(coalesce(value ->> 'confidence_reason', ''), 1000),
        'error_clusters', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'label', left(cluster ->> 'label', 300),
                'count', case when jsonb_typeof(cluster -> 'count') = 'number' then greatest(0, round((cluster ->> 'count')::numeric)) else 0 end,
                'evidence', private.cited(cluster -> 'evidence', evidence)) order by position), '[]')
            from jsonb_array_elements(value -> 'error_clusters') with ordinality as element (cluster, position)
            where position <= 30 and jsonb_typeof(cluster -> 'label') = 'string'),
        'proposed_actions', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'action_key', left(action ->> 'action_key', 80),
                'parameters', case when jsonb_typeof(action -> 'parameters') in ('array', 'object') then action -> 'parameters' else '[]' end,
                'reason', coalesce(private.sentence(action -> 'reason', evidence), '{"text": "", "evidence": []}')) order by position), '[]')
            from jsonb_array_elements(case when jsonb_typeof(value -> 'proposed_actions') = 'array' then value -> 'proposed_actions' else '[]' end)
                with ordinality as element (action, position)
            where position <= 10 and jsonb_typeof(action -> 'action_key') = 'string'));
end $$;
comment on function private.check_analysis is 'The answer of ai_agent_analyze in our shape, or the first thing that is wrong with it.';

create function private.check_remediation(value jsonb, evidence jsonb, out checked jsonb, out problem text)
language plpgsql immutable set search_path = '' as $$
declare
    steps jsonb;
begin
    select coalesce(jsonb_agg(private.sentence(step, evidence)
        || case when jsonb_typeof(step -> 'command') = 'string' then jsonb_build_object('command', left(step ->> 'command', 2000)) else '{}' end
        order by position), '[]') into steps
    from jsonb_array_elements(case when jsonb_typeof(value -> 'steps') = 'array' then value -> 'steps' else '[]' end)
        with ordinality as element (step, position)
    where position <= 50 and private.sentence(step, evidence) is not null;
    if steps = '[]' then problem := 'steps is missing'; return; end if;
    checked := jsonb_build_object(
        'steps', steps,
        'rollback', private.sentences(value -> 'rollback', evidence),
        'verification', private.sentences(value -> 'verification', evidence));
end $$;
comment on function private.check_remediation is 'The answer of ai_agent_remediation in our shape, or what is wrong with it.';

create function private.check_documentation(value jsonb, evidence jsonb, out checked jsonb, out problem text)
language plpgsql immutable set search_path = '' as $$
begin
    problem := case
        when private.sentences(value -> 'executive_summary', evidence) = '[]' then 'executive_summary is missing'
        when private.sentences(value -> 'root_cause_analysis', evidence) = '[]' then 'root_cause_analysis is missing' end;
    if problem is not null then return; end if;
    checked := jsonb_build_object(
        'executive_summary', private.sentences(value -> 'executive_summary', evidence),
        'root_cause_analysis', private.sentences(value -> 'root_cause_analysis', evidence),
        'preventive_measures', private.sentences(value -> 'preventive_measures', evidence),
        'timeline', (
            select coalesce(jsonb_agg(private.sentence(entry, evidence) || jsonb_build_object('at', left(entry ->> 'at', 40)) order by position), '[]')
            from jsonb_array_elements(case when jsonb_typeof(value -> 'timeline') = 'array' then value -> 'timeline' else '[]' end)
                with ordinality as element (entry, position)
            where position <= 100 and private.sentence(entry, evidence) is not null),
        'action_items', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'title', left(item ->> 'title', 300),
                'owner', left(coalesce(item ->> 'owner', ''), 200),
                'priority', case when upper(item ->> 'priority') in ('LOW', 'MEDIUM', 'HIGH') then upper(item ->> 'priority') else 'MEDIUM' end,
                'evidence', private.cited(item -> 'evidence', evidence)) order by position), '[]')
            from jsonb_array_elements(case when jsonb_typeof(value -> 'action_items') = 'array' then value -> 'action_items' else '[]' end)
                with ordinality as element (item, position)
            where position <= 50 and jsonb_typeof(item -> 'title') = 'string'));
end $$;
comment on function private.check_documentation is 'The answer of ai_agent_documentation in our shape, or what is wrong with it.';

create function private.check_evidence(list jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'n', position, 'kind', item ->> 'kind', 'at', left(item ->> 'at', 40), 'text', left(item ->> 'text', 1000),
        'source', left(coalesce(item ->> 'source', ''), 200)) order by position), '[]')
    from (
        select value as item, row_number() over (order by element.position) as position
        from jsonb_array_elements(case when jsonb_typeof(list) = 'array' then list else '[]' end) with ordinality as element (value, position)
        where value ->> 'kind' in ('log', 'cluster', 'metric', 'alert', 'history', 'event', 'decision', 'action')
            and jsonb_typeof(value -> 'text') = 'string' and element.position <= 200
    ) usable
$$;
comment on function private.check_evidence is 'Evidence items in our shape, numbered from 1.';

create function private.model_answer(response text, out value jsonb, out problem text, out model text, out tokens jsonb)
language plpgsql immutable set search_path = '' as $$
declare
    answer jsonb;
    candidate jsonb;
    written text;
begin
    if coalesce(trim(response), '') = '' then
        problem := 'the model gave no answer (the request failed, timed out or came back empty)';
        return;
    end if;
    begin
        answer := private.clean(response::json);
    exception when invalid_text_representation or data_exception then
        problem := 'the model''s answer was not JSON';
        return;
    end;
    model := left(answer ->> 'modelVersion', 200);
    tokens := jsonb_strip_nulls(jsonb_build_object(
        'prompt', answer -> 'usageMetadata' -> 'promptTokenCount',
        'output', answer -> 'usageMetadata' -> 'candidatesTokenCount',
        'total', answer -> 'usageMetadata' -> 'totalTokenCount'));
    candidate := answer -> 'candidates' -> 0;
    if candidate is null or jsonb_typeof(candidate) <> 'object' then
        problem := 'the model gave no candidate' || coalesce(' (' || left(answer -> 'promptFeedback' ->> 'blockReason', 60) || ')', '');
        return;
    end if;
    if coalesce(candidate ->> 'finishReason', 'STOP') <> 'STOP' then
        problem := 'the model stopped with ' || left(candidate ->> 'finishReason', 60);
        return;
    end if;
    select string_agg(part ->> 'text', '' order by position) into written
    from jsonb_array_elements(case when jsonb_typeof(candidate -> 'content' -> 'parts') = 'array' then candidate -> 'content' -> 'parts' else '[]' end)
        with ordinality as element (part, position);
    if coalesce(trim(written), '') = '' then
        problem := 'the model''s answer was empty';
        return;
    end if;
    begin
        value := private.clean(written::json);
    exception when invalid_text_representation or data_exception then
        problem := 'the model''s text was not JSON';
        return;
    end;
    if jsonb_typeof(value) <> 'object' then
        problem := 'the model''s text was no JSON object';
        value := null;
    end if;
end $$;
comment on function private.model_answer is 'The JSON object in a raw generateContent answer, or what is wrong with the answer.';

-- Recording ------------------------------------------------------------------------------------------------------

create function private.catalogue_secrets(service_id uuid) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(jsonb_agg(distinct name), '[]')
    from public.actions a, jsonb_array_elements(private.secret_names(a.request || jsonb_build_object('verify', a.verify))) as name
    where a.service_id = $1 and a.active
$$;
comment on function private.catalogue_secrets is 'KV keys (ACTION_…) that the active actions of a service refer to.';

create function private.analysis_of(execution public.executions) returns public.ai_analyses
language plpgsql set search_path = '' as $$
declare
    found public.ai_analyses;
begin
    insert into public.ai_analyses (organization_id, incident_id, execution_id, kestra_execution_id)
    values (execution.organization_id, execution.incident_id, execution.id, execution.kestra_execution_id)
    on conflict (execution_id) do nothing;
    select * into found from public.ai_analyses a where a.execution_id = execution.id for update;
    return found;
end $$;
comment on function private.analysis_of is 'The execution''s row of ai_analyses, made at the first call, locked.';

create function private.add_evidence(evidence jsonb, more jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select evidence || coalesce(jsonb_agg(item || jsonb_build_object('n', jsonb_array_length(evidence) + number) order by number), '[]')
    from (
        select item, row_number() over (order by position) as number
        from jsonb_array_elements(more) with ordinality as element (item, position)
        where not exists (select from jsonb_array_elements(evidence) as known (old) where known.old ->> 'source' = item ->> 'source')
    ) fresh
$$;
comment on function private.add_evidence is 'Appends items whose source is new, numbered on.';

create function public.record_analysis(kestra_execution_id text, step text, response text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions;
    incident public.incidents;
    kept public.ai_analyses;
    answer record;
    checked jsonb;
    collected jsonb;
    wrong text;
begin
    if step not in ('aggregate', 'analyze', 'remediation', 'documentation') then
        perform private.fail(422, 'invalid', format('There is no step %s.', left(step, 60)));
    end if;
    execution := private.owned_execution(kestra_execution_id,
        case step when 'aggregate' then 'aggregate_data_sources' else 'ai_agent_' || step end);
    select * into incident from public.incidents i where i.id = execution.incident_id;
    kept := private.analysis_of(execution);

    if step = 'aggregate' then
        begin
            collected := private.clean(response::json);
        exception when invalid_text_representation or data_exception then
            wrong := 'what the flow collected was not JSON';
        end;
        checked := jsonb_build_object('evidence', private.check_evidence(collected -> 'evidence'));
        kept.evidence := checked -> 'evidence';
        kept.redactions := case when jsonb_typeof(collected -> 'redactions') = 'object' then collected -> 'redactions' else '{}' end;
    else
        if step = 'remediation' then
            kept.evidence := private.add_evidence(kept.evidence, private.outcome_evidence(execution));
        end if;
        select * into answer from private.model_answer(response);
        wrong := answer.problem;
        kept.model := coalesce(answer.model, kept.model);
        kept.tokens := kept.tokens || case when answer.tokens is null or answer.tokens = '{}' then '{}' else jsonb_build_object(step, answer.tokens) end;
        if wrong is null then
            case step
                when 'analyze' then
                    select c.checked, c.problem into checked, wrong from private.check_analysis(answer.value, kept.evidence) c;
                when 'remediation' then
                    select c.checked, c.problem into checked, wrong from private.check_remediation(answer.value, kept.evidence) c;
                else
                    select c.checked, c.problem into checked, wrong from private.check_documentation(answer.value, kept.evidence) c;
            end case;
            wrong := 'the answer violates the schema: ' || wrong;
        end if;
    end if;

    kept.raw := kept.raw - step || case when wrong is null then '{}'
        else jsonb_build_object(step, jsonb_build_object('problem', wrong, 'response', private.redact(left(response, 20000)))) end;
    select left(string_agg(format('%s: %s', failed.key, failed.value ->> 'problem'), '; '), 4000) into kept.problem
    from jsonb_each(kept.raw) as failed;
    if step = 'analyze' and checked is not null then
        kept.analysis := checked;
        kept.root_cause := checked -> 'root_cause' ->> 'text';
        kept.impact := checked -> 'impact' ->> 'text';
        kept.error_clusters := checked -> 'error_clusters';
        kept.confidence_level := checked ->> 'confidence_level';
        kept.proposed_actions := private.render_actions(incident.service_id, checked -> 'proposed_actions') -> 'actions';
    elsif step = 'remediation' and checked is not null then
        kept.remediation := checked;
    elsif step = 'documentation' and checked is not null then
        kept.documentation := checked;
    end if;
    update public.ai_analyses a set
        analysis = kept.analysis, root_cause = kept.root_cause, impact = kept.impact, error_clusters = kept.error_clusters,
        confidence_level = kept.confidence_level, proposed_actions = kept.proposed_actions, remediation = kept.remediation,
        documentation = kept.documentation, evidence = kept.evidence, redactions = kept.redactions, model = kept.model,
        tokens = kept.tokens, problem = kept.problem, raw = kept.raw, updated_at = now()
    where a.id = kept.id;
    return jsonb_build_object(
        'ok', wrong is null, 'problem', wrong, 'step', step, 'analysis', coalesce(checked, '{}'), 'evidence', kept.evidence,
        'secrets', private.catalogue_secrets(incident.service_id));
end $$;
comment on function public.record_analysis is
    'Flow: checks a raw answer (step analyze, remediation, documentation) or takes what was collected (aggregate), merges it, keeps what failed. {ok, problem, step, analysis, evidence, secrets}.';

create function public.save_analysis(kestra_execution_id text, model text default null, tokens json default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
    execution public.executions := private.owned_execution(kestra_execution_id, 'save_to_supabase');
    kept public.ai_analyses := private.analysis_of(execution);
begin
    update public.ai_analyses a set
        model = coalesce(left(save_analysis.model, 200), a.model),
        tokens = a.tokens || coalesce(case when json_typeof(save_analysis.tokens) = 'object' then save_analysis.tokens::jsonb end, '{}'),
        completed_at = coalesce(a.completed_at, now()), updated_at = now()
    where a.id = kept.id returning * into kept;
    return jsonb_build_object('ok', kept.problem is null, 'problem', kept.problem);
end $$;
comment on function public.save_analysis is 'Flow: completes the row of ai_analyses. {ok, problem}: with a problem the flow ends as failed, in these words.';

-- Rights ---------------------------------------------------------------------------------------------------------

alter table public.ai_analyses enable row level security;
create policy "people see the analyses of their organization" on public.ai_analyses
    for select to authenticated using (organization_id = (select private.my_organization()));
revoke all on public.ai_analyses from public, anon, authenticated, service_role;
grant select on public.ai_analyses to authenticated, service_role;
revoke all on function public.record_analysis(text, text, text), public.save_analysis(text, text, json)
    from public, anon, authenticated, service_role;
grant execute on function public.record_analysis(text, text, text), public.save_analysis(text, text, json) to service_role;
revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
