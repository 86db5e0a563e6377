"""A postmortem put together: whose text stands, what is measured, what differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dashboard.domain.compose import compose, facts
from dashboard.domain.difference import Kind, difference
from dashboard.domain.markup import parse, plain
from dashboard.domain.model_text import Statement, to_edit
from dashboard.domain.postmortem import Section
from tests.app.examples import make_analysis, make_approval, make_incident
from tests.unit.test_exports import make_version

AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def test_the_text_of_people_stands_in_place_of_the_models_section_by_section() -> None:
    document = compose(
        make_incident(), make_analysis(), [make_version(2, "Ours [2]."), make_version(1, "Old.")]
    )
    assert document.section(Section.SUMMARY).text == "Ours [2]."
    assert document.section(Section.ROOT_CAUSE).text is None
    assert [part.section for part in document.cited_in(2)][:2] == [Section.SUMMARY, Section.ROOT_CAUSE]
    older = compose(
        make_incident(), make_analysis(), [make_version(2, "New."), make_version(1, "Old.")], version=1
    )
    assert (older.version, older.section(Section.SUMMARY).text) == (1, "Old.")
    own = compose(make_incident(), make_analysis(), [make_version(2, "New.")], version=0)
    assert (own.version, own.section(Section.SUMMARY).text) == (0, None)


def test_a_sentence_without_evidence_stays_marked_while_it_stands() -> None:
    bare = "Nobody knows why the connections died."
    for text, left in [(f"We know more.\n\n- {bare}", (bare,)), ("Nobody knew why. [1]", ())]:
        document = compose(make_incident(), make_analysis(), [make_version(1, text)])
        assert document.section(Section.SUMMARY).unsupported == left


def test_what_was_imported_has_a_cause_without_a_checked_analysis() -> None:
    analysis = make_analysis(analysis=None, root_cause="The pool.", impact="Payments.")
    document = compose(make_incident(), analysis)
    assert document.section(Section.ROOT_CAUSE).statements[0].text == "The pool."
    assert not document.section(Section.IMPACT).statements[0].supported


class TestFacts:
    def test_lengths_are_between_what_was_recorded(self) -> None:
        incident = make_incident(
            created_at=AT,
            acknowledged_at=AT + timedelta(minutes=4),
            resolved_at=AT + timedelta(hours=1, minutes=5),
        )
        approval = make_approval(
            status="approved", created_at=AT + timedelta(minutes=10), decided_at=AT + timedelta(minutes=13)
        )
        assert [fact.value for fact in facts(incident, [approval])] == ["4 min", "3 min", "1 h 5 min"]

    def test_what_did_not_happen_and_what_cannot_be_is_said(self) -> None:
        incident = make_incident(created_at=AT, resolved_at=AT - timedelta(seconds=3))
        values = [fact.value for fact in facts(incident, [make_approval(status="expired")])]
        assert values == ["never acknowledged", "nobody decided", "clocks disagree"]
        values = [fact.value for fact in facts(make_incident(), [])]
        assert values == ["not acknowledged yet", "no approval was asked for", "not resolved yet"]


@given(st.text(alphabet=st.sampled_from("ab1 \\`*_[]<>#!().-+~|"), min_size=1, max_size=40))
def test_the_models_words_survive_becoming_an_edit(text: str) -> None:
    flat = " ".join(text.split())
    shown = plain(parse(to_edit([Statement(text=f"x {text} x")])))
    assert shown == f"x {flat} x".replace("  ", " ")


class TestDifference:
    def test_lines_and_the_words_in_them(self) -> None:
        lines = difference("The pool was full.\nSame.", "The pool was too small.\nSame.\nMore.")
        assert [(line.kind, line.text) for line in lines] == [
            (Kind.REMOVED, "The pool was full."),
            (Kind.ADDED, "The pool was too small."),
            (Kind.SAME, "Same."),
            (Kind.ADDED, "More."),
        ]
        assert [piece.text for piece in lines[1].pieces if piece.changed] == ["too small"]

    @given(st.text(alphabet="ab \n", max_size=30), st.text(alphabet="ab \n", max_size=30))
    def test_nothing_is_left_out(self, before: str, after: str) -> None:
        lines = difference(before, after, context=100)
        if before.splitlines() != after.splitlines():
            assert [one.text for one in lines if one.kind is not Kind.ADDED] == before.splitlines()
            assert [one.text for one in lines if one.kind is not Kind.REMOVED] == after.splitlines()
        else:
            assert not lines
