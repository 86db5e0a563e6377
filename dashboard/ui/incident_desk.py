"""One incident and the person in front of it: what this tab knows, what they may do, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.domain.execution import ExecutionRecord
from dashboard.domain.incident import Incident, IncidentEvent
from dashboard.domain.powers import Change, Command, Power, Standing, general_objection
from dashboard.domain.shape import Json
from dashboard.domain.step_lines import step_lines
from dashboard.errors import IncidentScribeError
from dashboard.routes import INCIDENT
from dashboard.store.cases import Case, CaseFile, Findings
from dashboard.store.executions import Owed
from dashboard.ui import session
from dashboard.ui.errors_view import render_error
from dashboard.ui.incident_actions import Ask
from dashboard.ui.incident_dialogs import Deeds, ask
from dashboard.ui.known import Known, read
from dashboard.worker import bell

_REFUSED = "refused_at_once"


@dataclass(frozen=True, slots=True)
class IncidentDesk:
    """The incident's page asks here for what it draws."""

    file: CaseFile

    def case(self) -> Known[Case]:
        """The case as it stands, or as this tab last knew it. Raises NotFound, UpstreamUnreachable."""
        return read(f"case_{self.file.incident_id}", self.file.get_case, news_tells=True)

    def findings(self) -> Known[Findings]:
        """What was found and done; also raises as `case` does."""
        return read(f"found_{self.file.incident_id}", self.file.get_findings, news_tells=True)

    def address(self) -> str:
        """The address of this page, to be pasted elsewhere."""
        here = str(st.context.url or "").partition("?")[0]
        return f"{here}?id={self.file.incident_id}" if here else INCIDENT.link(id=self.file.incident_id)

    def standing(self, known: Known[Case]) -> Standing:
        """What decides about the buttons."""
        case = known.value
        return Standing(
            incident=case.incident,
            run=case.run,
            has_live_run=case.has_live_run,
            role=session.require().person.role,
            owed=tuple(
                str(request.payload.get("command"))
                for request in case.requests
                if request.is_owed and case.run and _is_about(request, case.run)
            ),
            outage=known.error.what if known.error else None,
        )

    def asking(self, known: Known[Case]) -> Ask:
        """What a press of a button sets going: a dialog, or an acknowledgement at once."""
        case = known.value

        def press(power: Power) -> None:
            st.session_state.pop(_REFUSED, None)
            if power is Change.ACKNOWLEDGE:
                self._acknowledge(case.incident)
                return
            subject = (
                case.run.id if case.run and power in (Command.KILL, Command.RESTART) else case.incident.id
            )
            ask(power, case.incident, subject)

        return press

    def withdrawing(self, known: Known[Case]) -> Callable[[Owed], None] | None:
        """How a request is taken back; None for those who may not."""
        if general_objection(self.standing(known)):
            return None
        return lambda request: ask(None, known.value.incident, request.id)

    def render_refusal(self) -> None:
        """Why a press that needed no dialog did not count."""
        if error := st.session_state.get(_REFUSED):
            render_error(error)

    def deeds(self) -> Deeds:
        """What the dialogs do."""
        return Deeds(
            change=self._change,
            request=self._request,
            withdraw=self.file.withdraw,
            look=self._look,
            colleagues=self.file.list_colleagues,
            me=session.require().person.user_id,
        )

    def lines(self, case: Case, run: ExecutionRecord) -> dict[str, str]:
        """What each step of this run found; what other runs found is left out."""
        found = self.findings().value
        analysis = found.analysis
        mine = analysis and analysis.kestra_execution_id == run.kestra_execution_id
        return step_lines(
            analysis if mine else None,
            next(iter(case.approvals_of(run)), None),
            [effect for effect in found.action_runs if effect.execution_id == run.id],
            next((e for e in reversed(found.escalations) if e.execution_id == run.id), None),
        )

    def _acknowledge(self, incident: Incident) -> None:
        try:
            self._change(incident, Change.ACKNOWLEDGE, {})
        except IncidentScribeError as error:
            st.session_state[_REFUSED] = error

    def _change(self, seen: Incident, kind: Change, payload: Json) -> None:
        self.file.change(seen, kind, payload)
        bell.ring()

    def _request(self, command: Command, subject_id: str, reason: str) -> None:
        self.file.request(command, subject_id, reason)
        bell.ring()

    def _look(self) -> tuple[Incident, Sequence[IncidentEvent]]:
        return self.file.get_case().incident, self.file.get_findings().events


def _is_about(request: Owed, run: ExecutionRecord) -> bool:
    return request.payload.get("kestra_execution_id") == run.kestra_execution_id
