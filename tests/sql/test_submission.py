"""How incidents come in: joined or new, never lost, claimed once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sql.desk import Desk, Refused


def test_an_incident_and_its_start_are_owed_in_one_transaction(desk: Desk) -> None:
    made = desk.submit()
    owed = desk.row("select * from outbox where id = %s", made["run_id"])
    assert (owed["kind"], owed["status"], str(owed["incident_id"])) == (
        "start_run",
        "owed",
        made["incident_id"],
    )


def test_every_wrong_field_is_named_and_nothing_is_saved(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        desk.submit(service=" ", severity="worse", title="", logs="a line", metrics=[1], context=5)
    fields = {entry["field"] for entry in refused.value.detail["fields"]}
    assert fields == {"service", "severity", "title", "logs", "metrics", "context"}
    assert desk.rows("select from incidents where organization_id = %s", desk.organization) == []


def test_a_viewer_may_not_submit(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        desk.submit(desk.vera)
    assert refused.value.code == "not_allowed"


def test_the_same_problem_joins_while_open_and_keeps_its_payload(desk: Desk) -> None:
    first = desk.submit(title="Error rate 45 %")
    again = desk.submit(title="error rate  46 %", logs=["new line"])
    assert (again["joined"], again["incident_id"], again["occurrences"]) == (True, first["incident_id"], 2)
    assert again["run_id"] is None, "a second run although one is owed"
    event = desk.row("select detail from incident_events where kind = 'seen_again'")
    assert event["detail"]["payload"]["logs"] == ["new line"]


def test_file_separately_makes_an_incident_of_its_own(desk: Desk) -> None:
    first = desk.submit(title="Same")
    second = desk.submit(title="Same", file_separately=True)
    assert first["incident_id"] != second["incident_id"]


class TestTheClaim:
    def test_same_execution_same_answer_and_the_start_is_done(self, desk: Desk) -> None:
        made = desk.submit()
        arguments = {"payload": {"run_id": made["run_id"]}, "kestra_execution_id": "ex-one"}
        assert desk.by_flow("open_run", **arguments) == desk.by_flow("open_run", **arguments)
        assert desk.row("select status from outbox where id = %s", made["run_id"])["status"] == "done"

    def test_a_second_execution_of_the_same_start_is_told_to_end(self, desk: Desk) -> None:
        made = desk.submit()
        first = desk.claim(made)
        second = desk.by_flow("open_run", payload={"run_id": made["run_id"]}, kestra_execution_id="ex-two")
        assert not second["proceed"]
        assert first in second["reason"]

    def test_ten_executions_at_once_one_owns(self, desk: Desk) -> None:
        desk.configure("organizations", desk.organization, is_default=True)
        payload = {
            "id": "INC-001",
            "service": "payment-api",
            "severity": "HIGH",
            "title": "x",
            "organization_id": "uuid",
        }

        def open_run(number: int) -> bool:
            answer = desk.by_flow("open_run", payload=payload, kestra_execution_id=f"ex-{number}")
            return bool(answer["proceed"])

        with ThreadPoolExecutor(10) as pool:
            owners = sum(pool.map(open_run, range(10)))
        assert owners == 1
        assert (
            desk.row("select occurrences from incidents where external_id = 'INC-001'")["occurrences"] == 10
        )

    @pytest.mark.parametrize(
        ("payload", "notes"),
        [
            ([1, 2], 4),
            ("text", 4),
            ({"severity": 3, "service": "payment-api", "title": "x"}, 1),
            ({"severity": "HIGH", "service": "payment-api", "title": "x", "logs": "one line"}, 1),
            ({"severity": "HIGH", "service": "payment-api", "title": "x", "metrics": [1], "context": "c"}, 2),
            ({"severity": "HIGH", "service": "payment-api", "title": "x", "organization_id": "nobody"}, 1),
        ],
    )
    def test_a_broken_webhook_is_filed_with_notes(self, desk: Desk, payload: object, notes: int) -> None:
        desk.configure("organizations", desk.organization, is_default=True)
        answer = desk.by_flow("open_run", payload=payload, kestra_execution_id="ex-broken")
        assert answer["proceed"]
        row = desk.row(
            "select intake_notes, submitted_by from incidents where id = %s", answer["incident"]["id"]
        )
        assert len(row["intake_notes"]) == notes, row["intake_notes"]
        assert row["submitted_by"] is None

    def test_what_is_over_the_caps_is_cut_and_said(self, desk: Desk) -> None:
        desk.configure("organizations", desk.organization, is_default=True)
        payload = {
            "severity": "HIGH",
            "service": "payment-api",
            "title": "x" * 900,
            "logs": ["y" * 300] * 25_000,
            "context": {"dump": "z" * 600_000},
        }
        answer = desk.by_flow("open_run", payload=payload, kestra_execution_id="ex-large")
        row = desk.row(
            "select cardinality(logs) as lines, length(title) as title, context, intake_notes from incidents"
            " where id = %s",
            answer["incident"]["id"],
        )
        assert (row["lines"], row["title"], row["context"]) == (16_666, 500, {})
        assert [note.split()[0] for note in row["intake_notes"]] == ["logs", "logs", "context"]

    def test_without_an_organization_that_takes_webhooks_it_says_so(self, desk: Desk) -> None:
        answer = desk.by_flow("open_run", payload={"title": "x"}, kestra_execution_id="ex-nobody")
        assert not answer["proceed"]
        assert "No organization" in answer["reason"]

    @pytest.mark.parametrize(
        ("written", "severity"), [("low", "LOW"), (" High ", "HIGH"), ("Sev-1", "UNKNOWN"), (None, "UNKNOWN")]
    )
    def test_severity_is_normalised_and_kept_as_written(
        self, desk: Desk, written: str | None, severity: str
    ) -> None:
        desk.configure("organizations", desk.organization, is_default=True)
        answer = desk.by_flow(
            "open_run", payload={"severity": written, "title": "x"}, kestra_execution_id="ex-s"
        )
        assert (answer["incident"]["severity"], answer["incident"]["severity_text"]) == (
            severity,
            written or "",
        )


def test_a_start_whose_incident_is_over_is_owed_no_longer(desk: Desk) -> None:
    made = desk.submit()
    desk.rows("update incidents set status = 'resolved' returning 1")
    answer = desk.by_flow("open_run", payload={"run_id": made["run_id"]}, kestra_execution_id="ex-late")
    assert (answer["proceed"], answer["reason"]) == (False, "The incident is resolved.")
    assert desk.row("select status from outbox where id = %s", made["run_id"])["status"] == "withdrawn"


def test_only_the_owner_writes_about_an_incident(desk: Desk) -> None:
    made = desk.submit()
    desk.claim(made)
    desk.by_flow("open_run", payload={"run_id": made["run_id"]}, kestra_execution_id="ex-other")
    for function, more in [
        ("record_analysis", {"step": "analyze"}),
        ("request_approval", {}),
        ("begin_action", {"nonce": "12345678"}),
        ("escalate", {}),
        ("save_analysis", {}),
    ]:
        for execution in ("ex-other", "ex-never-seen"):
            with pytest.raises(Refused) as refused:
                desk.by_flow(function, kestra_execution_id=execution, **more)
            assert refused.value.code == "not_owner", function
