"""Is the desk itself well? One row per part: what was checked, when, and how to mend it."""

from datetime import datetime, timedelta
from time import monotonic

import streamlit as st

from dashboard import doctor, doctor_kestra, doctor_probe
from dashboard.doctor_operations import anon_refused
from dashboard.domain.alarm import Alarm
from dashboard.domain.clock import utc_now
from dashboard.domain.finding import Finding, summary
from dashboard.domain.hold import Released
from dashboard.domain.system import SystemReport
from dashboard.errors import IncidentScribeError
from dashboard.resources import flow_file, newest_migration
from dashboard.routes import AUDIT
from dashboard.store import alarms, holds, system
from dashboard.store.people import Role
from dashboard.ui import probes, session
from dashboard.ui.hold import render_hold, render_released
from dashboard.ui.known import read
from dashboard.ui.links import render_link
from dashboard.ui.live import live
from dashboard.ui.page_header import headed, render_page_header
from dashboard.ui.system_checks import render_declaration, render_findings

LOOK_SECONDS = 15

session.require()


def timed_report() -> tuple[SystemReport, float, datetime]:
    """The report, how many seconds it took, and this desk's word for its moment."""
    began, began_at = monotonic(), utc_now()
    report = system.get_report(session.require().client)
    seconds = monotonic() - began
    return report, seconds, began_at + timedelta(seconds=seconds / 2)


def kestra(seen: SystemReport | None) -> list[Finding]:
    """What can be said of Kestra; without the database's word too."""
    source = flow_file().read_text(encoding="utf-8")
    found = doctor_kestra.examine(
        probes.probe_kestra(), source, probes.webhook_key(), probes.kestra_address(), seen
    )
    return [*found, doctor_probe.not_probed()]


def declare(alarm: Alarm, reason: str) -> int:
    """Say that the Kestra of an alarm is gone."""
    return alarms.declare_kestra_gone(session.acting().writer, alarm, reason)


def release(reason: str) -> Released:
    """Let the workers act again."""
    return holds.release(session.acting().writer, reason)


@live(key="parts", fallback_seconds=LOOK_SECONDS)
def parts() -> None:
    """Every part, looked at anew every few seconds."""
    user = session.require()
    head = st.container()
    try:
        known = read("system", timed_report)
    except IncidentScribeError as error:
        # Kestra can be well while the database is away.
        findings = [doctor.supabase_answers(error), *kestra(None)]
        with head:
            render_page_header("System", summary(findings))
        render_findings(findings)
        return
    with headed("System", head):
        seen, seconds, read_at = known.value
        findings = [
            *(doctor.alarm_raised(alarm) for alarm in seen.alarms),
            *kestra(seen),
            *doctor.examine(seen, known.error or seconds, newest_migration(), read_at),
            anon_refused(probes.probe_anon()),
        ]
        with head:
            render_page_header("System", summary(findings), known, how=f"every {LOOK_SECONDS} s")
        render_findings(findings)
        if user.may(Role.ADMIN):
            for alarm in seen.alarms:
                if alarm.can_be_declared_gone:
                    render_declaration(alarm, declare, known.why_not)
            render_released()
            if any(alarm.is_hold for alarm in seen.alarms):
                runs = read("forgotten", lambda: holds.find_forgotten(user.client)).value
                if runs is not None:
                    render_hold(runs, release, known.why_not)


parts()
render_link(AUDIT, AUDIT.title)
