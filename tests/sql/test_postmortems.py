"""Documents: sections with versions, review, search; two writers lose nothing."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.sql.desk import Desk, Person, Refused, model_answer
from tests.sql.test_races import Caller, callers
from tests.support.until import until

REMEDIATION = {
    "steps": [{"text": "Restart the instances.", "evidence": [1], "command": "kubectl rollout restart"}]
}
DOCUMENTATION = {
    "executive_summary": [{"text": "Payments timed out at the database pool.", "evidence": [1]}],
    "timeline": [{"at": "2026-11-24T02:14:00Z", "text": "The alert fired.", "evidence": [1]}],
    "root_cause_analysis": [{"text": "Dead connections were never returned.", "evidence": []}],
    "preventive_measures": [{"text": "Check connections on checkout.", "evidence": [1]}],
    "action_items": [{"title": "Set a maximum age", "owner": "payments", "priority": "HIGH", "evidence": []}],
}


def document(desk: Desk, summary: str | None = None, **payload: Any) -> str:
    """An incident whose run has ended with a document; its id."""
    submitted = desk.submit(**payload)
    execution = desk.claim(submitted)
    desk.analysed(execution)
    written = DOCUMENTATION | ({"executive_summary": [{"text": summary, "evidence": [1]}]} if summary else {})
    for step, answer in (("remediation", REMEDIATION), ("documentation", written)):
        desk.by_flow(
            "record_analysis", kestra_execution_id=execution, step=step, response=model_answer(answer)
        )
    desk.by_flow("save_analysis", kestra_execution_id=execution)
    desk.by_flow("finish_run", kestra_execution_id=execution, state="SUCCESS")
    return str(submitted["incident_id"])


def edit(desk: Desk, person: Person, incident: str, section: str, content: str | None, base: int = 0) -> int:
    answer = desk.by(
        person, "edit_postmortem", incident_id=incident, section=section, content=content, base_version=base
    )
    return int(answer["version"])


def to_status(desk: Desk, person: Person, incident: str, status: str, version: int) -> int:
    answer = desk.by(person, "set_postmortem_status", incident_id=incident, status=status, version=version)
    return int(answer["version"])


def find(desk: Desk, person: Person | None = None, **asked: Any) -> dict[str, Any]:
    claims = {"sub": (person or desk.vera).id, "role": "authenticated"}
    named = ", ".join(f"{name} => %s" for name in asked)
    query = f"select public.search_postmortems({named}) as answer"
    answer: dict[str, Any] = desk.as_role("authenticated", claims, query, list(asked.values()))[0]["answer"]
    return answer


class TestWriting:
    def test_a_finished_run_is_a_draft_of_the_model(self, desk: Desk) -> None:
        incident = document(desk)
        row = desk.row("select * from postmortems")
        assert (str(row["incident_id"]), row["status"], row["version"]) == (incident, "draft", 0)
        assert row["excerpt"] == "Payments timed out at the database pool."
        for part in ("The pool is exhausted.", "kubectl rollout restart", "Set a maximum age"):
            assert part in row["body"]

    def test_two_editors_of_different_sections_both_win(self, desk: Desk) -> None:
        incident = document(desk)
        assert edit(desk, desk.rita, incident, "summary", "By Rita.") == 1
        assert edit(desk, desk.ana, incident, "impact", "By Ana.") == 2
        newest = desk.row("select * from postmortem_versions order by version desc limit 1")
        assert {name: section["text"] for name, section in newest["sections"].items()} == {
            "summary": "By Rita.",
            "impact": "By Ana.",
        }
        assert (newest["author_name"], newest["change"], newest["section"]) == ("Ana", "edited", "impact")

    def test_of_the_same_section_the_second_is_told_who_was_first(self, desk: Desk) -> None:
        incident = document(desk)
        edit(desk, desk.rita, incident, "summary", "By Rita.")
        with pytest.raises(Refused, match="your text is kept") as refused:
            edit(desk, desk.ana, incident, "summary", "By Ana.")
        assert refused.value.code == "stale_section"
        assert (refused.value.detail["by"], refused.value.detail["version"]) == ("Rita", 1)
        assert edit(desk, desk.ana, incident, "summary", "By both.", base=1) == 2

    def test_the_same_save_twice_is_one_version(self, desk: Desk) -> None:
        incident = document(desk)
        assert [edit(desk, desk.rita, incident, "summary", "Once.") for _ in range(2)] == [1, 1]
        assert len(desk.rows("select from postmortem_versions")) == 1

    def test_the_text_of_the_model_can_be_had_back(self, desk: Desk) -> None:
        incident = document(desk)
        edit(desk, desk.rita, incident, "summary", "By Rita.")
        edit(desk, desk.rita, incident, "summary", None, base=1)
        assert desk.row("select excerpt from postmortems")["excerpt"].startswith("Payments timed out")
        with pytest.raises(Refused, match="changed this section"):
            edit(desk, desk.ana, incident, "summary", "From before.")

    def test_what_is_wrong_is_named(self, desk: Desk) -> None:
        incident = document(desk)
        for section, content, field in [
            ("conclusion", "x", "section"),
            ("summary", " \n ", "content"),
            ("summary", "x" * 20_001, "content"),
        ]:
            with pytest.raises(Refused) as refused:
                edit(desk, desk.rita, incident, section, content)
            assert [problem["field"] for problem in refused.value.detail["fields"]] == [field]

    def test_control_characters_do_not_get_in(self, desk: Desk) -> None:
        incident = document(desk)
        edit(desk, desk.rita, incident, "summary", "a\x02b\x1b[31m\x9fc\r\n\td")
        sections = desk.row("select sections from postmortem_versions")["sections"]
        assert sections["summary"]["text"] == "ab[31mc\n\td"

    def test_a_later_run_does_not_change_what_people_stand_on(self, desk: Desk) -> None:
        incident = document(desk)
        edit(desk, desk.rita, incident, "impact", "Nobody noticed.")
        desk.by(desk.rita, "request_command", kind="run_again", id=incident)
        start = desk.row("select id from outbox where kind = 'start_run' and status = 'owed'")
        execution = desk.claim({"run_id": str(start["id"])})
        desk.analysed(execution)
        later = DOCUMENTATION | {"executive_summary": [{"text": "Another story.", "evidence": []}]}
        desk.by_flow(
            "record_analysis",
            kestra_execution_id=execution,
            step="documentation",
            response=model_answer(later),
        )
        desk.by_flow("save_analysis", kestra_execution_id=execution)
        assert desk.row("select excerpt from postmortems")["excerpt"].startswith("Payments timed out")
        analysis = desk.row("select id from ai_analyses where kestra_execution_id = %s", execution)["id"]
        with pytest.raises(Refused, match="newest version"):
            desk.by(desk.rita, "take_analysis", incident_id=incident, analysis_id=analysis, version=0)
        desk.by(desk.rita, "take_analysis", incident_id=incident, analysis_id=analysis, version=1)
        row = desk.row("select * from postmortems")
        assert row["excerpt"] == "Another story."
        assert "Nobody noticed." in row["body"]

    def test_every_change_is_audited(self, desk: Desk) -> None:
        incident = document(desk)
        edit(desk, desk.rita, incident, "summary", "By Rita.")
        to_status(desk, desk.rita, incident, "in_review", 1)
        to_status(desk, desk.ana, incident, "published", 2)
        rows = desk.rows(
            "select actor_name, action, detail from audit_log"
            " where subject_kind = 'postmortem_versions' order by id"
        )
        assert [(row["actor_name"], row["action"], row["detail"]["version"]) for row in rows] == [
            ("Rita", "postmortem.edited", 1),
            ("Rita", "postmortem.in_review", 2),
            ("Ana", "postmortem.published", 3),
        ]

    def test_versions_only_grow(self, desk: Desk) -> None:
        edit(desk, desk.rita, document(desk), "summary", "By Rita.")
        with pytest.raises(psycopg.Error, match="only grows"):
            desk.rows("update postmortem_versions set author_name = 'Nobody' returning 1")


class TestReview:
    def test_draft_review_published_and_an_edit_makes_a_new_draft(self, desk: Desk) -> None:
        incident = document(desk)
        assert to_status(desk, desk.rita, incident, "in_review", 0) == 1
        assert edit(desk, desk.rita, incident, "summary", "Corrected.") == 2
        assert desk.row("select status from postmortems")["status"] == "in_review"
        assert to_status(desk, desk.ana, incident, "published", 2) == 3
        assert edit(desk, desk.rita, incident, "summary", "Changed.", base=2) == 4
        row = desk.row("select status, version, published_version from postmortems")
        assert (row["status"], row["version"], row["published_version"]) == ("draft", 4, 3)
        published = desk.row("select sections from postmortem_versions where version = 3")
        assert published["sections"]["summary"]["text"] == "Corrected."

    def test_a_responder_does_not_publish(self, desk: Desk) -> None:
        incident = document(desk)
        to_status(desk, desk.rita, incident, "in_review", 0)
        with pytest.raises(Refused, match="needs approver") as refused:
            to_status(desk, desk.rita, incident, "published", 1)
        assert refused.value.code == "not_allowed"

    def test_a_viewer_writes_nothing(self, desk: Desk) -> None:
        incident = document(desk)
        attempts: list[tuple[str, dict[str, Any]]] = [
            ("edit_postmortem", {"section": "summary", "content": "x"}),
            ("save_postmortem_draft", {"section": "summary", "content": "x"}),
            ("set_postmortem_status", {"status": "in_review"}),
            ("add_action_item", {"payload": {"title": "x"}}),
        ]
        for function, arguments in attempts:
            with pytest.raises(Refused) as refused:
                desk.by(desk.vera, function, incident_id=incident, **arguments)
            assert refused.value.code == "not_allowed", function

    def test_only_what_was_read_is_published(self, desk: Desk) -> None:
        incident = document(desk)
        to_status(desk, desk.rita, incident, "in_review", 0)
        edit(desk, desk.rita, incident, "summary", "A late change.")
        with pytest.raises(Refused) as refused:
            to_status(desk, desk.ana, incident, "published", 1)
        assert (refused.value.code, refused.value.detail["by"]) == ("stale_version", "Rita")

    def test_no_step_is_left_out(self, desk: Desk) -> None:
        incident = document(desk)
        for status in ("published", "draft"):
            with pytest.raises(Refused) as refused:
                to_status(desk, desk.ana, incident, status, 0)
            assert refused.value.code == "wrong_status"

    def test_a_step_pressed_twice_is_one(self, desk: Desk) -> None:
        incident = document(desk)
        assert [to_status(desk, desk.rita, incident, "in_review", 0) for _ in range(2)] == [1, 1]

    def test_nothing_is_not_put_up_for_review(self, desk: Desk) -> None:
        incident = str(desk.submit()["incident_id"])
        with pytest.raises(Refused) as refused:
            to_status(desk, desk.rita, incident, "in_review", 0)
        assert refused.value.code == "nothing_written"

    def test_people_may_begin_where_no_run_wrote_anything(self, desk: Desk) -> None:
        incident = str(desk.submit()["incident_id"])
        edit(desk, desk.rita, incident, "summary", "We fixed it by hand.")
        assert [row["excerpt"] for row in find(desk)["rows"]] == ["We fixed it by hand."]

    def test_another_organization_is_not_found(self, desk: Desk) -> None:
        incident = document(desk)
        other = Desk(desk.url, "globex")
        for call in (
            lambda: edit(desk, other.rita, incident, "summary", "x"),
            lambda: to_status(desk, other.ana, incident, "in_review", 0),
            lambda: desk.by(other.rita, "add_action_item", incident_id=incident, payload={"title": "x"}),
            lambda: desk.by(other.rita, "postmortem_state", incident_id=incident),
            lambda: desk.by(
                other.rita, "save_postmortem_draft", incident_id=incident, section="summary", content="x"
            ),
        ):
            with pytest.raises(Refused) as refused:
                call()
            assert refused.value.code == "not_found"


class TestTwoAtOnce:
    """The first has not committed when the second saves."""

    @pytest.fixture
    def pair(self, desk: Desk) -> Iterator[list[Caller]]:
        with callers(desk, [desk.rita, desk.ana]) as pair:
            yield pair

    @pytest.mark.parametrize(("section", "both"), [("impact", True), ("summary", False)])
    def test_both_win_or_the_second_is_told(
        self, desk: Desk, pair: list[Caller], section: str, both: bool
    ) -> None:
        incident = document(desk)
        rita, ana = pair
        rita.call("edit_postmortem", incident_id=incident, section="summary", content="Rita", base_version=0)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(
                ana.call,
                "edit_postmortem",
                incident_id=incident,
                section=section,
                content="Ana",
                base_version=0,
            )
            until(lambda: ana.is_waiting_for_a_lock(desk), "Ana waits")
            rita.connection.commit()
        if both:
            assert second.result(10)["version"] == 2
            ana.connection.commit()
            newest = desk.row("select sections from postmortem_versions order by version desc limit 1")
            assert {name: part["text"] for name, part in newest["sections"].items()} == {
                "summary": "Rita",
                "impact": "Ana",
            }
        else:
            with pytest.raises(Refused) as refused:
                second.result(10)
            assert (refused.value.code, refused.value.detail["by"]) == ("stale_section", "Rita")


class TestDrafts:
    def keep(self, desk: Desk, person: Person, incident: str, content: str | None) -> None:
        desk.by(person, "save_postmortem_draft", incident_id=incident, section="impact", content=content)

    def read(self, desk: Desk, person: Person) -> list[str]:
        claims = {"sub": person.id, "role": "authenticated"}
        rows = desk.as_role("authenticated", claims, "select content from public.postmortem_drafts", [])
        return [row["content"] for row in rows]

    def test_what_somebody_types_is_theirs_alone_and_others_see_that_they_type(self, desk: Desk) -> None:
        incident = document(desk)
        self.keep(desk, desk.rita, incident, "half a sent")
        self.keep(desk, desk.rita, incident, "half a sentence")
        assert self.read(desk, desk.rita) == ["half a sentence"]
        assert self.read(desk, desk.ana) == []
        writing = desk.by(desk.ana, "postmortem_state", incident_id=incident)["writing"]
        assert [(one["section"], one["name"]) for one in writing] == [("impact", "Rita")]
        assert desk.by(desk.rita, "postmortem_state", incident_id=incident)["writing"] == []

    def test_a_refused_save_keeps_it_and_a_good_one_drops_it(self, desk: Desk) -> None:
        incident = document(desk)
        self.keep(desk, desk.rita, incident, "mine")
        edit(desk, desk.ana, incident, "impact", "hers")
        with pytest.raises(Refused):
            edit(desk, desk.rita, incident, "impact", "mine")
        assert self.read(desk, desk.rita) == ["mine"]
        edit(desk, desk.rita, incident, "impact", "mine", base=1)
        assert self.read(desk, desk.rita) == []

    def test_the_mark_differs_when_there_is_something_new(self, desk: Desk) -> None:
        incident = document(desk)
        marks = [desk.by(desk.vera, "postmortem_state", incident_id=incident)["mark"]]
        self.keep(desk, desk.rita, incident, "typing is no news")
        marks.append(desk.by(desk.vera, "postmortem_state", incident_id=incident)["mark"])
        assert marks[0] == marks[1]
        edit(desk, desk.ana, incident, "impact", "hers")
        marks.append(desk.by(desk.vera, "postmortem_state", incident_id=incident)["mark"])
        desk.by(desk.rita, "add_action_item", incident_id=incident, payload={"title": "x"})
        marks.append(desk.by(desk.vera, "postmortem_state", incident_id=incident)["mark"])
        assert len(set(marks)) == 3


class TestItems:
    def add(self, desk: Desk, incident: str, **payload: Any) -> dict[str, Any]:
        answer: dict[str, Any] = desk.by(
            desk.rita, "add_action_item", incident_id=incident, payload={"title": "Add a test"} | payload
        )
        return answer

    def change(self, desk: Desk, item: dict[str, Any], kind: str, **payload: Any) -> dict[str, Any]:
        answer: dict[str, Any] = desk.by(
            desk.ana, "change_action_item", id=item["id"], kind=kind, payload=payload, version=item["version"]
        )
        return answer

    def test_the_life_of_one(self, desk: Desk) -> None:
        incident = document(desk)
        item = self.add(desk, incident, owner_id=desk.ben.id, due_at="2026-12-01T00:00:00Z", priority="HIGH")
        item = self.change(desk, item, "edit", title="Add two tests", owner_id=None)
        item = self.change(desk, item, "done")
        row = desk.row("select * from action_items")
        assert (row["title"], row["owner_id"], row["priority"]) == ("Add two tests", None, "HIGH")
        assert row["due_at"] is not None
        assert (row["done_by_name"], row["done_at"] is None) == ("Ana", False)
        item = self.change(desk, item, "reopen")
        row = desk.row("select * from action_items")
        assert (row["done_at"], row["done_by_name"], row["version"]) == (None, None, 4)
        actions = desk.rows("select action from audit_log where subject_kind = 'action_items' order by id")
        assert [row["action"].partition(".")[2] for row in actions] == ["added", "edited", "done", "reopened"]
        assert "Add two tests" in desk.row("select body from postmortems")["body"]

    def test_a_stale_change_is_refused_and_done_twice_is_done_once(self, desk: Desk) -> None:
        item = self.add(desk, document(desk))
        self.change(desk, item, "done")
        self.change(desk, item, "done")
        with pytest.raises(Refused) as refused:
            self.change(desk, item, "edit", title="Other")
        assert (refused.value.code, refused.value.detail["by"]) == ("stale_version", "Ana")

    def test_a_form_sent_twice_is_one_item(self, desk: Desk) -> None:
        incident = document(desk)
        assert self.add(desk, incident) == self.add(desk, incident)
        item = self.add(desk, incident, title="Another one")
        assert self.change(desk, item, "edit", title="x") == self.change(desk, item, "edit", title="x")

    def test_a_suggestion_is_taken_over_once(self, desk: Desk) -> None:
        incident = document(desk)
        first = self.add(desk, incident, suggestion="Set a maximum age")
        again = self.add(desk, incident, suggestion="Set a maximum age")
        assert first["id"] == again["id"]

    def test_what_is_wrong_is_named(self, desk: Desk) -> None:
        incident = str(desk.submit()["incident_id"])
        for field, value in {
            "title": " \n",
            "priority": "SOON",
            "owner_id": Desk(desk.url, "globex").rita.id,
            "due_at": "someday",
        }.items():
            with pytest.raises(Refused) as refused:
                self.add(desk, incident, **{field: value})
            assert [problem["field"] for problem in refused.value.detail["fields"]] == [field]


class TestSearch:
    @pytest.fixture
    def library(self, desk: Desk) -> Desk:
        document(desk, "Deadlocks in the ledger table.", title="Ledger slow", severity="HIGH")
        document(desk, "The certificate had expired overnight.", title="TLS failures")
        document(desk, "Connection pool exhausted by a deadlock.", title="Payments time out")
        return desk

    def titles(self, desk: Desk, **asked: Any) -> list[str]:
        return [row["title"] for row in find(desk, **asked)["rows"]]

    def test_newest_first_with_counts(self, library: Desk) -> None:
        assert self.titles(library) == ["Payments time out", "TLS failures", "Ledger slow"]
        assert self.titles(library, skip=1, take=1) == ["TLS failures"]
        assert find(library)["counts"] == {"draft": 3, "in_review": 0, "published": 0}

    def test_words_phrases_and_exclusions(self, library: Desk) -> None:
        for words, titles in {
            "deadlock": ["Payments time out", "Ledger slow"],
            "deadlock -ledger": ["Payments time out"],
            '"pool exhausted"': ["Payments time out"],
            '"exhausted pool"': [],
            "certificate or ledger": ["TLS failures", "Ledger slow"],
            "payment-api deadlock": ["Payments time out", "Ledger slow"],
            "kubectl": ["Payments time out", "TLS failures", "Ledger slow"],
            "' or 1=1 --": [],
            "!!! ((( &&&": [],
        }.items():
            assert self.titles(library, search=words) == titles, words

    def test_words_too_common_to_look_for_are_said_to_be(self, library: Desk) -> None:
        answer = find(library, search="the")
        assert (answer["too_common"], answer["rows"]) == (True, [])

    def test_filters_and_counts_go_together(self, library: Desk) -> None:
        incident = find(library, search="certificate")["rows"][0]["incident_id"]
        to_status(library, library.rita, incident, "in_review", 0)
        assert self.titles(library, severities=["HIGH"]) == ["Ledger slow"]
        assert self.titles(library, services=["other"]) == []
        answer = find(library, statuses=["in_review"])
        assert [row["title"] for row in answer["rows"]] == ["TLS failures"]
        assert answer["counts"] == {"draft": 2, "in_review": 1, "published": 0}

    def test_what_people_wrote_is_found_and_what_they_replaced_is_not(self, library: Desk) -> None:
        incident = find(library, search="certificate")["rows"][0]["incident_id"]
        edit(library, library.rita, incident, "summary", "A renewal job had been switched off.")
        assert self.titles(library, search="renewal") == ["TLS failures"]
        assert self.titles(library, search="overnight") == []

    def test_marks_stand_around_what_was_found_and_cannot_be_forged(self, desk: Desk) -> None:
        forged = "A \x02deadlock\x03 in <b>bold</b> **stars** \x02here\x03."
        incident = document(desk, title="A deadlock\x02x\x03")
        edit(desk, desk.rita, incident, "summary", forged)
        [row] = find(desk, search="deadlocks")["rows"]
        assert "\x02deadlock\x03 in  bold  **stars** here." in row["marked"]
        assert row["title"] == row["marked_title"] == "A deadlockx"
        assert row["marked"].count("\x02") == row["marked"].count("\x03") == 1
        assert find(desk)["rows"][0]["marked"] is None

    def test_the_list_names_the_incident_as_it_is_named_now(self, desk: Desk) -> None:
        incident = document(desk)
        desk.by(
            desk.rita,
            "update_incident",
            incident_id=incident,
            kind="severity",
            payload={"severity": "LOW"},
            version=desk.row("select version from incidents")["version"],
        )
        assert find(desk, severities=["LOW"])["rows"][0]["incident_id"] == incident

    def test_another_organization_is_never_found(self, library: Desk) -> None:
        other = Desk(library.url, "globex")
        answer = find(library, other.vera, search="deadlock")
        assert (answer["rows"], answer["counts"]["draft"]) == ([], 0)
        claims = {"sub": other.vera.id, "role": "authenticated"}
        for table in ("postmortems", "postmortem_versions", "action_items", "postmortem_drafts"):
            assert library.as_role("authenticated", claims, f"select from public.{table}", []) == []


def test_the_answer_is_json_that_the_gateway_can_send(desk: Desk) -> None:
    document(desk)
    assert json.dumps(find(desk, search="pool"))
