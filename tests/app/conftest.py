"""The pages through the entry script, with fakes in place of the store's functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.doctor_kestra import KV_NEEDED, KestraProbe
from dashboard.domain.approval import Precedents
from dashboard.domain.clock import utc_now
from dashboard.domain.execution import FlowIdentity
from dashboard.domain.listing import IncidentPage
from dashboard.domain.overview import Overview, Trend
from dashboard.domain.system import SystemReport
from dashboard.kestra_api.address import Address
from dashboard.kestra_api.models import Instance
from dashboard.kestra_api.observation import LogSnapshot, Snapshot
from dashboard.resources import flow_file
from dashboard.store import (
    action_items,
    approvals,
    audit,
    cases,
    drafts,
    executions,
    incidents,
    overview,
    postmortems,
    services,
    system,
)
from dashboard.store.cases import Findings
from dashboard.store.people import Person, Role
from dashboard.store.postmortems import PostmortemPage, PostmortemState
from dashboard.ui import kestra, probes, session
from dashboard.ui.session import CurrentUser

ENTRY = Path(__file__).parents[2] / "dashboard" / "app.py"

Open = Callable[..., AppTest]


def person(role: Role = Role.APPROVER, name: str = "Ana Approver") -> CurrentUser:
    """Somebody signed in; the client is never asked, the store's functions are fakes."""
    return CurrentUser(
        Person(
            user_id="11111111-1111-4111-8111-111111111111",
            organization_id="22222222-2222-4222-8222-222222222222",
            organization_name="Demo",
            role=role,
            display_name=name,
            email="ana@demo.example",
        ),
        client=None,  # type: ignore[arg-type]
        writer=None,  # type: ignore[arg-type]
        logout_token="0" * 64,
    )


def well_kestra() -> KestraProbe:
    """A Kestra as the desk needs it."""
    source = flow_file().read_text(encoding="utf-8")
    flow = FlowIdentity(id="incident-handler", namespace="incident.response", revision=1, source=source)
    return KestraProbe(utc_now(), Instance(uuid="a", version="2.0.0"), flow, frozenset(KV_NEEDED))


@pytest.fixture(autouse=True)
def empty_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """An organization in which nothing has happened; tests put in what they need."""
    nothing: dict[tuple[Any, str], Any] = {
        (approvals, "list_waiting"): (),
        (approvals, "count_waiting"): 0,
        (drafts, "find_draft"): None,
        (audit, "list_entries"): ((), False),
        (audit, "note_seen"): None,
        (approvals, "list_page"): ((), False),
        (approvals, "get_precedents"): Precedents(),
        (approvals, "find_successor"): None,
        (approvals, "list_votes"): (),
        (executions, "list_action_runs"): (),
        (executions, "find_delivery"): None,
        (executions, "list_notices"): (),
        (incidents, "find_incidents"): {},
        (incidents, "list_incidents"): IncidentPage(now=utc_now()),
        (cases, "get_findings"): Findings(),
        (action_items, "list_overdue"): (),
        (overview, "get_overview"): Overview(now=utc_now()),
        (overview, "get_trend"): Trend(now=utc_now()),
        (system, "get_report"): SystemReport(now=utc_now()),
        (postmortems, "find_analysis"): None,
        (postmortems, "search_postmortems"): PostmortemPage(),
        (postmortems, "get_state"): PostmortemState(mark=""),
        (services, "list_services"): (),
        (services, "find_service"): None,
    }
    for (module, name), answer in nothing.items():
        monkeypatch.setattr(module, name, lambda *_, answer=answer, **__: answer)
    monkeypatch.setattr(session, "current_user", person)
    monkeypatch.setattr(probes, "probe_anon", lambda: ())
    monkeypatch.setattr(probes, "kestra_address", lambda: Address("http://127.0.0.1:8080"))
    monkeypatch.setattr(probes, "probe_kestra", well_kestra)
    monkeypatch.setattr(probes, "webhook_key", lambda: "incident-webhook-key")
    monkeypatch.setattr(kestra, "watch", lambda _: Snapshot())
    monkeypatch.setattr(kestra, "logs", lambda _: LogSnapshot())
    monkeypatch.setattr(kestra, "page_of", lambda _: None)


@pytest.fixture
def open_page() -> Open:
    """Open a page by its file's name, with the parameters of its address."""

    def opened(name: str = "overview", **query: str) -> AppTest:
        app = AppTest.from_file(str(ENTRY), default_timeout=20)
        for key, value in query.items():
            app.query_params[key] = value
        if name != "overview":
            app.switch_page(f"../pages/{name}.py")
        return app.run()

    return opened


def words(app: AppTest) -> str:
    """Everything a reader sees, kind by kind, as one text without the marks that keep it harmless."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "code", "text")
    found = [str(getattr(element, "value", "")) for kind in kinds for element in app.get(kind)]
    # What our own components draw stands in their data.
    drawn = [component.proto.json for component in app.get("bidi_component")]
    found += [leaf for data in drawn if data for leaf in _leaves(json.loads(data))]
    text = "\n".join(found)
    return re.sub(r"\\(?=[!-/:-@\[-`{-~])|\u2060", "", text)


def _leaves(data: Any) -> list[str]:
    """The texts in JSON, in order."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        return [leaf for part in data for leaf in _leaves(part)]
    return [data] if isinstance(data, str) else []
