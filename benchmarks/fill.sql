-- A history for `benchmarks/db.py`: %(size)s incidents, five minutes apart; the newest twenty are open, ten need people.
-- Triggers and foreign keys are off meanwhile: the rows are made consistent here.
set session_replication_role = replica;
insert into public.incidents (organization_id, external_id, source, service_id, service, severity, severity_text, status,
    needs_human, title, description, fingerprint, created_at, updated_at, resolved_at)
select %(organization)s, 'INC-' || n, 'desk', %(service)s, 'payment-api',
    (array['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'])[1 + n %% 4], 'x', case when n <= 20 then 'investigating' else 'resolved' end,
    n <= 10, 'Errors of kind ' || md5(n::text), repeat('text ', 50), encode(sha256(n::text::bytea), 'hex'),
    now() - n * interval '5 minutes', now() - n * interval '5 minutes', case when n > 20 then now() - n * interval '5 minutes' end
from generate_series(1, %(size)s) as n;
insert into public.executions (organization_id, incident_id, run_id, kestra_execution_id, owns, state, started_at, reported_at, ended_at)
select organization_id, id, gen_random_uuid(), 'ex-' || external_id, true, case when status = 'resolved' then 'SUCCESS' else 'RUNNING' end,
    created_at, created_at, case when status = 'resolved' then created_at end
from public.incidents;
insert into public.incident_events (organization_id, incident_id, kind, actor_name, at)
select organization_id, id, 'submitted', 'flow', created_at from public.incidents;
insert into public.ai_analyses (organization_id, incident_id, execution_id, kestra_execution_id, root_cause, evidence, documentation, created_at, completed_at)
select e.organization_id, e.incident_id, e.id, e.kestra_execution_id, 'The pool is exhausted.',
    (select jsonb_agg(jsonb_build_object('n', n, 'kind', 'log', 'at', null, 'text', repeat('x', 200), 'source', 'logs')) from generate_series(1, 20) n),
    '{"executive_summary": [], "timeline": [], "root_cause_analysis": [], "preventive_measures": [], "action_items": []}', e.started_at, e.ended_at
from public.executions e;
insert into public.approvals (organization_id, incident_id, execution_id, kestra_execution_id, proposal_text, content_hash,
    nothing_to_carry_out, status, cause, deadline_at, self_approval_allowed, created_at)
select e.organization_id, e.incident_id, e.id, e.kestra_execution_id, '{"statement": "x"}', encode(sha256('{"statement": "x"}'), 'hex'), true,
    case when e.ended_at is null then 'pending' else 'expired' end, 'x', e.started_at + interval '1 hour', false, e.started_at
from public.executions e;
insert into public.outbox (organization_id, incident_id, kind, status, created_at)
select organization_id, id, 'start_run', 'done', created_at from public.incidents;
insert into public.action_runs (organization_id, incident_id, execution_id, action_key, action, title, nonce, request, verify,
    status, verified, begun_at, finished_at)
select organization_id, incident_id, id, 'restart_service', 'restart_service', 'Restart', 'nonce-' || id, '{}', '{}', 'acted', true,
    started_at, started_at
from public.executions where ended_at is not null;
insert into public.postmortems (incident_id, organization_id, external_id, service, severity, title, status, excerpt, body, written_at)
select id, organization_id, external_id, service, severity, title,
    (array['draft', 'draft', 'in_review', 'published'])[1 + abs(hashtext(external_id)) % 4], 'The pool is exhausted.',
    'The pool is exhausted. Requests to the ledger waited for a connection and failed with a timeout; instance '
        || substr(md5(title), 1, 8) || ' was restarted and release ' || substr(md5(external_id), 1, 6) || ' rolled back. '
        || 'Connections are checked before use, and an alert on the pool was added.', resolved_at
from public.incidents where status = 'resolved';
set session_replication_role = origin;
