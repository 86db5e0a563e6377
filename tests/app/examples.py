"""Rows as the store answers them, with what a test does not care about filled in."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.approval import Approval, ApprovalRule, WaitingApproval, content_hash
from dashboard.domain.clock import to_iso, utc_now
from dashboard.domain.execution import Execution, ExecutionRecord
from dashboard.domain.incident import Incident, IncidentEvent
from dashboard.domain.listing import IncidentPage, ListedIncident
from dashboard.domain.overview import Attention, Overview
from dashboard.store.executions import Owed

INCIDENT_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
APPROVAL_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
ORGANIZATION_ID = "22222222-2222-4222-8222-222222222222"
EXECUTION_ID = "4TKRtVDlLyvi8HGqZp4lz1"


def ago(seconds: float) -> datetime:
    return utc_now() - timedelta(seconds=seconds)


def make_incident(**fields: Any) -> Incident:
    base = {
        "id": INCIDENT_ID,
        "organization_id": ORGANIZATION_ID,
        "external_id": "INC-20261124-0001",
        "source": "desk",
        "service": "payment-api",
        "severity": "MEDIUM",
        "status": "investigating",
        "title": "Payments time out at the database pool",
        "logs": ["ERROR Connection timeout: pool exhausted after 30000 ms"] * 3,
        "metrics": {"error_rate": 0.18},
        "context": {"host": "payment-api-2"},
        "submitted_by_name": "Rita Responder",
        "created_at": ago(95),
    }
    return Incident.model_validate(base | fields)


def make_run(**fields: Any) -> ExecutionRecord:
    base = {
        "id": "9b2e6679-7425-40de-944b-e07fc1f90ae7",
        "organization_id": ORGANIZATION_ID,
        "incident_id": INCIDENT_ID,
        "kestra_execution_id": EXECUTION_ID,
        "state": "RUNNING",
        "step": "ai_agent_analyze",
        "started_at": ago(90),
        "reported_at": ago(4),
    }
    return ExecutionRecord.model_validate(base | fields)


def make_start(**fields: Any) -> Owed:
    base = {
        "id": "aaaaaaaa-7425-40de-944b-e07fc1f90ae7",
        "incident_id": INCIDENT_ID,
        "kind": "start_run",
        "status": "owed",
        "payload": {},
        "detail": {},
        "created_at": ago(3),
    }
    return Owed.model_validate(base | fields)


def make_command(**fields: Any) -> Owed:
    base = {
        "id": "cccccccc-7425-40de-944b-e07fc1f90ae7",
        "incident_id": INCIDENT_ID,
        "kind": "command",
        "status": "owed",
        "payload": {"command": "kill", "kestra_execution_id": EXECUTION_ID},
        "detail": {},
        "requested_by_name": "Ana Approver",
        "created_at": ago(12),
    }
    return Owed.model_validate(base | fields)


def make_event(kind: str, by: str, *, number: int = 1, **detail: Any) -> IncidentEvent:
    return IncidentEvent(
        id=number,
        incident_id=INCIDENT_ID,
        kind=kind,
        actor_name=by,
        at=ago(5),
        detail=detail,
        has_payload=kind == "seen_again",
    )


def make_execution(
    state: str = "PAUSED", *tasks: tuple[str, str], began_seconds_ago: float = 90
) -> Execution:
    """An execution whose tasks, in order, are in the states given."""
    at = began_seconds_ago
    runs = []
    for number, (task, task_state) in enumerate(tasks):
        history = [{"state": "CREATED", "at": ago(at)}, {"state": "RUNNING", "at": ago(at - 0.2)}]
        at -= 4
        if task_state != "RUNNING":
            history.append({"state": task_state, "at": ago(at)})
        runs.append(
            {"id": f"t{number}", "task_id": task, "state": task_state, "history": history, "attempts": 1}
        )
    return Execution.model_validate(
        {
            "id": EXECUTION_ID,
            "namespace": "incident.response",
            "flow_id": "incident-handler",
            "state": state,
            "history": [{"state": "CREATED", "at": ago(began_seconds_ago)}, {"state": state, "at": ago(at)}],
            "task_runs": runs,
        }
    )


PAUSED_TASKS = (
    ("open_run", "SUCCESS"),
    ("aggregate_data_sources", "SUCCESS"),
    ("ai_agent_analyze", "SUCCESS"),
    ("ai_agent_decision_branch", "RUNNING"),
    ("request_approval", "SUCCESS"),
    ("require_approval_medium", "PAUSED"),
)


def make_proposal_text(**fields: Any) -> str:
    base = {
        "version": 1,
        "incident": {
            "id": INCIDENT_ID,
            "external_id": "INC-20261124-0001",
            "service": "payment-api",
            "severity": "MEDIUM",
            "title": "Payments time out at the database pool",
        },
        "kestra_execution_id": EXECUTION_ID,
        "statement": "Restart payment-api (instances: 2).",
        "nothing_to_carry_out": False,
        "actions": [
            {
                "key": "1-restart_service",
                "action": "restart_service",
                "title": "Restart payment-api",
                "catalogue_version": 1,
                "parameters": {"instances": 2},
                "request": {
                    "method": "POST",
                    "url": "http://127.0.0.1:8091/services/payment-api/restart",
                    "headers": {
                        "Authorization": "Bearer ${ACTION_DEMO_TOKEN}",
                        "Idempotency-Key": "${idempotency_key}",
                    },
                    "body": '{"instances": 2}',
                },
                "verify": {"method": "GET", "url": "http://127.0.0.1:8091/services/payment-api"},
                "expected_effect": "Fresh connections; the error rate falls below 1 %.",
                "risk": "low",
                "rollback": "Restart again with the former number of instances.",
                "reason": {"text": "The pool is exhausted by dead connections.", "evidence": [1, 2]},
                "secrets": ["ACTION_DEMO_TOKEN"],
            }
        ],
        "problems": [],
    }
    return json.dumps(base | fields, indent=2)


def make_approval(**fields: Any) -> Approval:
    text = fields.pop("proposal_text", make_proposal_text())
    base = {
        "id": APPROVAL_ID,
        "organization_id": ORGANIZATION_ID,
        "incident_id": INCIDENT_ID,
        "kestra_execution_id": EXECUTION_ID,
        "proposal_text": text,
        "content_hash": content_hash(text),
        "status": "pending",
        "deadline_at": ago(-3_120),
        "requested_by_name": "Rita Responder",
        "created_at": ago(60),
    }
    return Approval.model_validate(base | fields)


def make_waiting(**fields: Any) -> WaitingApproval:
    base = {
        "id": APPROVAL_ID,
        "incident_id": INCIDENT_ID,
        "external_id": "INC-20261124-0001",
        "service": "payment-api",
        "severity": "MEDIUM",
        "title": "Payments time out at the database pool",
        "summary": "Restart payment-api (instances: 2).",
        "deadline_at": ago(-3_120),
        "created_at": ago(60),
        "requested_by_name": "Rita Responder",
        "may_decide": True,
    }
    return WaitingApproval.model_validate(base | fields)


def make_rule(**fields: Any) -> ApprovalRule:
    base = {
        "may_decide": True,
        "rule": "MEDIUM incidents of payment-api stop for a person with the role approver or more.",
        "deciders": ["Ada Admin", "Ana Approver"],
    }
    return ApprovalRule.model_validate(base | fields)


def make_analysis(**fields: Any) -> AiAnalysis:
    def sentence(text: str, *evidence: int) -> dict[str, Any]:
        return {"text": text, "evidence": list(evidence)}

    base = {
        "id": "bbbbbbbb-7425-40de-944b-e07fc1f90ae7",
        "incident_id": INCIDENT_ID,
        "analysis": {
            "root_cause": sentence(
                "The database pool of payment-api is exhausted by dead connections.", 1, 2
            ),
            "impact": sentence("About every fifth payment fails after 30 s.", 3),
            "error_clusters": [{"label": "Connection timeout: pool exhausted", "count": 3, "evidence": [1]}],
            "confidence_level": "MEDIUM",
            "confidence_reason": "Logs and metrics agree; no earlier incident is like it.",
            "proposed_actions": [],
        },
        "error_clusters": [{"label": "Connection timeout: pool exhausted", "count": 3, "evidence": [1]}],
        "confidence_level": "MEDIUM",
        "remediation": {
            "steps": [
                {
                    "text": "Look at the pool before anything else.",
                    "evidence": [1],
                    "command": "SELECT count(*) FROM pg_stat_activity;",
                },
                {"text": "Restart the instances one by one.", "evidence": [2]},
            ],
            "rollback": [sentence("Restart again with the former number of instances.", 2)],
            "verification": [sentence("The error rate stays below 1 % for ten minutes.", 3)],
        },
        "documentation": {
            "executive_summary": [
                sentence("Payments timed out because the database pool was exhausted.", 1, 2),
                sentence("Nobody knows why the connections died."),
            ],
            "timeline": [{"at": to_iso(ago(95)), "text": "The incident was reported.", "evidence": [4]}],
            "root_cause_analysis": [sentence("Dead connections were never given back.", 1)],
            "preventive_measures": [sentence("Check connections when they are taken from the pool.", 1)],
            "action_items": [
                {
                    "title": "Set a maximum age for connections",
                    "owner": "payments",
                    "priority": "HIGH",
                    "evidence": [1],
                }
            ],
        },
        "evidence": [
            {
                "n": 1,
                "kind": "cluster",
                "text": "3 x ERROR Connection timeout: pool exhausted after # ms",
                "source": "incident logs",
            },
            {
                "n": 2,
                "kind": "log",
                "at": ago(97),
                "text": "ERROR POST /charges 503 in 30012 ms",
                "source": "incident logs",
            },
            {"n": 3, "kind": "metric", "text": "error_rate = 0.18", "source": "incident metrics"},
            {
                "n": 4,
                "kind": "alert",
                "at": ago(95),
                "text": "Reported by Rita Responder",
                "source": "incident",
            },
        ],
        "redactions": {"email": 2},
        "model": "demo-model",
        "created_at": ago(80),
        "completed_at": None,
    }
    return AiAnalysis.model_validate(base | fields)


def make_overview(**parts: Any) -> Overview:
    return Overview.model_validate({"now": utc_now(), "worker_seen_at": ago(3)} | parts)


def make_attention(**fields: Any) -> Attention:
    base = {
        "id": INCIDENT_ID,
        "external_id": "INC-20261124-0001",
        "service": "payment-api",
        "severity": "HIGH",
        "status": "investigating",
        "title": "Payments time out at the database pool",
        "reason": "Escalated: it is HIGH.",
        "created_at": ago(95),
        "escalated_at": ago(60),
        "told_nobody": True,
        "since": ago(60),
    }
    return Attention.model_validate(base | fields)


def make_listed(**fields: Any) -> ListedIncident:
    base = {
        "id": INCIDENT_ID,
        "external_id": "INC-20261124-0001",
        "source": "desk",
        "service": "payment-api",
        "severity": "MEDIUM",
        "status": "investigating",
        "title": "Payments time out at the database pool",
        "created_at": ago(95),
    }
    return ListedIncident.model_validate(base | fields)


def make_page(*incidents: ListedIncident) -> IncidentPage:
    return IncidentPage(now=utc_now(), incidents=incidents, count=len(incidents))
