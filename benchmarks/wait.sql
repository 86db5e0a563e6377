-- For `benchmarks/db.py`: the newest thousand proposals wait for somebody to decide.
set session_replication_role = replica;
create temporary table waits as select id, incident_id, execution_id from public.approvals order by created_at desc limit 1000;
update public.executions set ended_at = null, state = 'PAUSED' where id in (select execution_id from waits);
update public.approvals set status = 'pending', cause = null, deadline_at = now() + interval '1 day' where id in (select id from waits);
update public.incidents set status = 'awaiting_approval', resolved_at = null where id in (select incident_id from waits);
set session_replication_role = origin;
vacuum analyze public.approvals, public.incidents, public.executions;
