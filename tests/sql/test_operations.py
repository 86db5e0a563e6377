"""What operators read: sizes, notices, runs and rights as they are; and the first value of a setting."""

from typing import Any

import psycopg
import pytest

from tests.sql.desk import Desk, Refused
from tests.support.privileges import read_privileges


def report(desk: Desk) -> dict[str, Any]:
    """The answer of doctor_report."""
    answer: dict[str, Any] = desk.by_flow("doctor_report")
    return answer


class TestReports:
    def test_the_privileges_are_read_as_the_committed_table_is(self, desk: Desk) -> None:
        with psycopg.connect(desk.url) as owner:
            owner.execute("grant select on public.incidents to anon")
        with psycopg.connect(desk.url) as owner:
            wanted = {tuple(row.values()) for row in read_privileges(owner)}
        found = {tuple(row) for row in report(desk)["privileges"]}
        assert found == wanted
        assert ("table", "public.incidents", "", "select", "select", "select") in found

    def test_people_do_not_read_the_doctors_report(self, desk: Desk) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.by(desk.ada, "doctor_report")

    def test_sizes_name_the_tables_that_grow(self, desk: Desk) -> None:
        desk.submit()
        sizes = desk.by(desk.vera, "system_report")["sizes"]
        assert sizes["database_bytes"] > 1_000_000
        assert {"incidents", "executions", "audit_log"} <= {table["table"] for table in sizes["tables"]}

    def test_a_run_that_failed_is_told_with_its_words(self, desk: Desk) -> None:
        execution = desk.claim(desk.submit())
        detail = {"errors": ["Task open_run: timed out after 20 seconds"]}
        desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED", detail=detail)
        runs = desk.by(desk.vera, "system_report")["runs"]
        assert (runs["ended"], runs["failed"], runs["live"]) == (1, 1, 0)
        assert runs["kestra_execution_id"] == execution
        assert "timed out" in runs["problem"]
        other = Desk(desk.url, "globex")
        assert other.by(other.vera, "system_report")["runs"]["ended"] == 0
        assert report(desk)["runs"]["failed"] == 1

    def test_notices_tell_wanted_channels_and_the_last_failure(self, desk: Desk) -> None:
        desk.by(desk.ada, "apply_notices", payload=[{"event": "escalated", "channel": "slack"}])
        desk.rows(
            "insert into outbox (organization_id, kind, attempts, last_error)"
            " values (%s, 'notice', 2, 'Slack said no_team.') returning id",
            desk.organization,
        )
        notices = desk.by(desk.vera, "system_report")["notices"]
        assert (notices["wanted"], notices["owed"]) == (["slack"], 1)
        assert notices["last_error"] == "Slack said no_team."
        assert notices["oldest_at"] is not None

    def test_numbers_count_what_is_owed_by_kind(self, desk: Desk) -> None:
        desk.submit()
        desk.rows(
            "update outbox set created_at = now() - interval '1 minute', stuck_since = now() returning 1"
        )
        desk.waiting()
        numbers = desk.by_flow("metrics_report")
        owed = {row["kind"]: row for row in numbers["outbox"]}
        assert set(owed) == {"start_run", "deliver_decision", "command", "notice"}
        assert (owed["start_run"]["owed"], owed["start_run"]["stuck"]) == (1, 1)
        assert owed["start_run"]["oldest_seconds"] >= 60
        assert owed["command"] == {"kind": "command", "owed": 0, "stuck": 0, "oldest_seconds": 0}
        assert numbers["approvals"] == {"pending": 1}
        assert (numbers["runs_live"], numbers["incidents_open"]) == (1, 2)


class TestFirstValue:
    def config(self, desk: Desk) -> list[tuple[str, bool]]:
        rows = desk.rows("select value, from_environment from system_config where key = 'KESTRA_URL'")
        return [(row["value"], row["from_environment"]) for row in rows]

    def test_a_worker_writes_what_its_environment_has_and_follows_it(self, desk: Desk) -> None:
        desk.by_flow("first_config", key="KESTRA_URL", value="http://one:8080")
        desk.by_flow("first_config", key="KESTRA_URL", value="http://two:8080")
        assert self.config(desk) == [("http://two:8080", True)]

    def test_what_a_person_wrote_stays_and_both_are_audited(self, desk: Desk) -> None:
        desk.by_flow("first_config", key="KESTRA_URL", value="http://one:8080")
        desk.rows(
            "update system_config set value = 'https://tunnel.example' where key = 'KESTRA_URL' returning key"
        )
        desk.by_flow("first_config", key="KESTRA_URL", value="http://one:8080")
        assert self.config(desk) == [("https://tunnel.example", False)]
        audited = desk.rows("select action from audit_log where subject_kind = 'system_config' order by id")
        assert [row["action"] for row in audited] == ["config.added", "config.changed"]

    def test_a_person_who_writes_the_same_value_means_it(self, desk: Desk) -> None:
        desk.by_flow("first_config", key="KESTRA_URL", value="http://one:8080")
        desk.rows("update system_config set value = value where key = 'KESTRA_URL' returning key")
        assert self.config(desk) == [("http://one:8080", False)]

    def test_no_other_setting_has_a_first_value(self, desk: Desk) -> None:
        with pytest.raises(Refused, match="Only KESTRA_URL"):
            desk.by_flow("first_config", key="INCIDENTSCRIBE_PORT", value="1")
