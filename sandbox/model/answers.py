"""The three documents the demo model writes, and what it says to any other schema."""

from typing import Any

from sandbox.model.briefing import Briefing, Item, Json
from sandbox.model.causes import Finding, cause_of, findings

CITED_AT_MOST = 5
CLUSTERS_AT_MOST = 6
TIMELINE_AT_MOST = 25
RESTART = "restart_service"


def answer(briefing: Briefing) -> Any:
    """The document for the requested schema; its kind is told by the schema's own fields."""
    if briefing.schema is None:
        return "This is the demo model: it has nothing to say without a response schema."
    asked = briefing.schema.get("properties", {})
    found = findings(briefing.evidence)
    if "root_cause" in asked and "proposed_actions" in asked:
        return _analysis(briefing, found)
    if "steps" in asked and "rollback" in asked:
        return _remediation(briefing, found)
    if "executive_summary" in asked and "timeline" in asked:
        return _documentation(briefing, found)
    return _filler(briefing.schema)


def _sentence(text: str, evidence: tuple[int, ...] | list[int] = ()) -> Json:
    return {"text": text, "evidence": list(evidence)[:CITED_AT_MOST]}


def _of_kind(briefing: Briefing, *kinds: str) -> list[int]:
    return [item.n for item in briefing.evidence if item.kind in kinds]


def _analysis(briefing: Briefing, found: list[Finding]) -> Json:
    everything = [item.n for item in briefing.evidence]
    if found:
        strongest = found[0]
        root_cause = _sentence(
            f"According to the demo model, {strongest.cause.sentence}.", strongest.evidence
        )
        confidence = "HIGH" if len(strongest.evidence) >= 3 and len(found) == 1 else "MEDIUM"
        reason = (
            f"Evidence that points to it: {len(strongest.evidence)}. Other possible causes: {len(found) - 1}."
        )
    else:
        root_cause = _sentence(
            "The demo model knows no rule that fits this evidence: the cause is unknown.", everything
        )
        confidence, reason = "LOW", "No rule fits."
    return {
        "root_cause": root_cause,
        "impact": _impact(briefing),
        "error_clusters": [
            {
                "label": finding.cause.label,
                "count": len(finding.evidence),
                "evidence": list(finding.evidence)[:CITED_AT_MOST],
            }
            for finding in found[:CLUSTERS_AT_MOST]
        ],
        "confidence_level": confidence,
        "confidence_reason": reason,
        "proposed_actions": _restart(briefing, found),
    }


def _impact(briefing: Briefing) -> Json:
    metrics = [i.n for i in briefing.evidence if i.kind == "metric" and "error_rate" in i.text]
    if metrics:
        return _sentence(f"Requests to {briefing.service} fail at the rate that was measured.", metrics)
    reported = _of_kind(briefing, "alert", "cluster", "log")
    return _sentence(f"Users of {briefing.service} are affected; how many is not known.", reported)


def _restart(briefing: Briefing, found: list[Finding]) -> list[Json]:
    """A restart, if the catalogue has one, it helps the strongest cause and its parameters are clear."""
    catalogue = briefing.data.get("actions")
    offered = [a for a in catalogue if isinstance(a, dict)] if isinstance(catalogue, list) else []
    action = next((a for a in offered if a.get("key") == RESTART), None)
    if action is None or not found or not found[0].cause.restart_helps:
        return []
    parameters = _parameters(action.get("parameters"))
    if parameters is None:
        return []
    reason = _sentence("A restart frees what the process holds.", found[0].evidence)
    return [{"action_key": RESTART, "parameters": parameters, "reason": reason}]


def _parameters(schema: object) -> list[Json] | None:
    """The most careful value of every required parameter, as text; None if one cannot be known."""
    if not isinstance(schema, dict):
        return []
    chosen = []
    for name in schema.get("required", []):
        rules = schema.get("properties", {}).get(name, {})
        if "default" in rules:
            value = rules["default"]
        elif rules.get("enum"):
            value = rules["enum"][0]
        elif rules.get("type") in ("integer", "number"):
            value = max(2, rules.get("minimum", 2)) if rules.get("maximum", 2) >= 2 else rules["maximum"]
        else:
            return None
        chosen.append({"name": name, "value": str(value)})
    return chosen


def _remediation(briefing: Briefing, found: list[Finding]) -> Json:
    done = _of_kind(briefing, "action")
    steps: list[Json] = [
        {
            "text": f"Read this plan of the demo model and check the present state of {briefing.service}.",
            "evidence": done[:CITED_AT_MOST],
        }
    ]
    for finding in found[:2]:
        steps += [
            {"text": check, "evidence": list(finding.evidence)[:CITED_AT_MOST]}
            for check in finding.cause.checks
        ]
    if any(finding.cause.restart_helps for finding in found[:1]) and not done:
        steps.append(
            {
                "text": "Restart one instance, watch it, then restart the others.",
                "evidence": list(found[0].evidence)[:CITED_AT_MOST],
            }
        )
    observed = _of_kind(briefing, "cluster", "log", "metric")
    return {
        "steps": steps,
        "rollback": [
            _sentence("Set the number of instances and the configuration back to what they were.", done)
        ],
        "verification": [_sentence("The errors counted here no longer appear for ten minutes.", observed)],
    }


def _documentation(briefing: Briefing, found: list[Finding]) -> Json:
    cause = found[0] if found else None
    summary = [
        _sentence(
            f"An incident of {briefing.service}, summed up by the demo model.",
            _of_kind(briefing, "alert", "cluster"),
        )
    ]
    summary += [
        _sentence(_told(item), [item.n]) for item in briefing.evidence if item.kind in ("decision", "action")
    ][:6]
    return {
        "executive_summary": summary,
        "timeline": [
            {"at": item.at, "text": _told(item), "evidence": [item.n]}
            for item in sorted((i for i in briefing.evidence if i.at), key=lambda i: (i.at or "", i.n))
        ][-TIMELINE_AT_MOST:],
        "root_cause_analysis": [
            _sentence(f"Most likely {cause.cause.sentence}.", cause.evidence)
            if cause
            else _sentence("The cause is not known.", _of_kind(briefing, "alert"))
        ],
        "preventive_measures": [_sentence(f.cause.prevention, f.evidence) for f in found[:3]],
        "action_items": [
            {
                "title": f.cause.prevention.rstrip("."),
                "owner": _owner(briefing),
                "priority": "HIGH" if f is cause else "MEDIUM",
                "evidence": list(f.evidence)[:CITED_AT_MOST],
            }
            for f in found[:3]
        ],
    }


def _owner(briefing: Briefing) -> str:
    service = briefing.data.get("service")
    owner = service.get("owner") if isinstance(service, dict) else None
    return owner if isinstance(owner, str) and len(owner) <= 60 else "unknown"


# What the database writes about a run, by the words it uses; the first that is found counts.
_SAID = {
    "decision": (
        ("approver approved", "An approver approved the proposal."),
        ("approver rejected", "An approver rejected the proposal."),
        ("(expired)", "Nobody decided on the proposal before its deadline."),
        ("", "The proposal was not decided."),
    ),
    "action": (
        ("may or may not", "A remediation action was begun; whether it happened is not known."),
        ("did not happen", "A remediation action failed."),
        ("effect was seen", "A remediation action was carried out and its effect was seen."),
        ("carried out", "A remediation action was carried out; its effect was not seen."),
        ("", "A remediation action was begun."),
    ),
    "event": (
        ("incident was reported", "The incident was reported."),
        ("flow proposed", "The flow proposed a remediation."),
        ("incident was escalated", "The incident was escalated to people."),
        ("", "The record of the incident changed."),
    ),
    "history": (("", "An earlier incident of this service was resolved."),),
}
_OBSERVED = {
    "cluster": "Similar log lines were counted",
    "metric": "A metric was reported",
    "alert": "An alert was reported",
    "log": "A log line was written",
}


def _told(item: Item) -> str:
    """What the timeline says of an item: fixed words chosen by its kind, none of the item's own."""
    if item.kind in _SAID:
        text = item.text.lower()
        return next(said for seen, said in _SAID[item.kind] if seen in text)
    cause = cause_of(item)
    return _OBSERVED.get(item.kind, "Something was recorded") + (f": {cause.sign}." if cause else ".")


def _filler(schema: Json) -> Any:
    """The smallest value an unknown schema allows."""
    kind = str(schema.get("type", "STRING")).upper()
    if kind == "OBJECT":
        properties: Json = schema.get("properties", {})
        return {name: _filler(properties[name]) for name in schema.get("required", properties)}
    if kind == "ARRAY":
        return [_filler(schema.get("items", {}))] * int(schema.get("minItems", 0))
    if kind in ("INTEGER", "NUMBER"):
        return schema.get("minimum", 0)
    if kind == "BOOLEAN":
        return False
    return schema["enum"][0] if schema.get("enum") else "demo model"
