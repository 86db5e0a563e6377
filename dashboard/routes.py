"""Every page of the desk: its address, its file, what it is called. Links are built here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

# In a checkout the pages lie beside this package, in an installed one within it; never in `dashboard/pages`,
# where Streamlit would run them without the entry script and its guard.
_PAGES = "../pages" if (Path(__file__).parents[1] / "pages" / "overview.py").is_file() else "_shipped/pages"


@dataclass(frozen=True, slots=True)
class Route:
    """A page.

    `file` is relative to `dashboard/`, as Streamlit wants it; `query` names the parameters of its links.
    """

    path: str
    file: str
    title: str
    icon: str
    help: str
    query: tuple[str, ...] = ()

    @property
    def url_path(self) -> str:
        """The path without its slash, as `st.Page` takes it."""
        return self.path.removeprefix("/")

    def link(self, **query: str | Sequence[str]) -> str:
        """The address of the page within the desk; a list of values repeats its parameter."""
        unknown = set(query) - set(self.query)
        if unknown:
            raise ValueError(f"{self.path} takes no parameter {', '.join(sorted(unknown))}.")
        return self.path + (f"?{urlencode(query, doseq=True)}" if query else "")


OVERVIEW = Route(
    "/",
    f"{_PAGES}/overview.py",
    "Overview",
    ":material/space_dashboard:",
    "What needs you, what is running now, and how the last day compares.",
)
SUBMIT = Route(
    "/submit",
    f"{_PAGES}/submit.py",
    "Submit incident",
    ":material/add_alert:",
    "Report an incident by form, JSON or sample; the flow starts at once.",
    query=("tab",),
)
INCIDENTS = Route(
    "/incidents",
    f"{_PAGES}/incidents.py",
    "Incidents",
    ":material/crisis_alert:",
    "All incidents of your organization, newest first, with search and filters.",
    query=("q", "status", "severity", "service", "period", "mine", "page", "since", "until", "fact"),
)
INCIDENT = Route(
    "/incident",
    f"{_PAGES}/incident.py",
    "Incident",
    ":material/crisis_alert:",
    "One incident: what the flow is doing, what it found, what was decided.",
    query=("id",),
)
APPROVALS = Route(
    "/approvals",
    f"{_PAGES}/approvals.py",
    "Approvals",
    ":material/how_to_reg:",
    "Proposals that wait for a decision, and those decided or expired.",
    query=("show", "status", "outcome", "service", "since", "until", "page"),
)
APPROVAL = Route(
    "/approval",
    f"{_PAGES}/approval.py",
    "Approval",
    ":material/how_to_reg:",
    "One proposal: what would happen, why, how to undo it, and the decision.",
    query=("id",),
)
POSTMORTEMS = Route(
    "/postmortems",
    f"{_PAGES}/postmortems.py",
    "Postmortems",
    ":material/menu_book:",
    "What was written about finished incidents, newest first, with search over the full text.",
    query=("q", "status", "severity", "service", "page"),
)
POSTMORTEM = Route(
    "/postmortem",
    f"{_PAGES}/postmortem.py",
    "Postmortem",
    ":material/menu_book:",
    "The document about one incident, with the evidence of every sentence.",
    query=("id", "evidence", "version", "compare"),
)

INSIGHTS = Route(
    "/insights",
    f"{_PAGES}/insights.py",
    "Insights",
    ":material/insights:",
    "Whether it is getting better: times, outcomes and counts of a period, each with its rows.",
    query=("days", "from", "to", "service"),
)
AUDIT = Route(
    "/audit",
    f"{_PAGES}/audit.py",
    "Audit log",
    ":material/history_edu:",
    "Who did what, when, on which version; to filter and to take along.",
    query=("actor", "action", "subject", "days", "page"),
)

SYSTEM = Route(
    "/system",
    f"{_PAGES}/system.py",
    "System",
    ":material/health_metrics:",
    "Whether the desk itself is well: each part it depends on, what was checked, and how to mend it.",
)

ROUTES = (
    OVERVIEW,
    INCIDENTS,
    APPROVALS,
    POSTMORTEMS,
    SUBMIT,
    INCIDENT,
    APPROVAL,
    POSTMORTEM,
    INSIGHTS,
    AUDIT,
    SYSTEM,
)
MENU = (OVERVIEW, INCIDENTS, APPROVALS, POSTMORTEMS, INSIGHTS, SYSTEM)

_LONGEST_NEXT = 600


def safe_next(wanted: str | None) -> str:
    """Where to go after sign-in: a page of this table with parameters it knows, or the overview.

    The address is built anew from its parts, so nothing of another host, scheme or script can come through.
    """
    if not wanted or len(wanted) > _LONGEST_NEXT or not wanted.startswith("/") or "\\" in wanted:
        return OVERVIEW.path
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return OVERVIEW.path
    if parts.scheme or parts.netloc:
        return OVERVIEW.path
    for route in ROUTES:
        if parts.path == route.path:
            known: dict[str, list[str]] = {}
            for key, value in parse_qsl(parts.query):
                if key in route.query:
                    known.setdefault(key, []).append(value)
            return route.link(**known)
    return OVERVIEW.path
