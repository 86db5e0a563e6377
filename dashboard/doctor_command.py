"""`incidentscribe doctor`: every part is asked by itself, so that one that is away hides no other."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta

from dashboard import doctor, doctor_kestra, doctor_probe
from dashboard.doctor_operations import anon_refused, ask_anon, privileges_as_committed
from dashboard.domain.clock import to_iso, utc_now
from dashboard.domain.finding import Finding, Health, summary
from dashboard.domain.system import DoctorReport
from dashboard.errors import IncidentScribeError, or_error
from dashboard.kestra_api.address import KEY, AddressBook
from dashboard.kestra_api.client import KestraApi
from dashboard.resources import flow_file, newest_migration, privileges, probe_file
from dashboard.settings import AnonSettings, KestraSettings, ServiceSettings
from dashboard.store import system
from dashboard.store.connection import as_service, new_http_client
from dashboard.terminal import printable


def examine(*, probe: bool) -> list[Finding]:
    """Everything that can be found out with the settings in the environment."""
    database, seen = _database()
    alarms = [doctor.alarm_raised(alarm) for alarm in seen.alarms] if seen else []
    return [*alarms, *_kestra(seen, probe=probe), *database, _anon()]


def _kestra(seen: DoctorReport | None, *, probe: bool) -> list[Finding]:
    settings = or_error(KestraSettings.load)
    if isinstance(settings, IncidentScribeError):
        return [_not_set("Kestra", settings)]
    source = flow_file().read_text(encoding="utf-8")
    book = AddressBook(settings.kestra_url, settings.kestra_allowed_hosts)
    rows = seen.config if seen else ()
    book.take(next((row.value for row in rows if row.key == KEY and not row.from_environment), None))
    address = book.current
    with KestraApi(settings.model_copy(update={"kestra_url": address.url})) as api:
        answers = doctor_kestra.ask_kestra(api)
        found = doctor_kestra.examine(answers, source, settings.webhook_key.get_secret_value(), address, seen)
        if isinstance(answers.instance, IncidentScribeError):
            return found
        if not probe:
            return [*found, doctor_probe.not_probed()]
        probed = or_error(lambda: doctor_probe.run_probe(api, probe_file().read_text(encoding="utf-8")))
        return [*found, *doctor_probe.examine(probed)]


def _database() -> tuple[list[Finding], DoctorReport | None]:
    settings = or_error(ServiceSettings.load)
    if isinstance(settings, IncidentScribeError):
        return [_not_set("Supabase", settings)], None
    with new_http_client() as http:
        client = as_service(settings, http)
        asked_at, began = utc_now(), time.monotonic()
        seen = or_error(lambda: system.get_doctor_report(client))
        seconds = time.monotonic() - began
    if isinstance(seen, IncidentScribeError):
        return [doctor.supabase_answers(seen)], None
    read_at = asked_at + timedelta(seconds=seconds / 2)
    found = doctor.examine(seen, seconds, newest_migration(), read_at)
    if seen.schema_version == newest_migration():
        found.append(privileges_as_committed(seen.privileges, privileges()))
    return found, seen


def _anon() -> Finding:
    settings = or_error(AnonSettings.load)
    if isinstance(settings, IncidentScribeError):
        return _not_set("Anon key", settings)
    return anon_refused(ask_anon(settings))


def _not_set(part: str, error: IncidentScribeError) -> Finding:
    checked = "The settings were read from the environment and .env."
    return Finding(part, Health.UNCHECKED, error.what, checked, error.to_do)


# Saying it ------------------------------------------------------------------------------------------------


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing is ill, and something was checked at all."""
    healths = {finding.health for finding in findings}
    return Health.ILL not in healths and healths != {Health.UNCHECKED}


def as_text(findings: Sequence[Finding]) -> str:
    """For a terminal: every part, then all of them in one sentence."""
    return "\n\n".join([*("\n".join(_lines(finding)) for finding in findings), summary(findings)])


def _lines(finding: Finding) -> list[str]:
    rows = [
        ("", finding.found),
        ("since", f"{finding.since:%Y-%m-%d %H:%M} UTC" if finding.since else ""),
        ("means", finding.means),
        ("to do", finding.mend),
        ("command", finding.command),
        ("checked", finding.checked),
    ]
    head = f"[{finding.health}] {finding.part}"
    return [head, *(f"    {f'{name}: ' if name else ''}{printable(text)}" for name, text in rows if text)]


def as_json(findings: Sequence[Finding]) -> str:
    """The same for programs."""
    answer = {
        "well": is_well(findings),
        "summary": summary(findings),
        "findings": [
            {
                "part": finding.part,
                "health": finding.health.name.lower(),
                "found": finding.found,
                "since": to_iso(finding.since) if finding.since else None,
                "means": finding.means,
                "to_do": finding.mend,
                "command": finding.command,
                "checked": finding.checked,
            }
            for finding in findings
        ],
    }
    return json.dumps(answer, indent=2)
