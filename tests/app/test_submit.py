"""Reporting an incident: form, JSON, samples, drafts, and what is said beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.domain.draft import Draft, Pair, SaveReceipt, StoredDraft
from dashboard.domain.incident import IncidentPayload, SubmitReceipt
from dashboard.domain.preview import Branch, PossibleAction, Preview, PreviewedService, Twin
from dashboard.domain.severity import CHOICES, Severity
from dashboard.errors import FieldProblem, InvalidInput, NotFound, StaleContent, UpstreamUnreachable
from dashboard.samples import SAMPLES
from dashboard.store import cases, drafts, incidents, previews, services
from dashboard.store.services import Service
from dashboard.worker import bell
from tests.app.conftest import Open, words
from tests.app.examples import INCIDENT_ID, ago

GUIDE = {
    "id": "INC-001",
    "service": "payment-api",
    "severity": "HIGH",
    "title": "High Error Rate",
    "logs": ["ERROR: Connection timeout"],
    "metrics": {"error_rate": 0.45},
    "context": {"host": "prod-api-1"},
    "organization_id": "uuid",
}
MEDIUM = Branch(
    severity=Severity.MEDIUM, does="ask", why="It stops.", deciders=("Ana", "Ben"), minutes_to_decide=30
)
TWIN = Twin(
    incident_id=INCIDENT_ID,
    external_id="INC-9",
    title="Payments *fail*",
    severity=Severity.MEDIUM,
    status="open",
    opened_at=ago(600),
    occurrences=2,
    effect="counted",
)


def preview(medium: Branch = MEDIUM, twin: Twin | None = None) -> Preview:
    return Preview(
        service=PreviewedService(name="payment-api", owner="payments", tier=1),
        branches=(
            Branch(severity=Severity.LOW, does="escalate", why="payment-api does not allow it."),
            medium,
            Branch(severity=Severity.HIGH, does="escalate"),
            Branch(severity=Severity.CRITICAL, does="escalate"),
        ),
        twin=twin,
    )


@dataclass
class Database:
    """What the page asks and what reached it; `refusal` is raised instead of filing."""

    sent: list[IncidentPayload] = field(default_factory=list)
    draft: StoredDraft | None = None
    preview: Callable[..., Preview] = lambda *_: preview()
    refusal: Exception | None = None

    def submit(self, _: object, payload: IncidentPayload) -> SubmitReceipt:
        if self.refusal:
            raise self.refusal
        self.sent.append(payload)
        times = sum(other.title == payload.title for other in self.sent)
        joined = times > 1 and not payload.file_separately
        return SubmitReceipt(
            incident_id=INCIDENT_ID,
            external_id="INC-1",
            opened_at=ago(0),
            run_id=INCIDENT_ID,
            joined=joined,
            occurrences=times,
        )

    def save(self, _: object, draft: Draft, version: int) -> SaveReceipt:
        if version != (self.draft.version if self.draft else 0):
            raise StaleContent("Another tab saved a newer draft.")
        self.draft = StoredDraft(content=draft, version=version + 1, saved_at=ago(0))
        return SaveReceipt(version=version + 1, saved_at=self.draft.saved_at)

    def discard(self, _: object) -> None:
        self.draft = None


def gone(*_: object) -> None:
    """The incident's own page is tested elsewhere; here it is enough to get there."""
    raise NotFound("There is no such incident.")


def is_at_the_incident(app: AppTest) -> bool:
    return app.query_params.get("id") == INCIDENT_ID


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr(incidents, "submit_incident", database.submit)
    monkeypatch.setattr(cases, "get_case", gone)
    monkeypatch.setattr(drafts, "find_draft", lambda _: database.draft)
    monkeypatch.setattr(drafts, "save_draft", database.save)
    monkeypatch.setattr(drafts, "discard_draft", database.discard)
    monkeypatch.setattr(previews, "preview_submission", lambda *asked: database.preview(*asked[1:]))
    service = Service(id="s", name="payment-api", owner="payments", tier=1)
    monkeypatch.setattr(services, "list_services", lambda _: (service,))
    return database


def fill(app: AppTest, title: str = "Payments fail") -> None:
    app.selectbox(key="submit_service").select("payment-api")
    app.radio(key="submit_severity").set_value(CHOICES[1])
    app.text_input(key="submit_title").input(title)


def tab(open_page: Open, name: str) -> AppTest:
    return open_page("submit", tab=name)


class TestTheForm:
    def test_it_becomes_a_payload_and_leads_to_the_incident(
        self, open_page: Open, database: Database
    ) -> None:
        bell.wait(0)
        app = open_page("submit")
        fill(app)
        app.text_area(key="submit_logs").input("one\n\ntwo")
        # Pressed at once: what was typed comes with the press.
        app.button(key="submit_form").click().run()
        assert not app.exception
        assert database.sent[0].severity == "MEDIUM"
        assert database.sent[0].logs == ("one", "two")
        assert (database.sent[0].id or "").startswith("INC-")
        assert bell.wait(0)
        assert is_at_the_incident(app)

    def test_each_wrong_field_says_what_is_wrong_until_it_is_right(
        self, open_page: Open, database: Database
    ) -> None:
        app = open_page("submit")
        assert "must not be empty" not in words(app), "complains before anybody tried"
        app.button(key="submit_form").click().run()
        text = words(app)
        assert not database.sent
        assert "service] must not be empty" in text
        assert "severity] must be LOW, MEDIUM, HIGH or CRITICAL" in text
        assert "title] must not be empty" in text
        app.text_input(key="submit_title").input("Payments fail").run()
        assert "title] must not be empty" not in words(app)

    def test_what_the_database_refuses_stands_at_its_field_and_nothing_typed_is_lost(
        self, open_page: Open, database: Database
    ) -> None:
        database.refusal = InvalidInput("It cannot be filed.", fields=[FieldProblem("title", "is too *odd*")])
        app = open_page("submit")
        fill(app, "Odd")
        app.text_area(key="submit_logs").input("one")
        app.button(key="submit_form").click().run()
        assert "title] is too *odd*" in words(app)
        assert app.text_input(key="submit_title").value == "Odd"
        assert app.text_area(key="submit_logs").value == "one"
        app.text_input(key="submit_title").input("Even").run()
        assert "is too *odd*" not in words(app), "a refusal of something else"

    def test_a_lost_answer_and_a_second_press_send_the_same_id(
        self, open_page: Open, database: Database
    ) -> None:
        database.refusal = UpstreamUnreachable("Supabase", "Supabase did not answer in time.")
        asked: list[str | None] = []
        submit = database.submit
        app = open_page("submit")
        fill(app)
        incidents.submit_incident = lambda _, payload: (asked.append(payload.id), submit(_, payload))[1]  # type: ignore[assignment]
        app.button(key="submit_form").click().run()
        assert "did not answer in time" in words(app)
        database.refusal = None
        app.button(key="submit_form").click().run()
        assert len(asked) == 2
        assert asked[0] == asked[1] == database.sent[0].id

    def test_rows_of_metrics_and_context(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app)
        app.text_input(key="submit_metrics_0_name_0").input("error_rate")
        app.text_input(key="submit_metrics_0_value_0").input("0.45")
        app.button(key="submit_metrics_0_add").click().run()
        app.text_input(key="submit_metrics_0_name_1").input("error_rate")
        app.text_input(key="submit_metrics_0_value_1").input("high")
        app.text_input(key="submit_context_0_value_0").input("nameless")
        app.button(key="submit_form").click().run()
        assert "error_rate stands twice" in words(app)
        assert "the value 'nameless' has no name" in words(app)
        app.button(key="submit_metrics_0_remove_0").click().run()
        app.text_input(key="submit_context_0_name_0").input("note")
        app.button(key="submit_form").click().run()
        assert database.sent[0].metrics == {"error_rate": "high"}
        assert database.sent[0].context == {"note": "nameless"}

    def test_an_uploaded_log_counts_before_it_is_sent(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app)
        lines = "\n".join(f"ERROR {number}" for number in range(20_001))
        app.file_uploader[0].upload("night.log", lines.encode()).run()
        assert "20,001 of 20,000 log lines" in words(app)
        assert "too much" in words(app)
        app.button(key="submit_form").click().run()
        assert not database.sent
        app.button(key="submit_remove_file").click().run()
        app.file_uploader[0].upload("night.log", b"\xef\xbb\xbfone\n\ntw\xff\n").run()
        app.text_area(key="submit_logs").input("three")
        app.button(key="submit_form").click().run()
        assert database.sent[0].logs == ("one", "tw\ufffd", "three")


class TestWhatIsSaidBefore:
    def test_who_is_asked_and_until_when(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app)
        app.run()
        assert "One of these must approve: **Ana**, **Ben**" in words(app)
        assert "30 min to decide" in words(app)
        assert (
            app.radio(key="submit_severity").proto.captions[1]
            == "Stops and asks Ana or Ben; 30 min to decide."
        )

    def test_a_warning_where_nobody_may_decide(self, open_page: Open, database: Database) -> None:
        database.preview = lambda *_: preview(MEDIUM.model_copy(update={"deciders": ()}))
        app = open_page("submit")
        fill(app)
        app.run()
        assert "Nobody may decide on it, and 1 must approve" in app.warning[0].value

    def test_an_open_twin_is_named_and_may_be_left_alone(self, open_page: Open, database: Database) -> None:
        asked: list[tuple[Any, ...]] = []
        database.preview = lambda *what: (asked.append(what), preview(twin=TWIN))[1]
        app = open_page("submit")
        fill(app)
        app.run()
        assert asked[-1] == ("payment-api", "MEDIUM", "Payments fail", "")
        assert "seen 2 times" in words(app)
        assert "Yours joins it" in words(app)
        app.checkbox(key="submit_separately").check().run()
        assert "an incident of its own" in words(app)
        app.button(key="submit_form").click().run()
        assert database.sent[0].file_separately

    def test_low_says_what_may_be_done(self) -> None:
        act = Branch(severity=Severity.LOW, does="act", actions=(PossibleAction(title="Drop", risk="high"),))
        assert "nothing of low risk" in act.summary()

    def test_without_an_answer_the_form_still_works(self, open_page: Open, database: Database) -> None:
        def silent(*_: object) -> Preview:
            raise UpstreamUnreachable("Supabase", "Supabase cannot be reached.")

        database.preview = silent
        app = open_page("submit")
        fill(app)
        app.run()
        assert "It cannot be said just now" in words(app)
        assert app.radio(key="submit_severity").proto.captions[1] == Severity.MEDIUM.consequence


def test_nothing_can_be_pressed_while_supabase_is_away_and_the_reason_stands_there(
    open_page: Open, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> tuple[Service, ...]:
        raise UpstreamUnreachable("Supabase", "Supabase cannot be reached.")

    monkeypatch.setattr(services, "list_services", away)
    app = open_page("submit")
    assert app.button(key="submit_form").disabled
    assert "nothing can be submitted just now" in words(app)


class TestDrafts:
    def test_what_is_typed_is_kept_and_says_since_when(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        assert database.draft is None
        fill(app)
        app.text_input(key="submit_metrics_0_name_0").input("error_rate").run()
        assert database.draft is not None
        assert database.draft.content.title == "Payments fail"
        assert database.draft.content.metrics == (Pair(name="error_rate"),)
        assert f"Draft saved {database.draft.saved_at:%H:%M:%S} UTC" in words(app)

    def test_a_reload_finds_it_again(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app)
        app.text_area(key="submit_logs").input("one\ntwo")
        app.text_input(key="submit_context_0_name_0").input("host")
        app.text_input(key="submit_context_0_value_0").input("a").run()
        again = open_page("submit")
        assert again.text_input(key="submit_title").value == "Payments fail"
        assert again.selectbox(key="submit_service").value == "payment-api"
        assert again.radio(key="submit_severity").value is Severity.MEDIUM
        assert again.text_area(key="submit_logs").value == "one\ntwo"
        assert again.text_input(key="submit_context_1_value_0").value == "a"
        assert "restored" in words(again)

    def test_a_new_service_name_comes_back_too(self, open_page: Open, database: Database) -> None:
        draft = Draft(attempt="INC-1", service="brand-new", title="T")
        database.draft = StoredDraft(content=draft, version=3, saved_at=ago(60))
        app = open_page("submit")
        assert app.selectbox(key="submit_service").value == "brand-new"

    def test_another_tab_of_the_page_does_not_lose_it(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app)
        app.text_input(key="submit_metrics_0_name_0").input("error_rate").run()
        app.session_state["submit_tab"] = "JSON"
        app.run()
        app.text_area(key="submit_json").input('{"a":').run()
        app.session_state["submit_tab"] = "Form"
        app.run()
        assert app.text_input(key="submit_title").value == "Payments fail"
        assert app.text_input(key="submit_metrics_0_name_0").value == "error_rate"
        app.session_state["submit_tab"] = "JSON"
        app.run()
        assert app.text_area(key="submit_json").value == '{"a":'

    def test_discarded_and_brought_back(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app)
        app.run()
        app.button(key="submit_discard").click().run()
        assert app.text_input(key="submit_title").value == ""
        assert database.draft is None
        app.button(key="submit_undo").click().run()
        assert app.text_input(key="submit_title").value == "Payments fail"
        assert database.draft is not None

    def test_a_submitted_one_is_forgotten_and_what_was_not_sent_stays(
        self, open_page: Open, database: Database
    ) -> None:
        app = open_page("submit")
        app.session_state["submit_tab"] = "JSON"
        app.run()
        app.text_area(key="submit_json").input("later").run()
        app.session_state["submit_tab"] = "Form"
        app.run()
        fill(app)
        app.button(key="submit_form").click().run()
        assert database.draft is not None
        assert database.draft.content.json_text == "later"
        assert database.draft.content.title == ""
        assert database.draft.content.attempt != database.sent[0].id

    def test_a_newer_one_of_another_tab_is_not_overwritten(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app, "mine")
        app.run()
        theirs = Draft(attempt="INC-2", title="theirs")
        database.draft = StoredDraft(content=theirs, version=9, saved_at=ago(0))
        app.text_input(key="submit_title").input("mine, longer").run()
        assert database.draft.content == theirs
        assert "Another tab of yours" in app.warning[0].value
        app.button(key="submit_keep_this").click().run()
        assert database.draft.content.title == "mine, longer"
        database.draft = StoredDraft(content=theirs, version=20, saved_at=ago(0))
        app.text_input(key="submit_title").input("mine, even longer").run()
        app.button(key="submit_take_saved").click().run()
        assert app.text_input(key="submit_title").value == "theirs"

    def test_one_too_large_to_keep_says_so(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app)
        app.text_area(key="submit_logs").input("x" * 1_000_001).run()
        assert "draft not saved" in words(app)
        assert "lives in this tab only" in words(app)


class TestJson:
    def submit(self, open_page: Open, text: str) -> AppTest:
        app = tab(open_page, "json")
        app.text_area(key="submit_json").input(text)
        app.button(key="submit_json_press").click().run()
        assert not app.exception
        return app

    def test_the_guides_json_works_unchanged(self, open_page: Open, database: Database) -> None:
        self.submit(open_page, json.dumps(GUIDE, indent=2))
        assert database.sent[0].to_json() == {k: v for k, v in GUIDE.items() if k != "organization_id"} | {
            "file_separately": False
        }

    def test_the_example_that_is_offered_works_too(self, open_page: Open, database: Database) -> None:
        app = tab(open_page, "json")
        app.button(key="submit_json_example").click().run()
        app.button(key="submit_json_press").click().run()
        assert database.sent[0].id == "INC-001"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{\n  "service": "a",\n  oops\n}', "at line 3, column 3."),
            ("", "There is no JSON yet"),
            ("[1]", "must be one object"),
            ('{"metrics": {"a": NaN}}', "NaN is no JSON number"),
            ('{"metrics": {"a": 1e999}}', "1e999 is too large"),
            ('{"metrics": {"a": ' + "9" * 5000 + "}}", "is too large"),
            ('{"service": "a", "service": "b"}', "$.service] stands twice"),
            ('{"service": "a", "title": "t"}', "$.severity] is required"),
            (
                '{"service": "a", "title": "t", "severity": "LOW", "logs": ["a", 3]}',
                "$.logs[1]] must be text",
            ),
            ('{"service": "a", "title": "\\ud800", "severity": "LOW"}', "$.title]"),
            ("[" * 100_000, "nested too deeply"),
        ],
    )
    def test_a_bad_one_says_where(self, open_page: Open, database: Database, text: str, said: str) -> None:
        app = self.submit(open_page, text)
        assert said in words(app)
        assert not database.sent
        assert app.text_area(key="submit_json").value == text

    def test_the_line_is_shown_with_a_caret_under_the_place(
        self, open_page: Open, database: Database
    ) -> None:
        app = self.submit(open_page, '{\n  "service": "a",\n  :red[oops]\n}')
        assert app.code[0].value == ('     2 |   "service": "a",\n     3 |   :red[oops]\n       |   ^')
        assert app.code[0].language in ("", "plaintext", None)

    def test_it_is_laid_out_on_request(self, open_page: Open, database: Database) -> None:
        app = tab(open_page, "json")
        app.text_area(key="submit_json").input('{"title":"é","logs":[]}')
        app.button(key="submit_json_format").click().run()
        assert app.text_area(key="submit_json").value == '{\n  "title": "é",\n  "logs": []\n}'

    def test_a_file_fills_the_text(self, open_page: Open, database: Database) -> None:
        app = tab(open_page, "json")
        app.file_uploader[0].upload("incident.json", json.dumps(GUIDE).encode()).run()
        assert json.loads(app.text_area(key="submit_json").value) == GUIDE
        app.file_uploader[0].upload("incident.json", b"\xff").run()
        assert "byte 0 cannot be read" in words(app)

    def test_the_preview_is_of_what_the_text_says(self, open_page: Open, database: Database) -> None:
        asked: list[tuple[Any, ...]] = []
        database.preview = lambda *what: (asked.append(what), preview())[1]
        app = tab(open_page, "json")
        app.text_area(key="submit_json").input(json.dumps(GUIDE)).run()
        assert asked[-1] == ("payment-api", "HIGH", "High Error Rate", "INC-001")


class TestSamples:
    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
    def test_one_press_sends_it_as_often_as_it_says(
        self, open_page: Open, database: Database, sample: Any
    ) -> None:
        for _ in range(2):
            app = tab(open_page, "samples")
            app.button(key=f"sample_{sample.key}").click().run()
            assert not app.exception
        assert len(database.sent) == 2 * sample.times
        if sample.times == 1:
            assert len({payload.id for payload in database.sent}) == 2, "two presses, one incident"
            assert is_at_the_incident(app)
        else:
            assert {payload.id for payload in database.sent} == {None}
            assert "Report 5 joined INC-1, now seen 10 times." in words(app)

    @pytest.mark.parametrize("key", ["hostile", "long"])
    def test_put_into_the_form_it_is_the_same_incident(
        self, open_page: Open, database: Database, key: str
    ) -> None:
        (sample,) = [sample for sample in SAMPLES if sample.key == key]
        app = tab(open_page, "samples")
        app.button(key=f"edit_{key}").click().run()
        assert app.text_input(key="submit_title").value == sample.title
        app.button(key="submit_form").click().run()
        assert not app.exception
        assert database.sent[0].logs == sample.logs
        assert database.sent[0].context == sample.context
        assert database.sent[0].metrics == sample.metrics

    def test_what_stood_in_the_form_can_be_brought_back(self, open_page: Open, database: Database) -> None:
        app = open_page("submit")
        fill(app, "mine")
        app.run()
        app.session_state["submit_tab"] = "Samples"
        app.run()
        app.button(key="edit_LOW").click().run()
        assert app.text_input(key="submit_title").value != "mine"
        app.button(key="submit_undo").click().run()
        assert app.text_input(key="submit_title").value == "mine"

    def test_hostile_text_is_shown_as_text(self, open_page: Open, database: Database) -> None:
        app = tab(open_page, "samples")
        shown = "\n".join(element.value for element in app.markdown)
        assert "![x](https" not in shown
        assert "<b>Search" not in shown
