"""Reporting an incident: form, JSON, samples."""

from __future__ import annotations

import json

import pytest

from dashboard.domain.incident import IncidentPayload, SubmitReceipt
from dashboard.domain.severity import CHOICES
from dashboard.errors import FieldProblem, InvalidInput
from dashboard.store import incidents, services
from dashboard.store.services import Service
from dashboard.worker import bell
from tests.app.conftest import Open, words
from tests.app.examples import INCIDENT_ID, ago, make_incident


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[IncidentPayload]:
    """What reached the database."""
    payloads: list[IncidentPayload] = []

    def submit(_: object, payload: IncidentPayload) -> SubmitReceipt:
        payloads.append(payload)
        return SubmitReceipt(
            incident_id=INCIDENT_ID, external_id="INC-1", opened_at=ago(0), run_id=INCIDENT_ID
        )

    monkeypatch.setattr(incidents, "submit_incident", submit)
    monkeypatch.setattr(incidents, "get_incident", lambda *_: make_incident())
    service = Service(id="s", name="payment-api", owner="payments", tier=1)
    monkeypatch.setattr(services, "list_services", lambda _: (service,))
    return payloads


def test_the_form_becomes_a_payload_and_leads_to_the_incident(
    open_page: Open, sent: list[IncidentPayload]
) -> None:
    bell.wait(0)
    app = open_page("submit")
    app.selectbox(key="submit_service").select("payment-api")
    app.radio(key="submit_severity").set_value(CHOICES[1])
    app.text_input(key="submit_title").input("Payments fail")
    app.text_area(key="submit_logs").input("one\n\ntwo")
    app.run()
    assert "It asks a person with the role approver or above, who has 60 minutes." in words(app)
    app.button(key="submit_form").click().run()
    assert not app.exception
    assert sent[0].severity == "MEDIUM"
    assert sent[0].logs == ("one", "two")
    assert bell.wait(0)
    assert app.title[0].value == "Payments time out at the database pool"


def test_each_wrong_field_says_what_is_wrong(open_page: Open, sent: list[IncidentPayload]) -> None:
    app = open_page("submit")
    app.button(key="submit_form").click().run()
    text = words(app)
    assert not sent
    assert "service must not be empty" in text
    assert "severity must be LOW, MEDIUM, HIGH or CRITICAL" in text
    assert "title must not be empty" in text


def test_what_the_database_refuses_stands_at_its_field(
    open_page: Open, sent: list[IncidentPayload], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InvalidInput("It cannot be filed.", fields=[FieldProblem("title", "is too *odd*")])

    monkeypatch.setattr(incidents, "submit_incident", refuse)
    app = open_page("submit")
    app.selectbox(key="submit_service").select("payment-api")
    app.radio(key="submit_severity").set_value(CHOICES[0])
    app.text_input(key="submit_title").input("Odd")
    app.button(key="submit_form").click().run()
    assert "title is too *odd*" in words(app)
    assert app.text_input(key="submit_title").value == "Odd"


class TestJson:
    def submit(self, open_page: Open, text: str) -> str:
        app = open_page("submit")
        app.session_state["submit_tab"] = "JSON"
        app.run()
        app.text_area(key="submit_json").input(text)
        app.button(key="submit_json_press").click().run()
        assert not app.exception
        return words(app)

    def test_a_good_one_is_sent(self, open_page: Open, sent: list[IncidentPayload]) -> None:
        payload = {"service": "payment-api", "severity": "high", "title": "T", "metrics": {"a": 0.5}}
        self.submit(open_page, json.dumps(payload))
        assert sent[0].metrics == {"a": 0.5}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{\n  "service": "a",\n  oops\n}', "at line 3, column 3."),
            ("", "at line 1, column 1."),
            ("[1]", "must be one object"),
            ('{"metrics": {"a": NaN}}', "NaN is no JSON number"),
            ('{"service": "a", "title": "t"}', "severity is required"),
            ("[" * 100_000, "nested too deeply"),
        ],
    )
    def test_a_bad_one_says_where(
        self, open_page: Open, sent: list[IncidentPayload], text: str, said: str
    ) -> None:
        assert said in self.submit(open_page, text)
        assert not sent


def test_each_sample_is_one_press_and_a_new_incident_each_time(
    open_page: Open, sent: list[IncidentPayload]
) -> None:
    for level in [*CHOICES, CHOICES[0]]:
        app = open_page("submit")
        app.session_state["submit_tab"] = "Samples"
        app.run()
        app.button(key=f"sample_{level}").click().run()
        assert not app.exception
    assert [payload.severity for payload in sent] == [*CHOICES, CHOICES[0]]
    assert len({payload.id for payload in sent}) == 5
    assert all(payload.file_separately for payload in sent)
