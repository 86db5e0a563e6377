"""Postmortems: the list, the document, writing in it, the way to publication."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.clock import to_iso
from dashboard.domain.compose import Record
from dashboard.domain.incident import Incident
from dashboard.domain.postmortem import (
    ItemRecord,
    PostmortemStatus,
    PostmortemVersion,
    Section,
    SectionDraft,
)
from dashboard.errors import NotAllowed, StaleVersion, UpstreamUnreachable
from dashboard.store import action_items, cases, postmortems
from dashboard.store.people import Role
from dashboard.store.postmortems import FoundPostmortem, PostmortemPage, PostmortemState, Whole
from dashboard.ui import known, session
from tests.app.conftest import Open, person, words
from tests.app.examples import INCIDENT_ID, ago, make_analysis, make_incident

EVIL = "] ![x](https://evil.example/?a) [Approve](https://evil.example) :green-badge[resolved] \x02x\x03"


def make_version(number: int, **fields: Any) -> PostmortemVersion:
    base = {
        "id": number,
        "incident_id": INCIDENT_ID,
        "version": number,
        "status": "draft",
        "sections": {},
        "author_id": "11111111-1111-4111-8111-111111111111",
        "author_name": "Rita Responder",
        "at": ago(60),
        "section": "summary",
    }
    return PostmortemVersion.model_validate(base | fields)


def make_section(text: str | None, version: int = 1, by: str = "Rita Responder") -> dict[str, Any]:
    return {"text": text, "version": version, "by": by, "by_id": "1", "at": to_iso(ago(60))}


def make_item(**fields: Any) -> ItemRecord:
    base = {"id": "i1", "incident_id": INCIDENT_ID, "title": "Add a test", "created_at": ago(9_000)}
    return ItemRecord.model_validate(base | fields)


class Library:
    """A document in place of the store's; what pages write is in `written`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.incident: Incident = make_incident(status="resolved", resolved_at=ago(5))
        self.analysis: AiAnalysis | None = make_analysis(completed_at=ago(5))
        self.versions: tuple[PostmortemVersion, ...] = ()
        self.items: tuple[ItemRecord, ...] = ()
        self.drafts: dict[str, SectionDraft] = {}
        self.newer: str | None = None
        self.mark = "1"
        self.written: list[tuple[Any, ...]] = []
        self.refusal: Exception | None = None
        monkeypatch.setattr(postmortems, "get_whole", self.whole)
        monkeypatch.setattr(postmortems, "get_state", lambda *_: PostmortemState(mark=self.mark))
        monkeypatch.setattr(cases, "list_colleagues", lambda _: ())
        for module, name in [
            (postmortems, "edit"),
            (postmortems, "keep_draft"),
            (postmortems, "set_status"),
            (postmortems, "take_analysis"),
            (action_items, "add"),
            (action_items, "set_done"),
        ]:
            monkeypatch.setattr(module, name, self._writer(name))

    def whole(self, _: object, __: str, version: int | None = None) -> Whole:
        state = PostmortemState(mark=self.mark)
        record = Record(items=self.items)
        return Whole(state, self.incident, self.analysis, self.versions, record, self.drafts, self.newer)

    def _writer(self, name: str) -> Any:
        def write(_: object, *arguments: Any, **more: Any) -> int:
            if self.refusal and name != "keep_draft":
                raise self.refusal
            self.written.append((name, *arguments, *more.values()))
            return 1

        return write


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    return Library(monkeypatch)


def read(open_page: Open, **query: str) -> AppTest:
    app = open_page("postmortem", id=INCIDENT_ID, **query)
    assert not app.exception
    return app


class TestList:
    FOUND = FoundPostmortem(
        incident_id=INCIDENT_ID,
        external_id="INC-1",
        service="payment-api",
        severity="HIGH",
        title="Payments time out",
        status=PostmortemStatus.DRAFT,
        version=0,
        excerpt="Payments timed out.",
        written_at=ago(60),
        updated_at=ago(60),
    )

    def test_what_is_looked_for_stands_in_the_address(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[dict[str, object]] = []

        def search(_: object, **filters: object) -> PostmortemPage:
            asked.append(filters)
            return PostmortemPage(rows=(self.FOUND,), counts={PostmortemStatus.DRAFT: 1})

        monkeypatch.setattr(postmortems, "search_postmortems", search)
        text = words(open_page("postmortems", q="pool", status="draft", severity="HIGH"))
        assert asked[-1] == {
            "search": "pool",
            "services": (),
            "severities": ("HIGH",),
            "statuses": ("draft",),
            "page": 1,
        }
        assert "Payments timed out." in text
        assert "draft of the model" in text

    def test_found_words_are_marked_and_nothing_else_acts(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        marked = "The \x02pool\x03 **was** :red[x] ![y](https://evil.example) full"
        found = self.FOUND.model_copy(update={"marked": marked, "version": 3})
        monkeypatch.setattr(postmortems, "search_postmortems", lambda *_, **__: PostmortemPage(rows=(found,)))
        app = open_page("postmortems", q="pool")
        [line] = [element.value for element in app.markdown if "pool" in element.value]
        assert ":yellow-background[**pool**]" in line
        assert r"\*\*was\*\*" in line
        assert "](" not in line

    @pytest.mark.parametrize(
        ("page", "query", "sentence"),
        [
            (PostmortemPage(), {}, "No postmortem was written yet."),
            (PostmortemPage(), {"q": "x"}, "No postmortem matches."),
            (PostmortemPage(too_common=True), {"q": "the"}, "Every document has these words."),
        ],
    )
    def test_none_filtered_out_and_too_common_are_three_sentences(
        self,
        open_page: Open,
        monkeypatch: pytest.MonkeyPatch,
        page: PostmortemPage,
        query: dict[str, str],
        sentence: str,
    ) -> None:
        monkeypatch.setattr(postmortems, "search_postmortems", lambda *_, **__: page)
        assert sentence in words(open_page("postmortems", **query))


class TestReading:
    def test_statements_lead_to_their_evidence_and_those_without_say_so(
        self, open_page: Open, library: Library
    ) -> None:
        text = words(read(open_page))
        assert (
            "Payments timed out because the database pool was exhausted. "
            ":small[[1](#evidence-1)] :small[[2](#evidence-2)]" in text
        )
        assert "Nobody knows why the connections died. :orange-badge[:material/help: unsupported]" in text
        assert "###### Evidence 1" in text
        assert "Named in [Summary](#summary)" in text
        assert "unfinished" not in text

    def test_whose_text_it_is_can_be_told(self, open_page: Open, library: Library) -> None:
        left = "We fixed it [1].\n\nNobody knows why the connections died."
        library.versions = (make_version(1, sections={"summary": make_section(left)}),)
        text = words(read(open_page))
        assert ":blue-badge[:material/person: Rita Responder] :small[:gray[wrote this" in text
        assert "We fixed it :small[[1](#evidence-1)]." in text
        assert "from the model, without evidence: “Nobody knows why the connections died.”" in text
        assert ":violet-badge[:material/smart_toy: model demo-model] :small[:gray[wrote this" in text

    def test_a_linked_piece_of_evidence_stands_first(self, open_page: Open, library: Library) -> None:
        text = words(read(open_page, evidence="3"))
        assert text.index("linked") < text.index("###### Evidence 3") < text.index("###### Evidence 1")
        assert "There is no evidence with the number 99." in words(read(open_page, evidence="99"))

    def test_an_unfinished_one_says_so_and_names_its_problem(self, open_page: Open, library: Library) -> None:
        library.analysis = make_analysis(documentation=None, problem="The answer was cut off (MAX_TOKENS).")
        text = words(read(open_page))
        assert "this document is unfinished" in text
        assert "The answer was cut off" in text
        assert "Not written." in text

    def test_without_any_analysis_people_can_begin(self, open_page: Open, library: Library) -> None:
        library.analysis = None
        app = read(open_page)
        assert app.button(key="edit_summary").label == "Write"

    def test_hostile_text_shows_and_does_nothing(self, open_page: Open, library: Library) -> None:
        library.incident = make_incident(title=EVIL, service=EVIL)
        library.analysis = make_analysis(
            documentation={
                "executive_summary": [{"text": EVIL, "evidence": [1]}],
                "action_items": [{"title": EVIL, "owner": EVIL, "priority": "LOW", "evidence": []}],
            },
            model=EVIL,
            problem=EVIL,
            evidence=[{"n": 1, "kind": "event", "text": EVIL, "source": EVIL}],
        )
        library.versions = (
            make_version(1, author_name=EVIL, sections={"impact": make_section(EVIL, by=EVIL)}),
        )
        library.items = (make_item(title=EVIL, owner_name=EVIL),)
        app = read(open_page)
        for element in [*app.markdown, *app.title, *app.warning, *app.caption, *app.info, *app.subheader]:
            outside_code = "".join(str(element.value).split("`")[::2])
            for link in outside_code.split("](")[1:]:
                assert link.startswith(("#", "<https://evil.example")), element.value
            # A code span within a directive would end at the first bracket in it.
            assert not re.search(r"(?<!\\):[a-z-]+\[[^\]]*`", str(element.value)), element.value
            assert "![" not in outside_code
            assert "[resolved]" not in outside_code.replace(
                ":green-badge[:material/check_circle: resolved]", ""
            )

    def test_older_versions_can_be_read_and_not_changed(self, open_page: Open, library: Library) -> None:
        library.versions = (
            make_version(2, sections={"summary": make_section("Newer.", 2)}),
            make_version(1, sections={"summary": make_section("Older.")}),
        )
        app = read(open_page, version="1")
        text = words(app)
        assert "Older." in text
        assert "This is version 1; the newest is 2." in text
        assert app.button(key="edit_summary").disabled
        app.button(key="newest").click().run()
        assert "Newer." in words(app)

    def test_two_versions_can_be_compared(self, open_page: Open, library: Library) -> None:
        library.versions = (
            make_version(2, sections={"summary": make_section("The pool was too small.", 2)}),
            make_version(1, sections={"summary": make_section("The pool was full.")}),
        )
        text = words(read(open_page))
        assert ":red-badge[:material/remove: out]" in text
        assert ":green-background[too small]" in text

    def test_what_cannot_be_reached_stays_with_its_age(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = read(open_page)
        monkeypatch.setattr(postmortems, "get_whole", away)
        text = words(app.run())
        assert "Shown is what was known just now" in text
        assert "Payments timed out" in text

    def test_its_head_says_how_far_it_is_and_by_whom(self, open_page: Open, library: Library) -> None:
        assert "The model's draft; nobody has changed it." in words(read(open_page))
        library.versions = (make_version(1),)
        assert "A draft that people have changed." in words(read(open_page))
        asked = make_version(2, status="in_review", change="status", author_name="Ben", at=ago(600))
        library.versions = (asked, *library.versions)
        assert "In review; Ben asked for it 10 min ago" in words(read(open_page))
        published = make_version(3, status="published", change="status", author_name="Ana **A**", at=ago(300))
        library.versions = (published, *library.versions)
        assert "Published by Ana **A** 5 min ago" in words(read(open_page))  # letter by letter


def away(*_: object) -> None:
    raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")


class TestOutage:
    def test_nothing_can_be_pressed_and_why_not_is_said(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library.versions = (make_version(1, status="in_review", change="status", section=None),)
        library.items = (make_item(),)
        library.newer = "a2"
        app = read(open_page)
        app.button(key="edit_summary").click().run()
        # The block that looks again all the time notices it, and the buttons go off with it.
        monkeypatch.setattr(postmortems, "get_whole", away)
        monkeypatch.setattr(postmortems, "get_state", away)
        app.run()
        assert not app.exception
        keys = ["to_published", "to_draft", "take_newer", "save_summary", "edit_impact"]
        keys += ["done_i1", "change_i1", "new_item_save"]
        buttons = [app.button(key=key) for key in keys]
        buttons += [button for button in app.button if str(button.key).startswith("take_")]
        for button in buttons:
            assert button.disabled, button.key
            assert "nothing can be changed just now" in button.help, button.key
        assert app.text_area(key=f"text_summary_{INCIDENT_ID}").value

    def test_versions_that_cannot_be_fetched_leave_the_rest_of_the_document(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library.versions = (make_version(2), make_version(1))

        def newest_only(client: object, incident: str, version: int | None = None) -> Whole:
            if version is not None:
                raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")
            return library.whole(client, incident)

        monkeypatch.setattr(postmortems, "get_whole", newest_only)
        app = read(open_page)
        assert len(app.title) == 1
        assert "Supabase cannot be reached" in words(app)
        assert app.button(key="edit_summary")

    def test_the_page_is_drawn_anew_once_it_is_over(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = read(open_page)
        monkeypatch.setattr(known, "_LEAVE_ALONE", timedelta(0))
        left = [away]

        def whole(*arguments: Any) -> Whole:
            return left.pop()() if left else library.whole(*arguments)  # type: ignore[func-returns-value]

        monkeypatch.setattr(postmortems, "get_whole", whole)
        # The document is drawn with an error, then the head gets an answer: the page runs again.
        assert "Shown is what was known" not in words(app.run())
        assert not left
        assert not app.button(key="edit_summary").disabled

    def test_a_document_that_could_not_be_read_is_read_once_there_is_an_answer(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postmortems, "get_whole", away)
        monkeypatch.setattr(postmortems, "get_state", away)
        app = open_page("postmortem", id=INCIDENT_ID)
        assert len(app.warning) == 1
        left = [away]

        def whole(*arguments: Any) -> Whole:
            return left.pop()() if left else library.whole(*arguments)  # type: ignore[func-returns-value]

        monkeypatch.setattr(postmortems, "get_whole", whole)
        monkeypatch.setattr(postmortems, "get_state", lambda *_: PostmortemState(mark="1"))
        app.run()
        assert not app.warning
        assert "Payments timed out" in words(app)

    def test_an_answer_that_helps_nothing_is_not_asked_for_for_ever(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[object] = []

        def refuse(*_: object) -> None:
            asked.append(None)
            raise NotAllowed("Supabase", "Not yours.")

        monkeypatch.setattr(postmortems, "get_whole", refuse)
        text = words(open_page("postmortem", id=INCIDENT_ID))
        assert "Not yours." in text
        assert len(asked) == 2


class TestWriting:
    def begin(self, open_page: Open) -> AppTest:
        app = read(open_page)
        app.button(key="edit_summary").click().run()
        return app

    def field(self, app: AppTest) -> Any:
        return app.text_area(key=f"text_summary_{INCIDENT_ID}")

    def test_an_edit_begins_with_the_text_and_its_evidence(self, open_page: Open, library: Library) -> None:
        assert self.field(self.begin(open_page)).value == (
            "Payments timed out because the database pool was exhausted. [1, 2]\n\n"
            "Nobody knows why the connections died."
        )

    def test_what_is_typed_is_kept_and_saved_on_the_version_it_began_from(
        self, open_page: Open, library: Library
    ) -> None:
        app = self.begin(open_page)
        self.field(app).input("Ours [1].").run()
        assert library.written == [("keep_draft", INCIDENT_ID, Section.SUMMARY, "Ours [1].", 0)]
        app.button(key="save_summary").click().run()
        assert library.written[-1] == ("edit", INCIDENT_ID, Section.SUMMARY, "Ours [1].", 0)
        assert not app.text_area

    def test_whoever_was_slower_sees_both_texts_and_chooses(self, open_page: Open, library: Library) -> None:
        app = self.begin(open_page)
        self.field(app).input("Mine.").run()
        library.refusal = StaleVersion("Somebody else changed this section.", by="Rita Responder")
        library.versions = (make_version(1, sections={"summary": make_section("Theirs.")}),)
        app.button(key="save_summary").click().run()
        text = words(app)
        assert "Rita Responder changed this section" in text
        assert "Theirs." in text
        assert self.field(app).value == "Mine."
        library.refusal = None
        assert app.button(key="save_summary").label == "Save mine in place of Rita Responder's"
        library.versions = (make_version(1, sections={"summary": make_section("Theirs.", by="Rita **R**")}),)
        label = app.run().button(key="save_summary").label
        assert label == r"Save mine in place of Rita \*\*R\*\*'s"
        library.versions = (make_version(1, sections={"summary": make_section("Theirs.", by="")}),)
        assert app.run().button(key="save_summary").label == "Save mine in place of theirs"
        app.button(key="save_summary").click().run()
        assert library.written[-1] == ("edit", INCIDENT_ID, Section.SUMMARY, "Mine.", 1)

    def test_theirs_can_be_kept(self, open_page: Open, library: Library) -> None:
        app = self.begin(open_page)
        library.versions = (make_version(1, sections={"summary": make_section("Theirs.")}),)
        app.run()
        app.button(key="cancel_summary").click().run()
        assert library.written[-1] == ("keep_draft", INCIDENT_ID, Section.SUMMARY, None, 0)
        assert not app.text_area
        assert "Theirs." in words(app)

    def test_text_from_before_a_reload_is_offered(self, open_page: Open, library: Library) -> None:
        library.drafts = {
            "impact": SectionDraft(section="impact", content="Half a sen", base_version=0, at=ago(600))
        }
        app = read(open_page)
        assert "typed 10 min ago" in words(app)
        app.button(key="resume_impact").click().run()
        assert app.text_area(key=f"text_impact_{INCIDENT_ID}").value == "Half a sen"

    def test_the_models_text_can_be_had_back(self, open_page: Open, library: Library) -> None:
        library.versions = (make_version(1, sections={"summary": make_section("Ours.")}),)
        app = self.begin(open_page)
        app.button(key="restore_summary").click().run()
        assert library.written[-1] == ("edit", INCIDENT_ID, Section.SUMMARY, None, 1)

    def test_a_refusal_is_said_and_the_text_stays(self, open_page: Open, library: Library) -> None:
        app = self.begin(open_page)
        library.refusal = NotAllowed("Supabase", "Your role is viewer; this needs responder or more.")
        app.button(key="save_summary").click().run()
        assert "Your role is viewer" in words(app)
        assert app.text_area

    def test_a_viewer_is_told_why_not(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "current_user", lambda: person(Role.VIEWER, "Vera Viewer"))
        app = read(open_page)
        assert app.button(key="edit_summary").disabled
        assert "Your role is viewer; responders write." in words(app)
        assert app.button(key="to_in_review").disabled


class TestReview:
    def test_a_responder_asks_for_review_and_an_approver_publishes(
        self, open_page: Open, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read(open_page).button(key="to_in_review").click().run()
        assert library.written == [("set_status", INCIDENT_ID, PostmortemStatus.IN_REVIEW, 0)]
        library.versions = (make_version(1, status="in_review", change="status", section=None),)
        read(open_page).button(key="to_published").click().run()
        assert library.written[-1] == ("set_status", INCIDENT_ID, PostmortemStatus.PUBLISHED, 1)
        monkeypatch.setattr(session, "current_user", lambda: person(Role.RESPONDER, "Rita Responder"))
        app = read(open_page)
        assert app.button(key="to_published").disabled
        assert "an approver publishes" in words(app)

    def test_what_changed_since_publication_is_said(self, open_page: Open, library: Library) -> None:
        library.versions = (
            make_version(2, sections={"summary": make_section("Changed.", 2)}),
            make_version(1, status="published", change="status", section=None),
        )
        app = read(open_page)
        assert "Version 1 is published." in words(app)
        app.button(key="published").click().run()
        assert "This is version 1; the newest is 2." in words(app)

    def test_a_newer_version_is_not_published_unread(self, open_page: Open, library: Library) -> None:
        library.versions = (make_version(1, status="in_review", change="status", section=None),)
        app = read(open_page)
        library.refusal = StaleVersion("The document changed while you looked at it.", by="Rita Responder")
        app.button(key="to_published").click().run()
        assert "The document changed while you looked at it." in words(app)

    def test_the_text_of_a_later_run_is_offered(self, open_page: Open, library: Library) -> None:
        library.versions = (make_version(1),)
        library.newer = "a2"
        read(open_page).button(key="take_newer").click().run()
        assert library.written == [("take_analysis", INCIDENT_ID, "a2", 1)]


class TestItems:
    def test_a_suggestion_is_taken_over(self, open_page: Open, library: Library) -> None:
        [take] = [button for button in read(open_page).button if str(button.key).startswith("take_")]
        take.click().run()
        [(name, incident, entry)] = library.written
        assert (name, incident, entry.title, entry.suggestion, entry.priority) == (
            "add",
            INCIDENT_ID,
            "Set a maximum age for connections",
            "Set a maximum age for connections",
            "HIGH",
        )

    def test_one_is_written_down_done_and_reopened(self, open_page: Open, library: Library) -> None:
        app = read(open_page)
        app.text_input(key="new_item_title").input("Write a runbook")
        app.button(key="new_item_save").click().run()
        assert library.written[-1][2].title == "Write a runbook"
        library.items = (make_item(due_at=ago(90_000)),)
        app = read(open_page)
        assert "overdue since" in words(app)
        app.button(key="done_i1").click().run()
        assert library.written[-1] == ("set_done", library.items[0], True)
        library.items = (make_item(done_at=ago(5), done_by_name="Ana Approver"),)
        app = read(open_page)
        assert "done by Ana Approver" in words(app)
        app.button(key="done_i1").click().run()
        assert library.written[-1] == ("set_done", library.items[0], False)
