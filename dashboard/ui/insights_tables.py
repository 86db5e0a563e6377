"""What the period was made of: approvals and what came of them, severities, services, people, the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.insights import DEFINITIONS, Approvals, Group, Insights, Model, Outcome, Spread
from dashboard.ui.insights_charts import GRAVEST_FIRST
from dashboard.ui.insights_rows import Rows, number_link
from dashboard.ui.text import escape

_OUTCOMES: Final = {
    ("approved", "acted"): ("approved and done", "Approved, and the action was carried out."),
    ("approved", "failed"): ("approved, did not happen", "Approved, and refused by the service."),
    ("approved", "unknown"): ("approved, not known", "Approved and begun; it may or may not have happened."),
    ("approved", "not_carried_out"): ("approved, not done", "Approved, and nothing was carried out."),
    ("approved", "none"): ("approved, nothing yet", "Approved, and nothing has come of it yet."),
    ("rejected", ""): ("rejected", "A person said no."),
    ("expired", ""): ("expired", "Nobody decided before the deadline."),
    ("cancelled", ""): ("cancelled", "Overtaken before anybody decided, such as by a raised severity."),
    ("pending", ""): ("waiting", "Not decided yet."),
}
_MODEL_FAILURES: Final = {
    "model_silent": ("without an answer", "The request failed, timed out, or the answer was empty."),
    "model_stopped": ("stopped early", "The model stopped, as by its safety rules or its limit."),
    "model_unreadable": ("not readable", "The answer was no JSON."),
    "model_off_schema": ("of another form", "The answer had another form than was asked for."),
}


def render_outcomes(approvals: Approvals, rows: Rows) -> None:
    """What was decided, and what came of it."""
    st.subheader("Approvals", anchor=False, help=DEFINITIONS["Time to approve"])
    if not approvals.count:
        st.caption("No approval was asked for in this period.")
        return
    rows.render_approvals(approvals.count, "asked for")
    st.caption(f"{approvals.before:,} in the period before")
    for (status, outcome), (words, meaning) in _OUTCOMES.items():
        if count := _count(approvals.groups, status, outcome):
            rows.render_approvals(count, words, meaning, status=status, outcome=outcome)


def render_attention(insights: Insights, rows: Rows) -> None:
    """Where people were called, and where something went wrong."""
    st.subheader("Handed to people", anchor=False, help=DEFINITIONS["Escalated to nobody"])
    rows.render_incidents(insights.fact("escalated"), "escalated", fact="escalated")
    rows.render_incidents(
        insights.fact("escalation_unacknowledged"),
        "acknowledged by nobody",
        DEFINITIONS["Escalated to nobody"],
        fact="escalation_unacknowledged",
    )
    rows.render_incidents(insights.fact("reopened"), "reopened", fact="reopened")
    rows.render_incidents(insights.fact("run_failed"), "with a failed run", fact="run_failed")
    rows.render_incidents(insights.fact("repeated"), "reported more than once", fact="repeated")


def render_model(insights: Insights, rows: Rows) -> None:
    """Tokens, and answers that could not be used."""
    st.subheader("The model", anchor=False, help=f"{DEFINITIONS['Model failures']} {DEFINITIONS['Tokens']}")
    st.markdown(_tokens(insights.model))
    for use in insights.model.models:
        st.caption(f"{escape(use.model)}: {use.runs:,} runs, {use.total_tokens:,} tokens")
    rows.render_incidents(insights.fact("model_failed"), "with a model failure", fact="model_failed")
    for fact, (words, meaning) in _MODEL_FAILURES.items():
        if count := insights.fact(fact):
            rows.render_incidents(count, words, meaning, fact=fact)


def render_severities(groups: Sequence[Group], rows: Rows) -> None:
    """A line for each severity, gravest first."""
    st.subheader("By severity", anchor=False)
    ordered = sorted(groups, key=lambda group: GRAVEST_FIRST.index(group.severity))
    st.table(
        [
            {
                "Severity": group.severity.value,
                "Incidents": number_link(group.count, rows.incidents(severity=group.severity.value)),
                "Still open": number_link(
                    group.unresolved, rows.incidents(severity=group.severity.value, fact="unresolved")
                ),
                "Acknowledged in": _median(group.acknowledge),
                "Resolved in": _median(group.resolve),
            }
            for group in ordered
        ],
        border="horizontal",
        alt="Incidents by severity with medians of the times to acknowledge and to resolve",
    )


def render_services(insights: Insights, rows: Rows) -> None:
    """The services with the most incidents."""
    st.subheader("Noisiest services", anchor=False, help=DEFINITIONS["Incidents and reports"])
    st.table(
        [_service_row(group, rows) for group in insights.services],
        border="horizontal",
        alt="Services by number of incidents",
    )
    if more := insights.service_count - len(insights.services):
        st.caption("One more service had fewer." if more == 1 else f"{more} more services had fewer.")


def render_definitions() -> None:
    """Everything that is counted, in words."""
    with st.expander("How these are counted", icon=":material/help:", key="insights_definitions"):
        for name, definition in DEFINITIONS.items():
            st.markdown(f"**{escape(name)}.** {escape(definition)}")


def _count(groups: Sequence[Outcome], status: str, outcome: str) -> int:
    return sum(g.count for g in groups if g.status == status and outcome in ("", g.outcome))


def _service_row(group: Group, rows: Rows) -> dict[str, str]:
    these = rows._replace(services=(group.service,))
    return {
        "Service": escape(group.service),
        "Incidents": number_link(group.count, these.incidents()),
        "Reports": f"{group.reports:,}",
        "Still open": number_link(group.unresolved, these.incidents(fact="unresolved")),
        "Acknowledged in": _median(group.acknowledge),
        "Resolved in": _median(group.resolve),
    }


def _tokens(model: Model) -> str:
    if not model.total_tokens:
        return "No tokens were counted."
    each = model.total_tokens / model.incidents
    return (
        f"**{model.total_tokens:,}** tokens for {model.incidents:,} incidents, {each:,.0f} each"
        f" ({model.prompt_tokens:,} read, {model.output_tokens:,} written)."
    )


def _median(spread: Spread) -> str:
    return "none" if spread.median_seconds is None else duration_words(spread.median_seconds)
