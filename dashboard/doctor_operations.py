"""Whether clocks, runs, notices and rights are as they should be, and how big everything is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from dashboard.domain.clock import age_words, duration_words
from dashboard.domain.finding import Finding, Health
from dashboard.domain.system import NoticesReport, RetentionReport, RunsReport, SizesReport, WorkerBeat
from dashboard.errors import IncidentScribeError, or_error
from dashboard.settings import AnonSettings
from dashboard.store import system
from dashboard.store.connection import as_anon
from dashboard.store.patience import screen_http_client

_SKEW, _GREAT_SKEW = timedelta(seconds=5), timedelta(minutes=1)
_MOST_NAMED = 5

# The flow says this of every model that gave no answer, whatever the cause.
_ANY_CAUSE = "(the request failed, timed out or came back empty)"
# What the last failed run said, by the words of Kestra, its HTTP client and our flow, and what mends it.
_CAUSES = (
    (
        re.compile(
            r"api key|quota|RESOURCE_EXHAUSTED|PERMISSION_DENIED|model.*code '40[0134]'", re.IGNORECASE
        ),
        "Check GEMINI_API_KEY, its quota, and the model's name; then store them in Kestra.",
        "incidentscribe deploy",
    ),
    (
        re.compile(r"\b(supabase|rest/v1|row.level|service.role|apikey)\b", re.IGNORECASE),
        "Check SUPABASE_URL as Kestra sees it (INCIDENTSCRIBE_FLOW_SUPABASE_URL) and the service key;"
        " store them.",
        "incidentscribe deploy",
    ),
    (
        re.compile(r"time[d -]{0,2}out|timeout|in time\b|took too long|longer than|deadline", re.IGNORECASE),
        "A step took longer than it may. Raise the `timeout` of that task in the flow, and of an HTTP request"
        " its `readIdleTimeout` too, which stays below it; then save the flow.",
        "",
    ),
    (
        re.compile(r"\b(model|gemini|generateContent)\b", re.IGNORECASE),
        "Ask from inside Kestra whether the model is reached.",
        "incidentscribe doctor --probe",
    ),
)


def clocks_agree(part: str, whose: str, theirs: datetime, ours: datetime) -> Finding:
    """Whether two clocks tell the same time; `theirs` and `ours` are of the same moment."""
    checked = f"The clock of {whose} is compared with this machine's."
    apart = abs(theirs - ours)
    way = "ahead of" if theirs > ours else "behind"
    found = f"{whose[0].upper()}{whose[1:]} is {duration_words(apart.total_seconds())} {way} this machine."
    if apart <= _SKEW:
        return Finding(part, Health.WELL, found, checked)
    return Finding(
        part,
        Health.ILL if apart > _GREAT_SKEW else Health.DOUBTFUL,
        found,
        checked,
        "Let both machines set their clocks by NTP.",
        "timedatectl set-ntp true",
        "Deadlines and ages on the screen are wrong by as much; tokens may be refused.",
    )


def runs_ended(runs: RunsReport, now: datetime) -> Finding:
    """Whether runs end well, and what the last that did not said."""
    part, checked = "Runs", "How runs ended in the last 24 hours."
    live = f" {runs.live} {'is' if runs.live == 1 else 'are'} under way." if runs.live else ""
    if not runs.failed or runs.problem_at is None:
        found = f"{runs.ended} ended, none of them failed.{live}" if runs.ended else f"None has ended.{live}"
        return Finding(part, Health.WELL, found, checked)
    problem = (runs.problem or "It did not say why.").rstrip(".")
    which = f" ({runs.kestra_execution_id})" if runs.kestra_execution_id else ""
    found = (
        f"{runs.failed} of {runs.ended} failed, the last{which} {age_words(runs.problem_at, now)}: {problem}."
    )
    mend, command = _mend(problem)
    return Finding(
        part,
        Health.ILL if runs.failed == runs.ended else Health.DOUBTFUL,
        found + live,
        checked,
        mend,
        command,
        "What is known stands in the incident, which needs a person; run it again when the cause is gone.",
        runs.problem_at,
    )


def _mend(problem: str) -> tuple[str, str]:
    said = problem.replace(_ANY_CAUSE, "")
    for words, mend, command in _CAUSES:
        if words.search(said):
            return mend, command
    return "Read the log of that execution on its incident's page.", ""


def notices_sent(notices: NoticesReport, workers: Sequence[WorkerBeat], now: datetime) -> Finding:
    """Whether people are told outside the desk by every channel they want it by."""
    part = "Notices"
    checked = "Channels that people want are compared with those that workers have; what is owed is counted."
    if not notices.wanted:
        mend = "docs/notices.md says how people are told."
        return Finding(
            part, Health.UNCHECKED, "Nobody wants any.", checked, mend, "incidentscribe notices apply FILE"
        )
    told = [
        worker.facts["channels"]
        for worker in workers
        if worker.is_alive(now) and isinstance(worker.facts.get("channels"), list)
    ]
    missing = sorted(set(notices.wanted) - {str(name) for names in told for name in names}) if told else []
    last = f" The last was sent {age_words(notices.last_sent_at, now)}." if notices.last_sent_at else ""
    if missing:
        return Finding(
            part,
            Health.ILL,
            f"Wanted, but no worker has it: {', '.join(missing)}. {notices.owed} owed.{last}",
            checked,
            "Give the worker the address of the channel (docs/notices.md).",
            means="Nobody is told by it.",
            since=notices.oldest_at,
        )
    if notices.last_error:
        return Finding(
            part,
            Health.ILL,
            f"{notices.owed} owed. The last failure: {notices.last_error.rstrip('.')}.{last}",
            checked,
            "Check the channel's address; notices are tried for a day.",
            means="People were not told.",
            since=notices.oldest_at,
        )
    return Finding(part, Health.WELL, f"By {', '.join(notices.wanted)}. {notices.owed} owed.{last}", checked)


def sizes_seen(sizes: SizesReport) -> Finding:
    """How big the database is; what is too big depends on where it stands."""
    checked = "Bytes with indexes; rows as Postgres estimates them."
    if not sizes.tables:
        return Finding("Sizes", Health.UNCHECKED, "The database did not say.", checked)
    tables = ", ".join(
        f"{size.table} {size.rows:,} ({_bytes_words(size.bytes)})" for size in sizes.tables[:_MOST_NAMED]
    )
    found = f"The database has {_bytes_words(sizes.database_bytes)}: {tables}."
    return Finding("Sizes", Health.WELL, found, checked)


def retention_kept(retention: RetentionReport, now: datetime) -> Finding:
    """How long log lines and raw answers of incidents that are over are kept."""
    part, checked = (
        "Retention",
        "RETENTION_DAYS of system_config; what was decided and written stays for ever.",
    )
    if retention.days is None and retention.written is not None:
        return Finding(
            part,
            Health.ILL,
            f"RETENTION_DAYS = {retention.written} is not taken: all is kept.",
            checked,
            "Write a whole number of days, 30 or more, or remove the row.",
            "update system_config set value = '365' where key = 'RETENTION_DAYS';",
            "Nothing is removed, however old it is.",
        )
    if retention.days is None:
        return Finding(part, Health.WELL, "All is kept.", checked)
    last = (
        f" {retention.emptied} so far, the last {age_words(retention.last_at, now)}."
        if retention.last_at
        else " None so far."
    )
    found = f"Log lines, metrics and raw answers go {retention.days} days after an incident's end.{last}"
    return Finding(part, Health.WELL, found, checked)


def _bytes_words(count: int) -> str:
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} {units[0]}" if size >= 10 or units[0] == "B" else f"{size:.1f} {units[0]}"


def ask_anon(settings: AnonSettings) -> tuple[str, ...] | IncidentScribeError:
    """The tables that the anon key reads, or why that was not found out."""
    return or_error(lambda: system.list_open_tables(as_anon(settings, screen_http_client())))


def anon_refused(found: Sequence[str] | IncidentScribeError) -> Finding:
    """Whether the anon key alone reads nothing; `found` are the tables that it reads."""
    part, checked = "Anon key", "Tables were read with the anon key and without a person: each must refuse."
    if isinstance(found, IncidentScribeError):
        return Finding(part, Health.UNCHECKED, found.what, checked, found.to_do)
    if not found:
        return Finding(part, Health.WELL, "It reads nothing.", checked)
    return Finding(
        part,
        Health.ILL,
        f"It may read {', '.join(found)}.",
        checked,
        "Take the right back: revoke all on the table from anon, public. Then see who had it.",
        means="Whoever knows the anon key may ask for these rows.",
    )


def privileges_as_committed(found: Iterable[Sequence[str]], committed: Iterable[Sequence[str]]) -> Finding:
    """Whether every right in the database is one of supabase/privileges.csv; both are rows of that table."""
    part = "Privileges"
    checked = "Every right on every table, column and function is compared with the list of this version."
    here, wanted = {_place(row): tuple(row) for row in found}, {_place(row): tuple(row) for row in committed}
    places = sorted(place for place in {*here, *wanted} if not _is_same(here.get(place), wanted.get(place)))
    # A right on a table is one on each of its columns: the table is enough.
    tables = {name for kind, name, _ in places if kind == "table"}
    differing = [place for place in places if not (place[0] == "column" and place[1] in tables)]
    if not differing:
        return Finding(part, Health.WELL, f"All {len(wanted)} are as committed.", checked)
    named = ", ".join(" ".join(part for part in place if part) for place in differing[:_MOST_NAMED])
    more = f" and {len(differing) - _MOST_NAMED} more" if len(differing) > _MOST_NAMED else ""
    return Finding(
        part,
        Health.ILL,
        f"Not as committed: {named}{more}.",
        checked,
        "Compare with supabase/privileges.csv and take back what was granted by hand.",
        means="Somebody may do more, or less, than this version was tested with.",
    )


def _place(row: Sequence[str]) -> tuple[str, str, str]:
    kind, name, column = row[:3]
    return kind, name, column


def _is_same(here: tuple[str, ...] | None, wanted: tuple[str, ...] | None) -> bool:
    """`maintain` is a right that Postgres knows since version 17."""
    if here is None or wanted is None:
        return False
    older = tuple(
        " ".join(right for right in cell.split() if right != "maintain") or "-" for cell in wanted[3:]
    )
    return here[3:] in (wanted[3:], older)
