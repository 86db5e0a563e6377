"""Whether the parts that the desk stands on are well: plain checks of what was read elsewhere.

Each check takes what a program could read, or the error it met, and answers a finding. A program that may
not read something says so by the finding that nothing was checked, and how to check it. Shared by the System
page and the command line; the checks of Kestra stand in `doctor_kestra`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from dashboard.doctor_operations import clocks_agree, notices_sent, retention_kept, runs_ended, sizes_seen
from dashboard.domain.alarm import Alarm
from dashboard.domain.clock import age_words
from dashboard.domain.finding import Finding, Health
from dashboard.domain.overview import ModelReport
from dashboard.domain.system import ConfigRow, OutboxReport, Rights, SystemReport, WorkerBeat
from dashboard.errors import IncidentScribeError

# What somebody who is not signed in may call: the ways in and out, nothing else.
_OPEN_FUNCTIONS = frozenset(
    {"desk_session", "take_refresh", "store_refresh", "close_desk_session", "public_settings"}
)
_LONG_OWED = timedelta(minutes=2)


# Supabase -------------------------------------------------------------------------------------------------


def supabase_answers(seconds: float | IncidentScribeError) -> Finding:
    """Whether Supabase answers, and how long this report took it."""
    checked = "The database was asked for this report."
    if isinstance(seconds, IncidentScribeError):
        means = "Nobody can sign in, submit or decide; runs of Kestra cannot report."
        mend = seconds.to_do or "Check that Supabase runs, and SUPABASE_URL and its keys."
        return Finding("Supabase", Health.ILL, seconds.what, checked, mend, means=means)
    return Finding("Supabase", Health.WELL, f"It answered within {seconds * 1000:.0f} ms.", checked)


def schema_in_step(applied: str | None, newest: str) -> Finding:
    """Whether the database is of this desk's version."""
    part, checked = "Schema", "The newest migration that was applied is compared with the newest file."
    if applied == newest:
        return Finding(part, Health.WELL, f"Version {applied}.", checked)
    if applied is None:
        what = "The database keeps no count of its migrations."
        return Finding(part, Health.UNCHECKED, what, checked)
    what = f"The database is at {applied}, this desk at {newest}."
    if applied < newest:
        means = "What this desk asks the database for may not be there yet: pages and the worker fail at it."
        return Finding(
            part, Health.ILL, what, checked, "Apply what is missing.", "incidentscribe migrate", means
        )
    mend, means = (
        "Use the version of the desk that goes with it.",
        "This desk does not know what is newer there.",
    )
    return Finding(part, Health.DOUBTFUL, what, checked, mend, means=means)


def guards_stand(rights: Rights) -> Finding:
    """Whether every table is guarded, and nothing is open that should not be."""
    part = "Row level security"
    checked = "The database is asked which tables and functions are open to whom."
    open_functions = sorted(set(rights.anybody_may_call) - _OPEN_FUNCTIONS)
    problems = [
        sentence
        for names, sentence in (
            (rights.unguarded, "without row level security: {}"),
            (rights.open_to_anybody, "open to anybody: {}"),
            (rights.written_past_functions, "written past the functions: {}"),
            (open_functions, "called by anybody: {}"),
        )
        for sentence in ([sentence.format(", ".join(names))] if names else [])
    ]
    if problems:
        return Finding(
            part,
            Health.ILL,
            f"{'; '.join(problems).capitalize()}.",
            checked,
            "Somebody changed rights in the database. Take them back before anything else; Privileges names"
            " each that is not as in supabase/privileges.csv.",
            "incidentscribe doctor",
            "Rows can be read or changed past the rules, by people or by anybody.",
        )
    return Finding(part, Health.WELL, f"All {rights.tables} tables are guarded.", checked)


# The rest -------------------------------------------------------------------------------------------------


def model_answers(model: ModelReport, now: datetime) -> Finding:
    """How the model did lately; nobody is asked anything for this."""
    checked = "What the model answered to runs of the last 24 hours."
    name = model.model or "The model"
    if not model.asked:
        return Finding("Model", Health.UNCHECKED, "No run has asked it in the last 24 hours.", checked)
    counted = f"{model.problems} of {model.asked} runs had trouble with it."
    if model.is_silent and model.problem_at:
        problem = (model.problem or "No usable answer").rstrip(".")
        what = f"{problem}, {age_words(model.problem_at, now)}. {counted}"
        return Finding(
            "Model",
            Health.ILL,
            what,
            checked,
            "Check GEMINI_API_KEY, its quota, and the model's name; then store them in Kestra.",
            "incidentscribe deploy",
            "Incidents are kept and escalated, without root cause and postmortem.",
            model.problem_at,
        )
    answered = f"{name} answered {age_words(model.answered_at, now)}." if model.answered_at else ""
    found = f"{answered} {counted}".strip()
    if not model.problems:
        return Finding("Model", Health.WELL, found, checked)
    return Finding(
        "Model",
        Health.DOUBTFUL,
        found,
        checked,
        "It answers again. If it comes back, ask from inside Kestra whether the model is reached.",
        "incidentscribe doctor --probe",
        "Those runs have no root cause or no postmortem; they can be run again.",
        model.problem_at,
    )


def workers_alive(workers: Sequence[WorkerBeat], now: datetime) -> Finding:
    """Whether somebody starts runs and delivers decisions."""
    checked = "Every worker says every ten seconds that it is alive."
    alive = [worker for worker in workers if worker.is_alive(now)]
    if not alive:
        last = f"The last one was heard of {age_words(workers[0].beat_at, now)}." if workers else ""
        return Finding(
            "Worker",
            Health.ILL,
            f"None is alive. {last}".strip(),
            checked,
            "Start one, or set SUPABASE_SERVICE_ROLE_KEY so that the desk has one of its own.",
            "incidentscribe worker",
            "What is submitted and decided waits.",
            workers[0].beat_at if workers else None,
        )
    found = ", ".join(f"{worker.name} {age_words(worker.beat_at, now)}" for worker in alive[:3])
    more = f" and {len(alive) - 3} more" if len(alive) > 3 else ""
    trouble = next((worker.trouble for worker in alive if worker.trouble), None)
    if trouble:
        return Finding(
            "Worker",
            Health.DOUBTFUL,
            f"{found}{more}. Trouble: {trouble}",
            checked,
            "Mend what it names; it tries again by itself. Its log has more.",
            means="Starts and decisions may wait until that is over.",
        )
    return Finding("Worker", Health.WELL, f"{found}{more}.", checked)


def outbox_flows(outbox: OutboxReport, now: datetime) -> Finding:
    """Whether what is owed to Kestra and to people gets there."""
    checked = "Starts, decisions, commands and notices that are still owed."
    if not outbox.owed or outbox.oldest_at is None:
        return Finding("Outbox", Health.WELL, "Nothing is owed.", checked)
    found = f"{outbox.owed} owed, the oldest since {age_words(outbox.oldest_at, now).removesuffix(' ago')}."
    if outbox.stuck:
        what = f"{found} {outbox.stuck} stuck: {outbox.last_error or 'no reason was recorded'}"
        mend = "Mend the cause; everything is tried again by itself."
        means = "Incidents are not handled, or decisions not carried out, until it gets there."
        return Finding("Outbox", Health.ILL, what, checked, mend, means=means, since=outbox.oldest_at)
    if now - outbox.oldest_at <= _LONG_OWED:
        return Finding("Outbox", Health.WELL, found, checked, since=outbox.oldest_at)
    return Finding(
        "Outbox",
        Health.DOUBTFUL,
        found,
        checked,
        "See what Worker and Kestra say; it is tried again by itself.",
        means="Starts, decisions or notices are late.",
        since=outbox.oldest_at,
    )


def settings_seen(config: Sequence[ConfigRow]) -> Finding:
    """The settings that stand in the database and win over the environment."""
    part, checked = "Settings", "Rows of system_config; what is not there comes from the environment."
    written = [row for row in config if not row.from_environment]
    if not written:
        return Finding(part, Health.WELL, "All come from the environment.", checked)
    found = ", ".join(f"{row.key} = {row.value}" for row in written)
    return Finding(part, Health.WELL, found, checked)


def alarm_raised(alarm: Alarm) -> Finding:
    """An alarm that the worker raised."""
    checked = "The worker's own rounds."
    return Finding(
        "Alarm",
        Health.ILL,
        alarm.sentence,
        checked,
        alarm.to_do,
        means=alarm.means,
        since=alarm.raised_at,
    )


def examine(
    seen: SystemReport, answered: float | IncidentScribeError, newest_migration: str, read_at: datetime
) -> list[Finding]:
    """Everything the report tells; `answered` is how long it took, or why there is no newer one.

    `read_at` is the own clock's word for the report's `now`.
    """
    return [
        supabase_answers(answered),
        schema_in_step(seen.schema_version, newest_migration),
        guards_stand(seen.rights),
        clocks_agree("Clock", "the database", seen.now, read_at),
        workers_alive(seen.workers, seen.now),
        outbox_flows(seen.outbox, seen.now),
        runs_ended(seen.runs, seen.now),
        model_answers(seen.model, seen.now),
        notices_sent(seen.notices, seen.workers, seen.now),
        settings_seen(seen.config),
        sizes_seen(seen.sizes),
        retention_kept(seen.retention, seen.now),
    ]
