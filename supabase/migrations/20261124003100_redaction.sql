-- What people write when they decide, and how they name actions, reaches the model as evidence of what happened.

create function private.hide_personal(value text) returns text
language plpgsql immutable set search_path = '' as $$
declare
    octet constant text := '(?:25[0-5]|2[0-4]\d|1?\d?\d)';
    part constant text := '[0-9a-fA-F]{1,4}';
    hidden text := value;
begin
    -- The kinds of the flow's script (kestra/README.md) without their check digits: in doubt it takes out too much.
    hidden := regexp_replace(hidden, '(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])', '[redacted email]', 'g');
    hidden := regexp_replace(hidden, '(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])', '[redacted iban]', 'g');
    hidden := regexp_replace(hidden, '(?<![\d.-])(?:[2-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{1,7}|3[47]\d{2}([ -]?)\d{6}\2\d{5})(?!\d)', '[redacted credit_card]', 'g');
    hidden := regexp_replace(hidden, '(?<![\w+.])\+[1-9]\d{0,2}(?:[ .()/-]{0,2}\d){7,12}(?!\w)', '[redacted phone]', 'g');
    hidden := regexp_replace(hidden, '(?<![\w.-])(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}(?![\w-])', '[redacted phone]', 'g');
    hidden := regexp_replace(hidden, '\m(tel|phone|telephone|mobile|fax)((?: ?(?:no|number))?\.? ?[:=] ?)0\d(?:[ /-]?\d){6,12}(?!\w)', '\1\2[redacted phone]', 'gi');
    hidden := regexp_replace(hidden, '(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])', '[redacted ssn]', 'g');
    -- This very host and no host at all name nobody.
    hidden := regexp_replace(hidden, '(?<![\w.])(?!127\.|0\.0\.0\.0(?!\d))(?:' || octet || '\.){3}' || octet || '(?!\.?\d)', '[redacted ipv4]', 'g');
    return regexp_replace(hidden, '(?<![\w:.])(?!::1?(?![\w:]))(?:(?:' || part || ':){7}' || part
        || '|(?:' || part || '(?::' || part || '){0,6})?::(?:' || part || '(?::' || part || '){0,6})?)(?![\w:])', '[redacted ipv6]', 'g');
end $$;
comment on function private.hide_personal is 'Text without e-mail addresses, phone, card, account and social security numbers and addresses of machines, before a model reads it.';

create or replace function private.outcome_evidence(execution public.executions) returns jsonb
language sql stable set search_path = '' as $$
    -- The model reads this, so people appear by their part, not by name, and what they wrote without personal data.
    select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'at', to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'text', private.hide_personal(text), 'source', source) order by at), '[]')
    from (
        select 'event' as kind, i.created_at as at,
            format('The incident was reported%s.', case when i.source = 'webhook' then ' by webhook' else ' at the desk' end) as text, 'incident:' || i.id as source
        from public.incidents i where i.id = execution.incident_id
        union all
        select 'event', a.created_at, 'The flow proposed: ' || (a.proposal_text::jsonb ->> 'statement'), 'approval_requested:' || a.id
        from public.approvals a where a.execution_id = execution.id
        union all
        select 'decision', coalesce(a.decided_at, a.created_at),
            case a.status
                when 'approved' then 'An approver approved the proposal' || coalesce(': ' || private.redact(a.decision_reason), '.')
                when 'rejected' then 'An approver rejected the proposal: ' || private.redact(a.decision_reason)
                else format('The proposal was not decided (%s): %s', a.status, coalesce(a.cause, 'no cause was recorded.')) end,
            'approval:' || a.id
        from public.approvals a where a.execution_id = execution.id and a.status <> 'pending'
        union all
        select 'action', coalesce(r.finished_at, r.begun_at), private.action_sentence(r), 'action:' || r.id
        from public.action_runs r where r.execution_id = execution.id
        union all
        select 'event', s.created_at, 'The incident was escalated: ' || s.reason, 'escalation:' || s.id
        from public.escalations s where s.execution_id = execution.id
    ) happened
$$;

revoke all on all functions in schema private from public, anon, authenticated, service_role;
grant execute on function private.my_organization() to authenticated;
