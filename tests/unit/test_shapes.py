"""The JSON of the database, read as types: tolerant of more, strict about what is needed."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from dashboard.domain.analysis import AiAnalysis, Confidence
from dashboard.domain.approval import Approval, ApprovalStatus, content_hash, parse_proposal
from dashboard.domain.evidence import Evidence, Sentence, unsupported
from dashboard.domain.postmortem import Documentation, sentences

SENTENCE = {"text": "The pool is too small.", "evidence": [1]}
PROPOSAL: dict[str, Any] = {
    "version": 1,
    "incident": {
        "id": "i",
        "external_id": "INC-001",
        "service": "payment-api",
        "severity": "MEDIUM",
        "title": "High error rate",
    },
    "kestra_execution_id": "k",
    "statement": "Restart payment-api (instances: 2).",
    "nothing_to_carry_out": False,
    "actions": [
        {
            "key": "restart_service",
            "action": "restart_service",
            "title": "Restart payment-api",
            "catalogue_version": 1,
            "parameters": {"instances": 2},
            "request": {
                "method": "POST",
                "url": "http://s/restart",
                "headers": {},
                "body": '{"instances": 2}',
            },
            "verify": {
                "method": "GET",
                "url": "http://s",
                "headers": {},
                "expect": {"status": 200, "json": {"healthy": True}},
                "within_seconds": 30,
            },
            "expected_effect": "fresh instances",
            "risk": "low",
            "rollback": "again",
            "reason": SENTENCE,
            "secrets": ["ACTION_DEMO_TOKEN"],
        }
    ],
    "problems": [],
}


def test_a_proposal_is_read_with_its_rendered_request() -> None:
    proposal = parse_proposal(json.dumps(PROPOSAL))
    (action,) = proposal.actions
    assert action.request.body == '{"instances": 2}'
    assert action.verify is not None
    assert action.verify.expect.json_subset == {"healthy": True}


def test_a_newer_field_is_no_mistake_and_a_missing_one_is() -> None:
    parse_proposal(json.dumps({**PROPOSAL, "future": 1}))
    with pytest.raises(ValidationError):
        parse_proposal(json.dumps({k: v for k, v in PROPOSAL.items() if k != "statement"}))


def test_the_hash_is_of_the_text_as_it_stands() -> None:
    assert content_hash("é") == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
    assert content_hash('{"a":1}') != content_hash('{"a": 1}')


def test_an_approval_is_being_delivered_between_decision_and_delivery() -> None:
    approval = Approval(
        id="a",
        organization_id="o",
        incident_id="i",
        kestra_execution_id="k",
        proposal_text=json.dumps(PROPOSAL),
        content_hash="h",
        status=ApprovalStatus.APPROVED,
        deadline_at="2026-11-24T07:00:00Z",
        created_at="2026-11-24T06:00:00Z",
    )
    assert approval.is_being_delivered
    assert not approval.is_pending
    assert not approval.model_copy(update={"delivered_at": approval.deadline_at}).is_being_delivered
    assert not approval.model_copy(update={"status": ApprovalStatus.CANCELLED}).is_being_delivered


def test_parts_of_an_analysis_that_have_not_arrived_are_absent() -> None:
    row = {
        "id": "x",
        "incident_id": "i",
        "analysis": {},
        "remediation": None,
        "created_at": "2026-11-24T06:00:00Z",
    }
    analysis = AiAnalysis.model_validate({**row, "evidence": None, "error_clusters": []})
    assert analysis.analysis is None
    assert analysis.remediation is None
    assert analysis.evidence == ()
    assert analysis.completed_at is None


def test_an_analysis_reads_its_sentences_and_confidence() -> None:
    analysis = AiAnalysis.model_validate(
        {
            "id": "x",
            "incident_id": "i",
            "created_at": "2026-11-24T06:00:00Z",
            "analysis": {
                "root_cause": SENTENCE,
                "impact": SENTENCE,
                "confidence_level": "HIGH",
                "proposed_actions": [],
            },
        }
    )
    assert analysis.analysis is not None
    assert analysis.analysis.confidence_level is Confidence.HIGH
    assert analysis.analysis.root_cause.evidence == (1,)


def test_a_sentence_without_evidence_or_with_a_number_that_does_not_exist_is_unsupported() -> None:
    evidence = [Evidence(n=1, kind="log", text="x", source="s")]
    good = Sentence(text="a", evidence=(1,))
    bare = Sentence(text="b")
    wrong = Sentence(text="c", evidence=(1, 7))
    assert unsupported([good, bare, wrong], evidence) == (bare, wrong)


def test_all_statements_of_a_document_are_listed_with_their_sections() -> None:
    document = Documentation.model_validate(
        {
            "executive_summary": [SENTENCE],
            "timeline": [{"at": "about 14:00", "text": "t", "evidence": [1]}],
            "root_cause_analysis": [SENTENCE],
            "preventive_measures": [SENTENCE],
            "action_items": [{"title": "do it", "owner": "x", "priority": "HIGH", "evidence": []}],
        }
    )
    assert [section for section, _ in sentences(document)] == [
        "executive_summary",
        "timeline",
        "root_cause_analysis",
        "preventive_measures",
        "action_items",
    ]
