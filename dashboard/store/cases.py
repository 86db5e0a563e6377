"""An incident with everything that moves around it, and what people change about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from supabase import Client

from dashboard.domain.action import ActionRun
from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.approval import Approval
from dashboard.domain.execution import Escalation, ExecutionRecord
from dashboard.domain.incident import Incident, IncidentEvent
from dashboard.domain.powers import Change, Command, is_same_for
from dashboard.domain.role import Role
from dashboard.domain.shape import Json, Shape
from dashboard.errors import NotFound, StaleVersion
from dashboard.store import incidents
from dashboard.store.connection import call, first, rows
from dashboard.store.executions import Owed
from dashboard.store.people import Person
from dashboard.store.reading import all_understood, understood

_TRIES = 3  # the flow of a live run changes its incident every few seconds


class Case(Shape):
    """How an incident stands, without its report; runs, requests and approvals newest first.

    Requests are starts and commands.
    """

    incident: Incident
    runs: tuple[ExecutionRecord, ...] = ()
    requests: tuple[Owed, ...] = ()
    approvals: tuple[Approval, ...] = ()

    @property
    def run(self) -> ExecutionRecord | None:
        """The latest run."""
        return self.runs[0] if self.runs else None

    @property
    def start(self) -> Owed | None:
        """The latest start that was asked for."""
        return next((request for request in self.requests if request.kind == "start_run"), None)

    @property
    def is_starting(self) -> bool:
        """A run is owed that no execution has claimed yet."""
        return self.start is not None and self.start.is_owed

    @property
    def has_live_run(self) -> bool:
        """A run is owed or at work."""
        return self.is_starting or any(run.is_live for run in self.runs)

    @property
    def phase(self) -> tuple[object, ...]:
        """Equal as long as the same run is at work, or over."""
        return (self.run and self.run.kestra_execution_id, self.run and self.run.is_live)

    @property
    def pending(self) -> Approval | None:
        """The proposal that waits for a decision."""
        return next((approval for approval in self.approvals if approval.is_pending), None)

    def kill_of(self, run: ExecutionRecord) -> Owed | None:
        """The latest request to kill a run."""
        kills = (request for request in self.requests if request.payload.get("command") == "kill")
        mine = (kill for kill in kills if kill.payload.get("kestra_execution_id") == run.kestra_execution_id)
        return next(mine, None)

    def approvals_of(self, run: ExecutionRecord) -> tuple[Approval, ...]:
        """The approvals of one run, newest first."""
        return tuple(a for a in self.approvals if a.kestra_execution_id == run.kestra_execution_id)


class Findings(Shape):
    """What a case has brought to light; lists oldest first."""

    analysis: AiAnalysis | None = None
    action_runs: tuple[ActionRun, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    events: tuple[IncidentEvent, ...] = ()


class Colleague(NamedTuple):
    """Somebody an incident can be given to."""

    user_id: str
    name: str
    role: Role


def get_case(user: Client, incident_id: str) -> Case:
    """How an incident stands. Raises NotFound."""
    return understood(Case, call(user, "incident_case", {"incident_id": incident_id}))


def get_findings(user: Client, incident_id: str) -> Findings:
    """What was found and done. Raises NotFound."""
    return understood(Findings, call(user, "incident_findings", {"incident_id": incident_id}))


def get_payload(user: Client, event_id: int) -> Json:
    """The whole report behind a `seen again`. Raises NotFound."""
    row = first(user.table("incident_events").select("detail").eq("id", event_id).limit(1))
    if row is None:
        raise NotFound("There is no such event, or it belongs to another organization.")
    payload = row["detail"].get("payload")
    return payload if isinstance(payload, dict) else {"payload": payload}


def list_colleagues(user: Client) -> tuple[Colleague, ...]:
    """The active people of the organization who may act, by name."""
    query = user.table("profiles").select("*").eq("active", True).order("display_name").limit(500)
    people = all_understood(Person, rows(query))
    return tuple(
        Colleague(p.user_id, p.display_name, p.role) for p in people if p.role.includes(Role.RESPONDER)
    )


def change(user: Client, seen: Incident, kind: Change, payload: Json | None = None) -> None:
    """Change an incident that was seen as `seen`.

    Raises StaleVersion when what this change is about was changed meanwhile; that the flow went on is no
    such thing, so then the newest version is named. Also raises Conflict, InvalidInput, NotAllowed, NotFound.
    """
    version = seen.version
    for last in (False,) * (_TRIES - 1) + (True,):
        arguments = {"incident_id": seen.id, "kind": kind.value, "payload": payload or {}, "version": version}
        try:
            call(user, "update_incident", arguments)
            return
        except StaleVersion:
            current = get_case(user, seen.id).incident
            if last or not is_same_for(kind, seen, current):
                raise
            version = current.version


def request(user: Client, command: Command, subject_id: str, reason: str) -> bool:
    """Ask for a kill or restart of an execution, or for another run of an incident.

    False when the same was asked for already and is still on its way. Raises Conflict, NotAllowed, NotFound.
    """
    arguments: dict[str, Any] = {"kind": command.value, "id": subject_id, "reason": reason or None}
    return not call(user, "request_command", arguments).get("already_asked")


def withdraw(user: Client, request_id: str, reason: str) -> None:
    """Take back what is still owed. Raises ReasonRequired, Conflict, NotAllowed, NotFound."""
    call(user, "withdraw_outbox", {"id": request_id, "reason": reason})


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One incident for one person: everything of this module, with the clients of the moment.

    `reader` and `writer` are asked at each call, because a person's token ends before their page does.
    """

    incident_id: str
    reader: Callable[[], Client]
    writer: Callable[[], Client]

    def get_case(self) -> Case:
        return get_case(self.reader(), self.incident_id)

    def get_findings(self) -> Findings:
        return get_findings(self.reader(), self.incident_id)

    def get_report(self) -> Incident:
        """The incident with all that was handed in."""
        return incidents.get_incident(self.reader(), self.incident_id)

    def get_payload(self, event_id: int) -> Json:
        return get_payload(self.reader(), event_id)

    def list_colleagues(self) -> tuple[Colleague, ...]:
        return list_colleagues(self.reader())

    def change(self, seen: Incident, kind: Change, payload: Json) -> None:
        change(self.writer(), seen, kind, payload)

    def request(self, command: Command, subject_id: str, reason: str) -> None:
        request(self.writer(), command, subject_id, reason)

    def withdraw(self, request_id: str, reason: str) -> None:
        withdraw(self.writer(), request_id, reason)
