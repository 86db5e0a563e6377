"""Whether Kestra, the flow in it, its webhook and its values are as the desk needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dashboard.domain.alarm import Alarm
from dashboard.domain.clock import utc_now
from dashboard.domain.execution import FlowIdentity
from dashboard.domain.finding import Finding, Health
from dashboard.domain.system import KestraSeen, SystemReport, WorkerBeat
from dashboard.errors import IncidentScribeError, UpstreamUnreachable, or_error
from dashboard.kestra_api.address import KEY, Address
from dashboard.kestra_api.models import Instance
from dashboard.webhook_key import webhook_keys, with_webhook_key
from dashboard.worker.start import FLOW_ID, NAMESPACE


@dataclass(frozen=True, slots=True)
class KestraProbe:
    """Each part as Kestra answered it at that moment, or the error in its place."""

    at: datetime
    instance: Instance | IncidentScribeError
    flow: FlowIdentity | IncidentScribeError | None
    keys: frozenset[str] | IncidentScribeError


class AskedKestra(Protocol):
    def get_instance(self) -> Instance: ...

    def find_flow(self, namespace: str, flow_id: str) -> FlowIdentity | None: ...

    def list_kv_keys(self, namespace: str) -> frozenset[str]: ...


def ask_kestra(api: AskedKestra) -> KestraProbe:
    """Ask Kestra who it is, for its flow, and for the names of its values; never raises an error of ours."""
    instance = or_error(api.get_instance)
    if isinstance(instance, IncidentScribeError):
        # Whoever does not say its name is not asked further: each question may wait for seconds.
        return KestraProbe(utc_now(), instance, instance, instance)
    flow = or_error(lambda: api.find_flow(NAMESPACE, FLOW_ID))
    return KestraProbe(utc_now(), instance, flow, or_error(lambda: api.list_kv_keys(NAMESPACE)))


KV_NEEDED = ("GEMINI_API_KEY", "SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")
"""Values without which the flow cannot work."""

_NOTHING_STARTS = "No incident is handled. What was submitted at the desk stays owed and starts afterwards."


def kestra_answers(
    answer: Instance | IncidentScribeError, seen: Sequence[KestraSeen], alarms: Sequence[Alarm] = ()
) -> Finding:
    """Whether Kestra answers, and whether it is the one that the worker speaks to."""
    checked = "Kestra is asked for its version and its identity."
    if isinstance(answer, IncidentScribeError):
        is_away = isinstance(answer, UpstreamUnreachable)
        look = "Check KESTRA_URL and that Kestra runs; with containers its log says why not."
        return Finding(
            "Kestra",
            Health.ILL,
            answer.what,
            checked,
            look if is_away else answer.to_do or "Check KESTRA_URL: is it a Kestra of the 1.3 or 2.0 line?",
            "docker compose logs kestra" if is_away else "",
            f"{_NOTHING_STARTS} Decisions wait as well, and pages show what was known.",
            next((alarm.raised_at for alarm in alarms if alarm.kind == "kestra_unreachable"), None),
        )
    found = f"Version {answer.version}, identity {answer.uuid or 'unknown'}."
    if seen and answer.uuid and answer.uuid != seen[0].uuid:
        return Finding(
            "Kestra",
            Health.ILL,
            f"{found} The worker speaks to another one: {seen[0].uuid}.",
            checked,
            "Give desk and worker the same KESTRA_URL; docs/operate.md, Another address of Kestra.",
            "select value from system_config where key = 'KESTRA_URL';",
            "Incidents are handled there. This one knows nothing of their executions.",
        )
    return Finding("Kestra", Health.WELL, found, checked)


def address_in_force(address: Address, seen: SystemReport | None) -> Finding:
    """Where Kestra is looked for here and by the workers, and what was written but not taken."""
    part = "Kestra's address"
    checked = "KESTRA_URL of system_config wins over the environment, unless it is refused."
    is_written = address.written is not None and address.refused is None
    found = f"{address.url}, {'as system_config says' if is_written else 'from the environment'}."
    refused = address.refused
    for worker in _alive(seen):
        theirs, not_taken = worker.facts.get("kestra_url"), worker.facts.get("kestra_url_refused")
        refused = refused or (not_taken if isinstance(not_taken, str) else None)
        if isinstance(theirs, str) and theirs != address.url:
            found += f" The worker {worker.name} asks at {theirs}."
    if refused is None:
        return Finding(part, Health.WELL, found, checked)
    row = next((row for row in seen.config if row.key == KEY), None) if seen else None
    written = row.value if row else address.written
    return Finding(
        part,
        Health.ILL,
        f"{written or 'What is written'} is refused: it {refused}. In force stays {found}",
        checked,
        "Write an https address into system_config, or remove the row.",
        "update system_config set value = 'https://...' where key = 'KESTRA_URL';",
        "The change has no effect.",
        row.updated_at if row else None,
    )


def _alive(seen: SystemReport | None) -> list[WorkerBeat]:
    if seen is None:
        return []
    return [worker for worker in seen.workers if worker.is_alive(seen.now)]


def flow_in_step(
    answer: FlowIdentity | IncidentScribeError | None, source: str | IncidentScribeError
) -> Finding:
    """Whether the flow that Kestra runs is the one that `incidentscribe deploy` would put there."""
    checked = (
        "The SHA-256 of Kestra's flow is compared with that of our file, with the settings' webhook key."
    )
    deploy = "incidentscribe deploy"
    if isinstance(answer, IncidentScribeError):
        return Finding("Flow", Health.UNCHECKED, answer.what, checked, "First Kestra has to answer.")
    if answer is None:
        what = "Kestra has no such flow."
        return Finding("Flow", Health.ILL, what, checked, "Deploy it.", deploy, _NOTHING_STARTS)
    found = f"Revision {answer.revision}, {_hash(answer.source)[:12]}…"
    if answer.disabled:
        what, mend = f"{found}, switched off.", "Switch it on in Kestra's own pages."
        return Finding("Flow", Health.ILL, what, checked, mend, means=_NOTHING_STARTS)
    if isinstance(source, IncidentScribeError):
        means = "What deploying would put there is not known, so nothing was compared."
        return Finding("Flow", Health.DOUBTFUL, source.what, checked, source.to_do, means=means)
    if _hash(answer.source) != _hash(source):
        return Finding(
            "Flow",
            Health.DOUBTFUL,
            f"{found}; the file is {_hash(source)[:12]}…",
            checked,
            "See what differs. Then deploy the file again; a copy of yours with --flow.",
            f"{deploy} --dry-run",
            "Somebody changed the flow in Kestra, or the desk is of another version. Runs go by Kestra's.",
        )
    return Finding("Flow", Health.WELL, f"{found}, in step with the file.", checked)


def webhook_set(
    answer: FlowIdentity | IncidentScribeError | None, key: str, last_start_at: datetime | None
) -> Finding:
    """Whether the flow can be started with the key that the worker uses."""
    checked = "The flow's webhook is looked up, and its key compared with the setting; it is not called."
    if isinstance(answer, IncidentScribeError) or answer is None:
        return Finding("Webhook", Health.UNCHECKED, "There is no flow to look at.", checked)
    keys = [found.value for found in webhook_keys(answer.source)]
    started = (
        f" The last start it took was at {last_start_at:%Y-%m-%d %H:%M} UTC."
        if last_start_at
        else " No start was tried yet."
    )
    if key in keys:
        return Finding("Webhook", Health.WELL, f"It has the key of the settings.{started}", checked)
    if any("{{" in found for found in keys):
        what = f"Its key is worked out by Kestra, so it cannot be compared.{started}"
        return Finding("Webhook", Health.UNCHECKED, what, checked)
    what = "The flow has no webhook." if not keys else "Its key is not that of the settings."
    return Finding(
        "Webhook",
        Health.ILL,
        what,
        checked,
        "Set INCIDENTSCRIBE_WEBHOOK_KEY to one key for desk, worker and here, and deploy the flow with it; "
        "a copy of yours with --flow.",
        "incidentscribe deploy",
        _NOTHING_STARTS,
    )


def values_present(answer: Collection[str] | IncidentScribeError) -> Finding:
    """Whether the flow finds the values it reads; their content is nobody's business here."""
    part, checked = "Values of the flow", "Kestra's store is asked for the names of its keys, not for values."
    if isinstance(answer, IncidentScribeError):
        return Finding(
            part,
            Health.UNCHECKED,
            answer.what,
            checked,
            "Deploying writes them anew and says so.",
            "incidentscribe deploy",
        )
    missing = [key for key in KV_NEEDED if key not in answer]
    if missing:
        what = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
        means = "Runs fail at the first step that reads them."
        return Finding(
            part, Health.ILL, what, checked, "Deploying stores them.", "incidentscribe deploy", means
        )
    return Finding(part, Health.WELL, f"All {len(KV_NEEDED)} that are needed are there.", checked)


def examine(
    probe: KestraProbe, source: str, key: str, address: Address, seen: SystemReport | None
) -> list[Finding]:
    """Everything about Kestra; `source` is the flow's file, `key` that of its webhook."""
    return [
        address_in_force(address, seen),
        kestra_answers(probe.instance, seen.instances if seen else (), seen.alarms if seen else ()),
        flow_in_step(probe.flow, or_error(lambda: with_webhook_key(source, key))),
        webhook_set(probe.flow, key, seen.last_start_at if seen else None),
        values_present(probe.keys),
    ]


def _hash(source: str) -> str:
    """Of a flow's text; blanks at its ends are Kestra's business."""
    return hashlib.sha256(source.strip().encode()).hexdigest()
