"""Whoever reads that something is not well also reads what that means and what mends it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType

import pytest

from dashboard import doctor, doctor_command, doctor_kestra, doctor_operations, doctor_probe
from dashboard.doctor_probe import Answer
from dashboard.domain.alarm import Alarm
from dashboard.domain.clock import parse_instant
from dashboard.domain.execution import FlowIdentity
from dashboard.domain.finding import Finding, Health
from dashboard.domain.overview import ModelReport
from dashboard.domain.system import (
    ConfigRow,
    KestraSeen,
    NoticesReport,
    OutboxReport,
    RetentionReport,
    Rights,
    RunsReport,
    SystemReport,
    WorkerBeat,
)
from dashboard.errors import ConfigurationError, NotSignedIn, UpstreamProtocolError, UpstreamUnreachable
from dashboard.kestra_api.address import Address
from dashboard.kestra_api.models import Instance

NOW = parse_instant("2026-11-24T12:00:00Z")
SINCE = NOW - timedelta(minutes=9)
AWAY = UpstreamUnreachable("Kestra", "Kestra cannot be reached.")
DENIED = NotSignedIn("Kestra", "Wrong password.", status=401, to_do="Check KESTRA_PASSWORD.")
NO_KESTRA = UpstreamProtocolError("Kestra", "That is no Kestra.", excerpt="<html>", to_do="")
ALARM = Alarm(
    id=1,
    kind="kestra_unreachable",
    sentence="Kestra is away.",
    means="Nothing starts.",
    to_do="Look.",
    raised_at=SINCE,
    seen_at=NOW,
)


def flow(source: str = "one", *, disabled: bool = False) -> FlowIdentity:
    return FlowIdentity(id="f", namespace="n", revision=3, source=source, disabled=disabled)


def beat(**fields: object) -> WorkerBeat:
    return WorkerBeat.model_validate({"name": "w", "started_at": SINCE, "beat_at": NOW} | fields)


def refused_address() -> Finding:
    row = ConfigRow(key="KESTRA_URL", value="http://elsewhere", updated_at=SINCE)
    seen = SystemReport.model_validate({"now": NOW, "config": [row]})
    return doctor_kestra.address_in_force(Address("http://own", "http://elsewhere", "is not https"), seen)


def code(status: int, body: object = None) -> Answer:
    return Answer({"code": status, "body": body})


# By the check: each way in which it finds something not well; and since when that is, where it is known.
NOT_WELL: dict[Callable[..., object], list[tuple[Finding, bool]]] = {
    doctor.supabase_answers: [(doctor.supabase_answers(AWAY), False)],
    doctor.schema_in_step: [
        (doctor.schema_in_step("1", "2"), False),
        (doctor.schema_in_step("3", "2"), False),
    ],
    doctor.guards_stand: [(doctor.guards_stand(Rights(unguarded=("a",))), False)],
    doctor.model_answers: [
        (doctor.model_answers(ModelReport(asked=3, problems=3, problem_at=SINCE), NOW), True),
        (
            doctor.model_answers(ModelReport(asked=3, problems=1, answered_at=NOW, problem_at=SINCE), NOW),
            True,
        ),
    ],
    doctor.workers_alive: [
        (doctor.workers_alive([], NOW), False),
        (doctor.workers_alive([beat(beat_at=SINCE)], NOW), True),
        (doctor.workers_alive([beat(trouble="Kestra is away.")], NOW), False),
    ],
    doctor.outbox_flows: [
        (doctor.outbox_flows(OutboxReport(owed=1, oldest_at=SINCE), NOW), True),
        (doctor.outbox_flows(OutboxReport(owed=1, oldest_at=SINCE, stuck=1), NOW), True),
    ],
    doctor.alarm_raised: [(doctor.alarm_raised(ALARM), True)],
    doctor_kestra.kestra_answers: [
        (doctor_kestra.kestra_answers(AWAY, ()), False),
        (doctor_kestra.kestra_answers(AWAY, (), (ALARM,)), True),
        (doctor_kestra.kestra_answers(DENIED, ()), False),
        (doctor_kestra.kestra_answers(NO_KESTRA, ()), False),
        (
            doctor_kestra.kestra_answers(
                Instance(uuid="b", version="2.0.0"), (KestraSeen(uuid="a", seen_at=NOW),)
            ),
            False,
        ),
    ],
    doctor_kestra.address_in_force: [(refused_address(), True)],
    doctor_kestra.flow_in_step: [
        (doctor_kestra.flow_in_step(None, "one"), False),
        (doctor_kestra.flow_in_step(flow(disabled=True), "one"), False),
        (doctor_kestra.flow_in_step(flow(), "two"), False),
        (doctor_kestra.flow_in_step(flow(), ConfigurationError("It is no key.")), False),
    ],
    doctor_kestra.webhook_set: [(doctor_kestra.webhook_set(flow(), "key", None), False)],
    doctor_kestra.values_present: [(doctor_kestra.values_present(()), False)],
    doctor_operations.clocks_agree: [
        (doctor_operations.clocks_agree("Clock", "the database", NOW, NOW + timedelta(seconds=30)), False),
        (doctor_operations.clocks_agree("Clock", "the database", NOW, SINCE), False),
    ],
    doctor_operations.runs_ended: [
        (doctor_operations.runs_ended(RunsReport(ended=2, failed=1, problem_at=SINCE), NOW), True),
        (doctor_operations.runs_ended(RunsReport(ended=1, failed=1, problem_at=SINCE), NOW), True),
    ],
    doctor_operations.notices_sent: [
        (
            doctor_operations.notices_sent(
                NoticesReport(wanted=("email",), owed=1, oldest_at=SINCE),
                [beat(facts={"channels": ["slack"]})],
                NOW,
            ),
            True,
        ),
        (
            doctor_operations.notices_sent(
                NoticesReport(wanted=("slack",), owed=1, oldest_at=SINCE, last_error="no_team"), [], NOW
            ),
            True,
        ),
    ],
    doctor_operations.retention_kept: [
        (doctor_operations.retention_kept(RetentionReport(written="7"), NOW), False)
    ],
    doctor_operations.anon_refused: [(doctor_operations.anon_refused(("incidents",)), False)],
    doctor_operations.privileges_as_committed: [
        (doctor_operations.privileges_as_committed([("table", "a", "", "r", "-", "-")], []), False)
    ],
    doctor_probe.examine: [(finding, False) for finding in doctor_probe.examine(NO_KESTRA)],
    doctor_probe.python_runs: [(doctor_probe.python_runs(Answer()), False)],
    doctor_probe.supabase_reached: [
        (doctor_probe.supabase_reached(answer), False)
        for answer in (code(200, []), code(401), code(404), Answer())
    ],
    doctor_probe.model_reached: [
        (doctor_probe.model_reached(answer), False)
        for answer in (code(400), code(404), code(429), code(503), Answer())
    ],
}


@pytest.mark.parametrize(
    ("finding", "is_since_known"),
    [
        pytest.param(*case, id=f"{check.__name__}-{n}")
        for check, cases in NOT_WELL.items()
        for n, case in enumerate(cases)
    ],
)
def test_what_is_not_well_says_what_it_means_and_what_mends_it(
    finding: Finding, is_since_known: bool
) -> None:
    assert finding.health in (Health.ILL, Health.DOUBTFUL)
    assert finding.found
    assert finding.checked
    assert finding.means
    assert finding.mend
    assert finding.since == (SINCE if is_since_known else None)


@pytest.mark.parametrize("module", [doctor, doctor_command, doctor_kestra, doctor_operations, doctor_probe])
def test_every_check_that_can_find_something_is_among_them(module: ModuleType) -> None:
    checks = {
        function
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and function.__annotations__["return"] in ("Finding", "list[Finding]")
        and re.search(r"Health\.(ILL|DOUBTFUL)", inspect.getsource(function))
    }
    assert checks <= NOT_WELL.keys()
