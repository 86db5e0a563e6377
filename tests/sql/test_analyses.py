"""What a model wrote is checked before anybody reads it."""

import json
import time

import pytest

from tests.sql.desk import ANALYSIS, Desk, model_answer
from tests.unit.test_flow_aggregate import KEPT, REDACTED


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (None, "gave no answer"),
        ("", "gave no answer"),
        ("<html>502</html>", "was not JSON"),
        ("{}", "no candidate"),
        (json.dumps({"promptFeedback": {"blockReason": "SAFETY"}}), "SAFETY"),
        (model_answer(ANALYSIS, finishReason="MAX_TOKENS"), "MAX_TOKENS"),
        (model_answer(ANALYSIS, finishReason="SAFETY"), "SAFETY"),
        (json.dumps({"candidates": [{"finishReason": "STOP"}]}), "was empty"),
        (
            json.dumps({"candidates": [{"content": {"parts": [{"text": "Sure! Here is"}]}}]}),
            "text was not JSON",
        ),
        (model_answer([1]), "no JSON object"),
        (model_answer(ANALYSIS | {"root_cause": "text"}), "root_cause is missing"),
        (model_answer(ANALYSIS | {"confidence_level": "certain"}), "confidence_level"),
        (model_answer(ANALYSIS | {"error_clusters": "many"}), "error_clusters"),
    ],
)
def test_a_bad_answer_is_a_named_problem_and_is_kept(desk: Desk, response: str | None, problem: str) -> None:
    execution = desk.claim(desk.submit())
    answer = desk.by_flow("record_analysis", kestra_execution_id=execution, step="analyze", response=response)
    assert not answer["ok"]
    assert problem in answer["problem"]
    row = desk.row("select problem, raw, root_cause from ai_analyses")
    assert row["problem"] == f"analyze: {answer['problem']}"
    assert row["raw"]["analyze"]["response"] == response
    assert row["root_cause"] is None
    saved = desk.by_flow("save_analysis", kestra_execution_id=execution)
    assert (saved["ok"], saved["problem"]) == (False, row["problem"])


def test_a_better_answer_takes_the_problem_back(desk: Desk) -> None:
    execution = desk.claim(desk.submit())
    desk.by_flow("record_analysis", kestra_execution_id=execution, step="analyze")
    desk.analysed(execution)
    row = desk.row("select problem, raw, root_cause from ai_analyses")
    assert (row["problem"], row["raw"], row["root_cause"]) == (None, {}, "The pool is exhausted.")


def test_invented_evidence_is_dropped(desk: Desk) -> None:
    execution = desk.claim(desk.submit())
    analysis = ANALYSIS | {"root_cause": {"text": "x", "evidence": [1, 99, "2", None, 1]}}
    assert desk.analysed(execution, analysis)["analysis"]["root_cause"]["evidence"] == [1]


def test_what_was_decided_and_done_becomes_evidence_for_the_document(desk: Desk) -> None:
    execution, approval = desk.waiting()
    desk.decide(desk.ana, approval, reason="ok")
    desk.begin(execution, "nonce-one")
    desk.by_flow(
        "finish_action",
        kestra_execution_id=execution,
        action_key="restart_service",
        nonce="nonce-one",
        outcome="acted",
        detail={"verified": True},
    )
    steps = {"steps": [{"text": "Restart.", "evidence": [1], "command": "restart"}]}
    recorded = desk.by_flow(
        "record_analysis", kestra_execution_id=execution, step="remediation", response=model_answer(steps)
    )
    kinds = [item["kind"] for item in recorded["evidence"]]
    assert kinds == ["log", "event", "event", "decision", "action"]
    assert [item["n"] for item in recorded["evidence"]] == [1, 2, 3, 4, 5]
    assert "Ana" not in json.dumps(recorded["evidence"]), "a person's name reaches the model"


PERSONAL = ("email", "iban", "credit_card", "phone", "ssn", "ipv4")
# The database knows no check digits and so takes out what only looks like a number of a card or an account.
TOO_MUCH = ("4111111111111112", "DE89370400440532013001")


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_what_an_approver_wrote_reaches_the_model_without_personal_data(desk: Desk, decision: str) -> None:
    execution, approval = desk.waiting()
    wrote = "Asked jane.doe@example.com, +49 170 1234567, about 10.0.0.9 and DE89 3704 0044 0532 0130 00"
    desk.decide(desk.ana, approval, decision, reason=wrote)
    recorded = desk.by_flow("record_analysis", kestra_execution_id=execution, step="remediation")
    [told] = [item["text"] for item in recorded["evidence"] if item["kind"] == "decision"]
    assert told.endswith(
        "Asked [redacted email], [redacted phone], about [redacted ipv4] and [redacted iban]"
    )
    assert desk.row("select decision_reason from approvals")["decision_reason"] == wrote


def hidden(desk: Desk, *texts: str) -> list[str]:
    query = (
        "select private.hide_personal(t) as hidden"
        " from unnest(%s::text[]) with ordinality as u (t, n) order by n"
    )
    return [row["hidden"] for row in desk.rows(query, list(texts))]


def test_the_database_knows_the_flows_kinds_of_personal_data(desk: Desk) -> None:
    cases = [case for case in REDACTED if any(f"[redacted {kind}]" in case[1] for kind in PERSONAL)] + [
        ("peer 2001:db8::ff00:42:8329 left", "peer [redacted ipv6] left"),
        ("peer 2001:db8:0:1:1:1:1:1, fe80::1", "peer [redacted ipv6], [redacted ipv6]"),
        ("mapped ::ffff:192.0.2.128 too", "mapped ::ffff:[redacted ipv4] too"),
    ]
    assert hidden(desk, *(text for text, _ in cases)) == [clean for _, clean in cases]
    kept = [text for text in KEPT if not any(number in text for number in TOO_MUCH)]
    assert hidden(desk, *kept) == kept


def test_no_pattern_of_the_database_runs_away_on_hostile_text(desk: Desk) -> None:
    begun = time.monotonic()
    hidden(desk, *(text * 2_500 for text in ("1111", "a@a@", "1.1.", "ab:1", "+1 2", "AB12", "(12)")))
    assert time.monotonic() - begun < 10


def test_the_models_severity_is_never_read(desk: Desk) -> None:
    execution = desk.claim(desk.submit(severity="LOW"))
    desk.analysed(execution, ANALYSIS | {"severity": "CRITICAL"})
    assert desk.row("select severity from incidents")["severity"] == "LOW"


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud83d alone", "alone \\udc00", "\\\\u0000 stays"])
def test_nul_and_half_characters_do_not_stop_an_answer(desk: Desk, text: str) -> None:
    execution = desk.claim(desk.submit())
    written = json.dumps(ANALYSIS).replace("The pool is exhausted.", text)
    body = model_answer(ANALYSIS).replace(json.dumps(json.dumps(ANALYSIS)), json.dumps(written))
    answer = desk.by_flow("record_analysis", kestra_execution_id=execution, step="analyze", response=body)
    assert answer["ok"], answer["problem"]
