"""System: what is checked, what mends it, and what the page says when a part is away."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.doctor_kestra import KestraProbe
from dashboard.domain.alarm import Alarm
from dashboard.domain.clock import utc_now
from dashboard.domain.system import SystemReport
from dashboard.errors import UpstreamUnreachable
from dashboard.resources import newest_migration
from dashboard.store import alarms, system
from dashboard.store.people import Role
from dashboard.ui import probes, session
from tests.app.conftest import Open, person, words
from tests.app.examples import ago

AWAY = UpstreamUnreachable("Kestra", "Kestra cannot be reached (ConnectError).")


def report(**parts: Any) -> SystemReport:
    beat = {"name": "w-1", "started_at": ago(60), "beat_at": ago(2)}
    base = {"now": utc_now(), "schema_version": newest_migration(), "workers": [beat]}
    return SystemReport.model_validate(base | parts)


def test_every_part_is_there_with_what_was_checked(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "get_report", lambda _: report())
    text = words(open_page("system"))
    for part in (
        "Kestra",
        "Flow",
        "Webhook",
        "Values of the flow",
        "Supabase",
        "Schema",
        "Row level security",
    ):
        assert f"**{part}**" in text
    for part in ("Row level security", "Worker", "Outbox", "Model", "Settings"):
        assert f"**{part}**" in text
    assert "All is well: 15 of 19 parts were checked." in text


def test_what_is_ill_says_how_it_is_mended(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "get_report", lambda _: report(schema_version="20260101000000", workers=[]))
    monkeypatch.setattr(probes, "probe_kestra", lambda: KestraProbe(utc_now(), AWAY, AWAY, AWAY))
    app = open_page("system")
    text = words(app)
    assert "Not well: Kestra, Schema, Worker." in text
    assert {"incidentscribe migrate", "incidentscribe worker"} <= {code.value for code in app.code}


def test_with_the_database_away_kestra_is_still_looked_at(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")

    monkeypatch.setattr(system, "get_report", fail)
    text = words(open_page("system"))
    assert "Not well: Supabase." in text
    assert "Version 2.0.0" in text


def test_what_was_known_of_the_rest_stays_while_the_database_is_away(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")

    monkeypatch.setattr(system, "get_report", lambda _: report())
    app = open_page("system")
    monkeypatch.setattr(system, "get_report", fail)
    text = words(app.run())
    assert "Not well: Supabase." in text
    assert "**Worker**" in text
    assert "Shown is what was known" in text


class TestAnotherKestra:
    @pytest.fixture(autouse=True)
    def alarm(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        raised = {
            "id": 7,
            "kind": "kestra_other",
            "subject": "gone-uuid",
            "sentence": "Another Kestra answers.",
            "means": "Runs are not followed.",
            "to_do": "Point KESTRA_URL at it.",
            "raised_at": ago(600),
            "seen_at": ago(1),
        }
        monkeypatch.setattr(system, "get_report", lambda _: report(alarms=[raised]))
        return raised

    def test_an_alarm_stands_above_everything(self, open_page: Open) -> None:
        app = open_page("system")
        assert "Another Kestra answers." in words(app)
        assert not [button for button in app.button if str(button.key).startswith("gone_press")]

    def test_an_admin_can_say_that_it_is_gone(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[tuple[str, str]] = []

        def declare(_: object, alarm: Alarm, reason: str) -> int:
            said.append((alarm.subject, reason))
            return 2

        monkeypatch.setattr(session, "current_user", lambda: person(Role.ADMIN, "Ada Admin"))
        monkeypatch.setattr(alarms, "declare_kestra_gone", declare)
        app = open_page("system")
        app.text_area(key="gone_reason_7").input("the machine was wiped")
        app.button(key="gone_press_7").click().run()
        assert said == [("gone-uuid", "the machine was wiped")]
        assert "2 runs have ended as lost." in words(app)

    def test_while_supabase_is_away_nobody_can_say_that_it_is_gone(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: object) -> None:
            raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")

        monkeypatch.setattr(session, "current_user", lambda: person(Role.ADMIN, "Ada Admin"))
        app = open_page("system")
        monkeypatch.setattr(system, "get_report", fail)
        button = app.run().button(key="gone_press_7")
        assert button.disabled
        assert "nothing can be changed just now" in button.help
