"""What Insights counts, computed by hand, and that each number's filter finds just those rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sql.desk import Desk, Refused, model_answer

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 15, tzinfo=UTC)
SAFETY = '{"candidates": [{"finishReason": "SAFETY"}], "modelVersion": "test"}'


def report(desk: Desk, minutes: float = 0, *, at: datetime = SINCE, **values: Any) -> str:
    """A past incident, `minutes` after `at`; times of `values` in minutes are after its report."""
    submitted = desk.submit(**{key: values.pop(key) for key in ("service", "severity") if key in values})
    created = at + timedelta(minutes=minutes)
    for name in ("acknowledged_at", "resolved_at", "closed_at"):
        if name in values:
            values[name] = created + timedelta(minutes=values[name])
    values = {"created_at": created} | values
    columns = ", ".join(f"{name} = %s" for name in values)
    # The status' own trigger writes the times of now: they are set afterwards.
    for _ in range(2):
        desk.rows(
            f"update incidents set {columns} where id = %s returning 1",
            *values.values(),
            submitted["incident_id"],
        )
    return str(submitted["incident_id"])


def ask(desk: Desk, minutes: float, decided: float | None = None, **values: Any) -> str:
    """A past approval, decided so many minutes after it was asked for."""
    _, approval = desk.waiting()
    created = SINCE + timedelta(minutes=minutes)
    values["created_at"] = created
    if decided is not None:
        values |= {"decided_by": desk.ana.id, "decided_at": created + timedelta(minutes=decided)}
    columns = ", ".join(f"{name} = %s" for name in values)
    desk.rows(f"update approvals set {columns} where id = %s returning 1", *values.values(), approval["id"])
    return str(approval["id"])


def count(
    desk: Desk, since: datetime = SINCE, until: datetime = UNTIL, services: Any = None, zone: str = "UTC"
) -> Any:
    query = "select set_config('timezone', %s, true), public.insights(%s, %s, %s) as answer"
    claims = {"sub": desk.vera.id, "role": "authenticated"}
    return desk.as_role("authenticated", claims, query, [zone, since, until, services])[0]["answer"]


def listed(desk: Desk, function: str = "search_incidents", **arguments: Any) -> list[str]:
    arguments = {"since": SINCE, "until": UNTIL, "take": 200} | arguments
    named = ", ".join(f"{name} => %s" for name in arguments)
    claims = {"sub": desk.vera.id, "role": "authenticated"}
    query = f"select id from public.{function}({named})"
    return [str(row["id"]) for row in desk.as_role("authenticated", claims, query, list(arguments.values()))]


def seconds(median: float | None, p90: float | None, n: int) -> dict[str, Any]:
    return {
        "count": n,
        "median_seconds": None if median is None else pytest.approx(median),
        "p90_seconds": None if p90 is None else pytest.approx(p90),
    }


def test_nothing_happened(desk: Desk) -> None:
    found = count(desk)
    assert found["count"] == found["before"] == found["reports"] == 0
    for times in ("acknowledge", "approve", "resolve"):
        assert found[times] == {"now": seconds(None, None, 0), "before": seconds(None, None, 0)}
    assert set(found["facts"].values()) == {0}
    assert [week["week"] for week in found["weeks"]] == ["2026-W44", "2026-W45", "2026-W46"]
    assert (found["services"], found["severities"], found["approvals"]["groups"]) == ([], [], [])


def test_median_and_p90_by_hand(desk: Desk) -> None:
    for minutes in (2, 4, 6, 8):
        report(desk, minutes, acknowledged_at=minutes, status="resolved", resolved_at=minutes * 10)
    found = count(desk)
    # Interpolated: the median of 2, 4, 6, 8 is 5, nine tenths of the way lies at 7.4.
    assert found["acknowledge"]["now"] == seconds(5 * 60, 7.4 * 60, 4)
    assert found["resolve"]["now"] == seconds(50 * 60, 74 * 60, 4)


def test_the_first_acknowledgement_counts_also_before_any_run(desk: Desk) -> None:
    incident = desk.submit()["incident_id"]
    assert desk.row("select count(*) as n from executions where incident_id = %s", incident)["n"] == 0
    desk.by(desk.rita, "update_incident", incident_id=incident, kind="acknowledge", version=1)
    first = desk.row("select * from incidents where id = %s", incident)
    desk.by(desk.ana, "update_incident", incident_id=incident, kind="acknowledge", version=2)
    expected = (first["acknowledged_at"] - first["created_at"]).total_seconds()
    now = datetime.now(UTC)
    found = count(desk, now - timedelta(hours=1), now + timedelta(hours=1))
    assert found["acknowledge"]["now"] == seconds(expected, expected, 1)


def test_open_and_reopened_incidents_are_not_counted_as_resolved(desk: Desk) -> None:
    report(desk, 0, status="resolved", resolved_at=30)
    report(desk, 1)
    reopened = report(desk, 2, status="resolved", resolved_at=10)
    version = desk.row("select version from incidents where id = %s", reopened)["version"]
    desk.by(
        desk.rita,
        "update_incident",
        incident_id=reopened,
        kind="reopen",
        payload={"text": "again"},
        version=version,
    )
    found = count(desk)
    assert found["resolve"]["now"] == seconds(1800, 1800, 1)
    assert (found["facts"]["resolved"], found["facts"]["unresolved"], found["facts"]["reopened"]) == (1, 2, 1)
    # Resolved again: the whole time since the report, the first resolution is forgotten.
    desk.by(desk.rita, "update_incident", incident_id=reopened, kind="resolve", version=version + 1)
    last = desk.row("select resolved_at - created_at as took from incidents where id = %s", reopened)["took"]
    assert count(desk)["resolve"]["now"] == seconds(
        (1800 + last.total_seconds()) / 2, 1800 + 0.9 * (last.total_seconds() - 1800), 2
    )


def test_closed_without_being_resolved_ends_when_it_was_closed(desk: Desk) -> None:
    report(desk, 0, status="closed", closed_at=40, resolved_at=0)
    desk.rows("update incidents set resolved_at = null returning 1")
    assert count(desk)["resolve"]["now"] == seconds(2400, 2400, 1)


def test_negative_times_are_left_out_and_told(desk: Desk) -> None:
    report(desk, 0, acknowledged_at=-5, status="resolved", resolved_at=-1)
    report(desk, 1, acknowledged_at=0, status="resolved", resolved_at=0)
    ask(desk, 0, decided=-3, status="approved")
    ask(desk, 1, decided=4, status="approved")
    found = count(desk)
    assert found["acknowledge"]["now"] == found["resolve"]["now"] == seconds(0, 0, 1)
    assert found["approve"]["now"] == seconds(240, 240, 1)
    assert (found["facts"]["acknowledged_too_early"], found["facts"]["resolved_too_early"]) == (1, 1)


def test_the_bounds_belong_to_one_period_each(desk: Desk) -> None:
    report(desk, 0)
    report(desk, -1 / 60)
    report(desk, 0, at=UNTIL)
    found = count(desk)
    assert (found["count"], found["before"]) == (1, 1)
    assert found["before_since"] == "2026-10-18T00:00:00+00:00"


def test_a_period_that_is_not_over_is_compared_with_the_same_part_of_the_one_before(desk: Desk) -> None:
    now = datetime.now(UTC)
    found = count(desk, now - timedelta(days=6), now + timedelta(days=1))
    before = datetime.fromisoformat(found["before_until"]) - datetime.fromisoformat(found["before_since"])
    assert abs(before - timedelta(days=6)) < timedelta(minutes=1)
    assert datetime.fromisoformat(found["before_since"]) == now - timedelta(days=13)


def test_periods_do_not_depend_on_the_sessions_time_zone(desk: Desk) -> None:
    since, until = datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    report(desk, 0, at=datetime(2026, 10, 25, 23, 30, tzinfo=UTC))
    found = count(desk, since, until, zone="Europe/Berlin")
    assert datetime.fromisoformat(found["before_since"]) == datetime(2026, 10, 6, tzinfo=UTC)
    # Sunday night in UTC is Monday in Berlin.
    assert {week["week"]: week["count"] for week in found["weeks"]}["2026-W43"] == 1


def test_weeks_are_iso_weeks_of_utc_cut_by_the_period(desk: Desk) -> None:
    sunday_night = datetime(2026, 11, 8, 23, 59, 59, tzinfo=UTC)
    report(desk, 0, at=sunday_night, severity="HIGH")
    report(desk, 1, at=sunday_night, severity="LOW", status="resolved", resolved_at=7)
    weeks = {week["week"]: week for week in count(desk)["weeks"]}
    assert weeks["2026-W45"]["severities"] == {"HIGH": 1}
    assert weeks["2026-W46"]["severities"] == {"LOW": 1}
    assert weeks["2026-W46"]["resolve"] == seconds(420, 420, 1)
    assert weeks["2026-W44"]["since"] == SINCE.isoformat()
    assert weeks["2026-W44"]["until"] == "2026-11-02T00:00:00+00:00"
    for week in weeks.values():
        assert len(listed(desk, since=week["since"], until=week["until"])) == week["count"]


def test_joined_duplicates_are_reports_not_incidents(desk: Desk) -> None:
    payload = {"service": "payment-api", "severity": "LOW", "title": "Same again"}
    for _ in range(3):
        desk.by(desk.rita, "submit_incident", payload=payload)
    report(desk, 0, service="search-api")
    desk.rows("update incidents set created_at = %s returning 1", SINCE)
    found = count(desk)
    assert (found["count"], found["reports"], found["facts"]["repeated"]) == (2, 4, 1)
    named = [(service["service"], service["count"], service["reports"]) for service in found["services"]]
    assert named == [("payment-api", 1, 3), ("search-api", 1, 1)]


def test_approvals_by_outcome_and_their_rows(desk: Desk) -> None:
    ask(desk, 0, decided=10, status="approved", outcome="acted")
    ask(desk, 1, decided=20, status="approved")
    ask(desk, 2, decided=60, status="rejected")
    ask(desk, 3, status="expired")
    ask(desk, 4, status="cancelled")
    ask(desk, -5, decided=1, status="approved")
    found = count(desk)
    assert found["approve"]["now"] == seconds(1200, 52 * 60, 3)
    assert found["approve"]["before"] == seconds(60, 60, 1)
    assert (found["approvals"]["count"], found["approvals"]["before"]) == (5, 1)
    groups = {(group["status"], group["outcome"]): group["count"] for group in found["approvals"]["groups"]}
    assert groups == {
        ("approved", "acted"): 1,
        ("approved", "none"): 1,
        ("rejected", "none"): 1,
        ("expired", "none"): 1,
        ("cancelled", "none"): 1,
    }
    for (status, outcome), n in groups.items():
        assert len(listed(desk, "search_approvals", statuses=[status], outcomes=[outcome])) == n
    assert len(listed(desk, "search_approvals", services=["search-api"])) == 0


def test_every_fact_finds_the_rows_that_it_counts(desk: Desk) -> None:
    report(desk, 0, acknowledged_at=5, status="resolved", resolved_at=9)
    report(desk, 1, acknowledged_at=-5, status="resolved", resolved_at=-9, source="import", occurrences=4)
    escalated = desk.claim(desk.submit(severity="HIGH"))
    desk.by_flow("escalate", kestra_execution_id=escalated)
    failing = desk.claim(desk.submit())
    for step, answer in (("analyze", SAFETY), ("remediation", None), ("documentation", "{")):
        desk.by_flow("record_analysis", kestra_execution_id=failing, step=step, response=answer)
    desk.by_flow("finish_run", kestra_execution_id=failing, state="FAILED")
    off = desk.claim(desk.submit())
    desk.by_flow("record_analysis", kestra_execution_id=off, step="analyze", response=model_answer({}))
    collected = desk.claim(desk.submit())
    desk.by_flow("record_analysis", kestra_execution_id=collected, step="aggregate", response="{")
    again = report(desk, 2, status="resolved", resolved_at=1)
    desk.by(
        desk.rita,
        "update_incident",
        incident_id=again,
        kind="reopen",
        payload={"text": "again"},
        version=desk.row("select version from incidents where id = %s", again)["version"],
    )
    desk.rows("update incidents set created_at = %s where created_at > %s returning 1", SINCE, UNTIL)
    found = count(desk)
    assert found["facts"] == {
        "acknowledged": 1,
        "not_acknowledged": 5,
        "acknowledged_too_early": 1,
        "resolved": 1,
        "unresolved": 5,
        "resolved_too_early": 1,
        "repeated": 1,
        "imported": 1,
        "reopened": 1,
        "escalated": 1,
        "escalation_unacknowledged": 1,
        "run_failed": 1,
        "model_failed": 2,
        "model_silent": 1,
        "model_stopped": 1,
        "model_unreadable": 1,
        "model_off_schema": 1,
    }
    for fact, n in found["facts"].items():
        assert len(listed(desk, fact=fact)) == n, fact
    assert len(listed(desk)) == found["count"] == 7
    for service in found["services"]:
        assert len(listed(desk, services=[service["service"]])) == service["count"]
    for severity in found["severities"]:
        assert len(listed(desk, severities=[severity["severity"]])) == severity["count"]


def test_an_acknowledged_escalation_is_not_unanswered(desk: Desk) -> None:
    submitted = desk.submit(severity="CRITICAL")
    desk.by_flow("escalate", kestra_execution_id=desk.claim(submitted))
    version = desk.row("select version from incidents where id = %s", submitted["incident_id"])["version"]
    desk.by(
        desk.rita,
        "update_incident",
        incident_id=submitted["incident_id"],
        kind="acknowledge",
        version=version,
    )
    now = datetime.now(UTC)
    facts = count(desk, now - timedelta(hours=1), now + timedelta(hours=1))["facts"]
    assert (facts["escalated"], facts["escalation_unacknowledged"]) == (1, 0)


def test_tokens_are_what_the_model_counted(desk: Desk) -> None:
    execution = desk.claim(desk.submit())
    desk.by_flow("record_analysis", kestra_execution_id=execution, step="analyze", response=SAFETY)
    desk.rows(
        "update ai_analyses set tokens = %s returning 1",
        '{"analyze": {"prompt": 10, "output": 5, "total": 15}, "b": {"total": "many"}, "c": 7,'
        ' "d": {"total": 3}}',
    )
    desk.rows("update incidents set created_at = %s returning 1", SINCE)
    assert count(desk)["model"] == {
        "incidents": 1,
        "prompt_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 18,
        "models": [{"model": "test", "runs": 1, "total_tokens": 18}],
    }


def test_services_narrow_everything(desk: Desk) -> None:
    report(desk, 0, service="search-api", acknowledged_at=3)
    report(desk, 0, service="payment-api", acknowledged_at=9)
    ask(desk, 0, decided=1, status="approved")
    found = count(desk, services=["search-api"])
    assert (found["count"], found["acknowledge"]["now"]) == (1, seconds(180, 180, 1))
    assert (found["approvals"]["count"], found["approve"]["now"]["count"]) == (0, 0)
    assert sum(week["count"] for week in found["weeks"]) == 1


def test_another_organization_is_never_counted(desk: Desk) -> None:
    report(desk, 0, acknowledged_at=3, status="resolved", resolved_at=5)
    ask(desk, 0, decided=1, status="approved")
    other = Desk(desk.url, "globex")
    found = count(other)
    assert (found["count"], found["approvals"]["count"], found["model"]["incidents"]) == (0, 0, 0)
    assert set(found["facts"].values()) == {0}
    assert listed(other, "search_approvals") == listed(other, fact="resolved") == []


@pytest.mark.parametrize(
    ("since", "until"), [(UNTIL, SINCE), (SINCE, SINCE), (SINCE, SINCE + timedelta(days=1097))]
)
def test_a_period_that_is_none_is_refused(desk: Desk, since: datetime, until: datetime) -> None:
    with pytest.raises(Refused) as refused:
        count(desk, since, until)
    assert refused.value.code == "invalid"


@pytest.mark.parametrize("fact", ["", "true", "1=1) or (true", "Resolved"])
def test_only_facts_that_are_known_can_be_asked_for(desk: Desk, fact: str) -> None:
    with pytest.raises(Refused) as refused:
        listed(desk, fact=fact)
    assert refused.value.detail["fields"] == [{"field": "fact", "problem": "is unknown"}]
