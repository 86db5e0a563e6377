"""What operators read: sizes, notices, runs and rights as they are; and the first value of a setting."""

from typing import Any

import psycopg
import pytest

from dashboard.domain.audit import verify
from tests.sql.desk import Desk, Refused
from tests.sql.test_audit_chain import read
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


class TestRetention:
    def ended(self, desk: Desk, days_ago: float, **fields: Any) -> str:
        """An incident with a decision and a document, whose end was so long ago; its id."""
        execution, approval = desk.waiting(logs=["one", "two"], metrics={"a": 1}, context={"b": 2})
        desk.decide(desk.ana, approval, "rejected")
        desk.by_flow("save_analysis", kestra_execution_id=execution, model="m", tokens={})
        desk.by_flow("finish_run", kestra_execution_id=execution, state="SUCCESS", detail={})
        incident = approval["incident_id"]
        desk.rows("update incidents set status = 'resolved' where id = %s returning id", incident)
        past = "update incidents set resolved_at = now() - %s * interval '1 day' where id = %s returning id"
        desk.rows(past, days_ago, incident)
        desk.rows("update ai_analyses set raw = %s where incident_id = %s returning id", '{"x": 1}', incident)
        return str(incident)

    def keep(self, desk: Desk, days: str) -> None:
        desk.rows("insert into system_config (key, value) values ('RETENTION_DAYS', %s) returning key", days)

    def bulk(self, desk: Desk, incident: str) -> tuple[list[str], Any, Any]:
        row = desk.row("select logs, metrics, context from incidents where id = %s", incident)
        return row["logs"], row["metrics"], row["context"]

    @pytest.mark.parametrize("days", [None, "0", "29", "x", "-30", "30.5", "999999"])
    def test_all_is_kept_where_it_is_off_or_not_understood(self, desk: Desk, days: str | None) -> None:
        incident = self.ended(desk, 40_000)
        if days is not None:
            self.keep(desk, days)
        assert desk.by_flow("empty_incidents") == {"days": None, "emptied": 0}
        assert self.bulk(desk, incident)[0] == ["one", "two"]
        retention = desk.by(desk.vera, "system_report")["retention"]
        assert (retention["days"], retention["written"], retention["emptied"]) == (None, days, 0)

    def test_at_the_border_one_side_is_emptied_and_what_was_decided_and_written_stays(
        self, desk: Desk
    ) -> None:
        younger, older = self.ended(desk, 29.99), self.ended(desk, 30.01)
        live = desk.submit(logs=["live"])["incident_id"]
        kept = (
            "select (select jsonb_agg(to_jsonb(v)) from approval_votes v) as votes,"
            " (select count(*) from incident_events) as events,"
            " (select jsonb_agg(to_jsonb(a) - 'raw' order by a.id) from ai_analyses a) as analyses,"
            " (select jsonb_agg(to_jsonb(p) order by p.id) from approvals p) as approvals"
        )
        before = desk.row(kept)
        self.keep(desk, "30")
        assert desk.by_flow("empty_incidents") == {"days": 30, "emptied": 1}
        assert desk.by_flow("empty_incidents") == {"days": 30, "emptied": 0}
        assert self.bulk(desk, older) == ([], {}, {})
        assert self.bulk(desk, younger) == (["one", "two"], {"a": 1}, {"b": 2})
        assert self.bulk(desk, live)[0] == ["live"]
        raw = desk.rows("select incident_id, raw from ai_analyses")
        assert {str(row["incident_id"]): row["raw"] == {} for row in raw} == {older: True, younger: False}
        assert desk.row(kept) == before
        retention = desk.by(desk.vera, "system_report")["retention"]
        assert (retention["days"], retention["emptied"]) == (30, 1)
        assert retention["last_at"] is not None

    def test_it_is_audited_and_the_chain_still_holds(self, desk: Desk) -> None:
        older = self.ended(desk, 100)
        self.keep(desk, "90")
        desk.by_flow("empty_incidents")
        audited = desk.row("select * from audit_log where action = 'incident.emptied'")
        name = desk.row("select external_id from incidents where id = %s", older)["external_id"]
        assert (audited["actor_name"], audited["detail"]) == ("retention", {"days": 90, "incidents": [name]})
        assert str(audited["organization_id"]) == desk.organization
        assert verify(read(desk)).findings == ()
        assert any(entry.action == "incident.emptied" for entry in read(desk))

    def test_a_batch_is_a_batch(self, desk: Desk) -> None:
        for _ in range(3):
            self.ended(desk, 100)
        self.keep(desk, "90")
        assert [desk.by_flow("empty_incidents", n=2)["emptied"] for _ in range(3)] == [2, 1, 0]
