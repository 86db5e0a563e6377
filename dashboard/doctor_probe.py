"""What Kestra itself reaches, asked through a small flow of ours that runs there and changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from dashboard.doctor_operations import clocks_agree
from dashboard.domain.clock import utc_now
from dashboard.domain.execution import Execution, FlowIdentity, LogLine
from dashboard.domain.finding import Finding, Health
from dashboard.errors import IncidentScribeError, NotFound, UpstreamUnreachable
from dashboard.kestra_api.followers import Api, Followers
from dashboard.worker.start import NAMESPACE

PROBE_ID = "incidentscribe-probe"
PROBE_SECONDS = 120.0
"""A Kestra that is busy or new takes its time; its own time-outs in the flow sum up to less."""

_DEPLOY = "incidentscribe deploy"


class ProbedApi(Api, Protocol):
    def find_flow(self, namespace: str, flow_id: str) -> FlowIdentity | None: ...

    def create_flow(self, source: str) -> FlowIdentity: ...

    def update_flow(self, namespace: str, flow_id: str, source: str) -> FlowIdentity: ...

    def create_execution(self, namespace: str, flow_id: str) -> str: ...

    def get_task_outputs(self, execution: Execution, task_id: str) -> dict[str, Any]: ...

    def list_logs(
        self, execution_id: str, *, min_level: str = "INFO", task_id: str | None = None
    ) -> tuple[LogLine, ...]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """How a task of the probe ended: its outputs, and its errors in Kestra's words."""

    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """The answers by task, and between which moments of this machine's clock they were made."""

    answers: Mapping[str, Answer]
    began_at: datetime
    ended_at: datetime


def run_probe(api: ProbedApi, source: str, seconds: float = PROBE_SECONDS) -> Probe:
    """Save the probe where it is not as in the file, run it, and read how its tasks ended.

    Raises UpstreamUnreachable also when it has not ended after `seconds`.
    """
    found = api.find_flow(NAMESPACE, PROBE_ID)
    if found is None:
        api.create_flow(source)
    elif found.source.strip() != source.strip():
        api.update_flow(NAMESPACE, PROBE_ID, source)
    began_at = utc_now()
    execution = _ended(api, api.create_execution(NAMESPACE, PROBE_ID), seconds)
    answers = {task: _answer(api, execution, task) for task in ("python", "supabase", "model")}
    return Probe(answers, began_at, utc_now())


def _ended(api: ProbedApi, execution_id: str, seconds: float) -> Execution:
    followers = Followers(api)
    try:
        deadline, version = time.monotonic() + seconds, 0
        while (left := deadline - time.monotonic()) > 0:
            snapshot = followers.wait_for_change(execution_id, version, left)
            version = snapshot.version
            if snapshot.execution is not None and snapshot.execution.is_terminal:
                return snapshot.execution
    finally:
        followers.close()
    raise UpstreamUnreachable(
        "Kestra",
        f"The probe {execution_id} has not ended after {seconds:.0f} s.",
        means="Kestra takes work and does not do it, or does it very slowly.",
        to_do="Look at Kestra's own log and its workers.",
    )


def _answer(api: ProbedApi, execution: Execution, task: str) -> Answer:
    try:
        outputs = api.get_task_outputs(execution, task)
    except NotFound:
        outputs = {}
    lines = api.list_logs(execution.id, min_level="ERROR", task_id=task)
    return Answer(outputs, lines[-1].message if lines else "")


# Findings -------------------------------------------------------------------------------------------------


def not_probed() -> Finding:
    """Nobody asked Kestra what it reaches: that leaves an execution there."""
    return Finding(
        "Kestra's reach",
        Health.UNCHECKED,
        "Whether Kestra reaches Supabase and the model, and has Python, was not asked.",
        "A small flow in Kestra would ask them; it changes nothing.",
        "Ask through a probe.",
        "incidentscribe doctor --probe",
    )


def examine(probe: Probe | IncidentScribeError) -> list[Finding]:
    """What each task of the probe says."""
    if isinstance(probe, IncidentScribeError):
        checked = "A small flow is saved in Kestra and run."
        mend = probe.to_do or "See what Kestra says about itself above, and in its own log."
        means = probe.means or "What Kestra reaches is not known, and it may not do its work."
        return [Finding("Probe", Health.ILL, probe.what, checked, mend, means=means)]
    found = [
        python_runs(probe.answers["python"]),
        supabase_reached(probe.answers["supabase"]),
        model_reached(probe.answers["model"]),
    ]
    theirs = _vars(probe.answers["python"]).get("at")
    if isinstance(theirs, int | float):
        moment = datetime.fromtimestamp(theirs, UTC)
        # The script ran at some time of the probe: between its ends nothing can be told.
        nearest = min(max(moment, probe.began_at), probe.ended_at)
        found.append(clocks_agree("Kestra's clock", "Kestra", moment, nearest))
    return found


def python_runs(answer: Answer) -> Finding:
    """Whether Kestra runs Python scripts as processes beside it."""
    part, checked = "Python in Kestra", "A script in Kestra prints its version."
    version = _vars(answer).get("version")
    if version:
        return Finding(part, Health.WELL, f"Python {version}.", checked)
    return Finding(
        part,
        Health.ILL,
        f"No script ran: {answer.error.strip() or 'Kestra gives no reason'}",
        checked,
        "Use an image of Kestra with Python 3.11 or newer, and with uv for the script plugin.",
        means="Runs go on without evidence; nothing approved is carried out.",
    )


def supabase_reached(answer: Answer) -> Finding:
    """Whether the flow reaches Supabase, with a key that is let through."""
    part, checked = "Supabase from Kestra", "Kestra reads one row with the flow's own address and key."
    means = "Runs cannot claim their incident, and results are not saved."
    code = _code(answer)
    if code == 200:
        if _body(answer) == []:
            return Finding(
                part,
                Health.ILL,
                "It is reached, and has no organization.",
                checked,
                "Make one.",
                "incidentscribe org create NAME --slug SLUG",
                "Incidents have nowhere to go.",
            )
        return Finding(part, Health.WELL, "It is reached, and the service key is let through.", checked)
    if code in (401, 403):
        what = f"It is reached and refuses the key (HTTP {code})."
        mend = "SUPABASE_SERVICE_ROLE_KEY in Kestra is not the service key of this project. Store it again."
    elif code is not None:
        what = f"HTTP {code} at its address."
        mend = "SUPABASE_URL in Kestra is no address of Supabase, or the migrations are missing."
    else:
        what = _no_answer(answer)
        mend = "Set INCIDENTSCRIBE_FLOW_SUPABASE_URL to Supabase's address as Kestra sees it, and store it."
    return Finding(part, Health.ILL, what, checked, mend, _DEPLOY, means)


def model_reached(answer: Answer) -> Finding:
    """Whether the flow reaches the model, with a key that it knows."""
    part, checked = "Model from Kestra", "Kestra asks what the model is, with the flow's own key; no tokens."
    means = "Incidents are kept and escalated, without root cause and postmortem."
    code = _code(answer)
    if code == 200:
        body = _body(answer)
        name = body.get("name") if isinstance(body, dict) else None
        return Finding(part, Health.WELL, f"{name or 'It'} answers, and knows the key.", checked)
    said = _said(answer)
    if code in (400, 401, 403):
        what = f"It is reached and refuses the key (HTTP {code}){said}"
        mend = "GEMINI_API_KEY in Kestra is not valid. Make one at Google, and store it."
    elif code == 404:
        what = f"It is reached and does not know the model's name{said}"
        mend = "Check GEMINI_MODEL and GEMINI_BASE_URL, and store them."
    elif code == 429:
        what = f"It is reached and the quota is used up (HTTP 429){said}"
        mend = "Raise the quota in Google's console, or wait."
        return Finding(part, Health.ILL, what, checked, mend, means=means)
    elif code is not None:
        what = f"HTTP {code} at its address{said}"
        mend = "The model has trouble of its own, or GEMINI_BASE_URL is not its address."
    else:
        what = _no_answer(answer)
        mend = (
            "Let Kestra reach the model's address through its network and proxy, and check GEMINI_BASE_URL."
        )
    return Finding(part, Health.ILL, what, checked, mend, _DEPLOY, means)


def _no_answer(answer: Answer) -> str:
    error = answer.error.strip()
    return f"There was no answer: {error[:300]}" if error else "There was no answer."


def _said(answer: Answer) -> str:
    body = _body(answer)
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return f": {message[:200]}" if isinstance(message, str) else "."


def _vars(answer: Answer) -> Mapping[str, Any]:
    found = answer.outputs.get("vars")
    return found if isinstance(found, dict) else {}


def _code(answer: Answer) -> int | None:
    code = answer.outputs.get("code")
    return code if isinstance(code, int) else None


def _body(answer: Answer) -> Any:
    body = answer.outputs.get("body")
    try:
        return json.loads(body) if isinstance(body, str) else body
    except ValueError:
        return None
