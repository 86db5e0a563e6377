"""The rest of the story, after the decision: the act, the documents, the end."""

import uuid
from typing import Any

from tests.sql.desk import Desk, model_answer

_CITED = [{"text": "The pool was exhausted.", "evidence": [1]}]
REMEDIATION: dict[str, Any] = {
    "steps": [{"text": "Restart the service.", "evidence": [1]}],
    "rollback": _CITED,
    "verification": _CITED,
}
DOCUMENTATION: dict[str, Any] = {
    "executive_summary": _CITED,
    "timeline": [{"at": "2026-11-24T05:00:00Z", "text": "The pool ran full.", "evidence": [1]}],
    "root_cause_analysis": _CITED,
    "preventive_measures": _CITED,
    "action_items": [{"title": "Raise the limit", "owner": "payments", "priority": "HIGH", "evidence": [1]}],
}


def carry_out(desk: Desk, execution: str) -> None:
    """What the flow does once a proposal is approved, as if everything went well."""
    nonce = uuid.uuid4().hex
    leave = desk.begin(execution, nonce)
    assert leave["allowed"], leave
    desk.by_flow(
        "finish_action",
        kestra_execution_id=execution,
        action_key=leave["action_key"],
        nonce=nonce,
        outcome="acted",
        detail={"code": 200, "verified": True},
    )
    for step, answer in (("remediation", REMEDIATION), ("documentation", DOCUMENTATION)):
        recorded = desk.by_flow(
            "record_analysis", kestra_execution_id=execution, step=step, response=model_answer(answer)
        )
        assert recorded["ok"], recorded
    saved = desk.by_flow("save_analysis", kestra_execution_id=execution, model="test", tokens={})
    assert saved["ok"], saved
    desk.by_flow("finish_run", kestra_execution_id=execution, state="SUCCESS", seen=5)
