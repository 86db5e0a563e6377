"""Who may touch what: only what was granted, only in one organization, and records only grow."""

import psycopg
import pytest

from tests.sql.desk import Desk

TABLES = [
    "organizations",
    "profiles",
    "services",
    "actions",
    "incidents",
    "incident_events",
    "executions",
    "action_runs",
    "approvals",
    "approval_votes",
    "ai_analyses",
    "escalations",
    "outbox",
    "audit_log",
    "notice_rules",
    "audit_chain",
    "desk_sessions",
    "system_config",
    "postmortems",
    "postmortem_versions",
    "postmortem_drafts",
    "action_items",
    "alarms",
    "kestra_instances",
    "holds",
    "forgotten_runs",
    "drafts",
    "dismissals",
]
ANON = {"desk_session", "take_refresh", "store_refresh", "close_desk_session", "public_settings"}
PEOPLE = ANON | {
    "note_seen",
    "apply_notices",
    "edit_proposal",
    "withdraw_decision",
    "audit_entries",
    "audit_head",
    "declare_kestra_gone",
    "current_hold",
    "hold_workers",
    "release_hold",
    "submit_incident",
    "preview_submission",
    "save_draft",
    "discard_draft",
    "first_story",
    "dismiss_hint",
    "search_incidents",
    "list_incidents",
    "list_approvals",
    "precedents",
    "overview",
    "overview_trend",
    "system_report",
    "search_approvals",
    "insights",
    "incident_case",
    "incident_findings",
    "update_incident",
    "request_command",
    "withdraw_outbox",
    "decide_approval",
    "approval_rule",
    "waiting_approvals",
    "count_waiting",
    "open_desk_session",
    "close_all_desk_sessions",
    "news",
    "edit_postmortem",
    "save_postmortem_draft",
    "set_postmortem_status",
    "take_analysis",
    "postmortem_state",
    "search_postmortems",
    "add_action_item",
    "change_action_item",
    "add_person",
    "change_person",
    "change_organization",
    "apply_service",
    "apply_action",
}
FLOW_AND_WORKER = {
    "audit_entries",
    "audit_head",
    "open_run",
    "record_analysis",
    "request_approval",
    "begin_action",
    "finish_action",
    "escalate",
    "save_analysis",
    "finish_run",
    "take_outbox",
    "settle_outbox",
    "expire_approvals",
    "remind_approvals",
    "note_execution",
    "beat",
    "first_config",
    "doctor_report",
    "metrics_report",
    "empty_incidents",
    "note_resumed",
    "note_missing",
    "note_kestra",
    "note_kestra_trouble",
    "take_checks",
    "unknown_executions",
    "adopt_execution",
    "forgotten_executions",
    "without_actions",
    "current_hold",
    "begin_hold",
    "import_incident",
    "create_organization",
    "add_first_admin",
}


def test_the_list_of_tables_is_whole(desk: Desk) -> None:
    rows = desk.rows("select tablename from pg_tables where schemaname = 'public'")
    assert sorted(row["tablename"] for row in rows) == sorted(TABLES)


def test_every_table_has_row_level_security(desk: Desk) -> None:
    rows = desk.rows(
        "select relname from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity"
    )
    assert rows == []


@pytest.mark.parametrize(
    ("role", "functions"), [("anon", ANON), ("authenticated", PEOPLE), ("service_role", FLOW_AND_WORKER)]
)
def test_functions_are_granted_one_by_one(desk: Desk, role: str, functions: set[str]) -> None:
    rows = desk.rows(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace"
        " and has_function_privilege(%s, oid, 'execute')",
        role,
    )
    assert {row["proname"] for row in rows} == functions


def test_functions_of_people_and_flow_cannot_be_led_astray_by_a_search_path(desk: Desk) -> None:
    rows = desk.rows(
        "select proname from pg_proc where pronamespace in ('public'::regnamespace, 'private'::regnamespace)"
        " and prokind = 'f' and not coalesce(proconfig::text like '%%search_path=%%', false)"
    )
    assert rows == []


@pytest.mark.parametrize("table", TABLES)
def test_anon_reads_nothing(desk: Desk, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        desk.as_role("anon", {}, f"select * from public.{table}", [])


@pytest.mark.parametrize(
    "verb", ["insert into public.{} default values", "delete from public.{}", "truncate public.{}"]
)
@pytest.mark.parametrize("table", TABLES)
def test_people_write_nowhere(desk: Desk, table: str, verb: str) -> None:
    claims = {"sub": desk.ada.id, "role": "authenticated"}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        desk.as_role("authenticated", claims, verb.format(table), [])


@pytest.mark.parametrize(
    "verb", ["insert into public.{} default values", "update public.{} set created_at = now()"]
)
@pytest.mark.parametrize("table", ["organizations", "profiles", "services", "actions"])
def test_the_service_key_changes_no_rule_past_the_functions(desk: Desk, table: str, verb: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        desk.as_role("service_role", {"role": "service_role"}, verb.format(table), [])


def test_nobody_changes_their_own_role(desk: Desk) -> None:
    claims = {"sub": desk.rita.id, "role": "authenticated"}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        desk.as_role("authenticated", claims, "update public.profiles set role = 'admin'", [])


def test_two_organizations_never_see_each_other(desk: Desk) -> None:
    desk.waiting()
    other = Desk(desk.url, "globex")
    other.waiting()
    claims = {"sub": other.vera.id, "role": "authenticated"}
    for table in ("services", "actions", "incidents", "executions", "approvals", "ai_analyses", "audit_log"):
        rows = desk.as_role("authenticated", claims, f"select organization_id::text from public.{table}", [])
        assert {row["organization_id"] for row in rows} == {other.organization}, table


def test_a_person_switched_off_sees_nothing(desk: Desk) -> None:
    desk.submit()
    desk.configure("profiles", desk.vera.id, active=False)
    claims = {"sub": desk.vera.id, "role": "authenticated"}
    assert desk.as_role("authenticated", claims, "select id from public.incidents", []) == []


@pytest.mark.parametrize("table", ["audit_log", "incident_events", "approval_votes"])
@pytest.mark.parametrize("verb", ["update {} set at = now()", "delete from {}", "truncate {}"])
def test_records_only_grow_even_for_their_owner(desk: Desk, table: str, verb: str) -> None:
    _, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    if table in ("approval_votes", "audit_log") and verb.startswith("truncate"):
        verb += " cascade"
    with pytest.raises(psycopg.Error, match="only grows"):
        desk.rows(f"{verb.format(table)} returning 1" if "truncate" not in verb else verb.format(table))


def test_the_token_of_a_lease_is_no_business_of_people(desk: Desk) -> None:
    claims = {"sub": desk.ada.id, "role": "authenticated"}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        desk.as_role("authenticated", claims, "select lease_token from public.outbox", [])


def test_every_table_and_column_is_explained(desk: Desk) -> None:
    rows = desk.rows(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'"
        " and a.attnum > 0 and not a.attisdropped"
        " and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)"
    )
    assert rows == []


def test_every_function_is_explained(desk: Desk) -> None:
    rows = desk.rows(
        "select proname from pg_proc where pronamespace in ('public'::regnamespace, 'private'::regnamespace)"
        " and obj_description(oid, 'pg_proc') is null"
    )
    assert rows == []
