"""Who knows of an approval: who was told outside the desk, and who has had it on their screen."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.clock import age_words
from dashboard.store.audit import Entry
from dashboard.store.decisions import Attention
from dashboard.store.executions import Owed
from dashboard.ui.text import escape
from dashboard.ui.times import absolute

_CHANNELS = {"slack": "Slack", "teams": "Teams", "email": "e-mail"}
_EVENTS = {"waiting": "that it waits", "reminded": "a reminder", "second_line": "the second line"}


def render_attention(attention: Attention, reader_id: str, now: datetime) -> None:
    """Quietly: nobody has to read it to decide, and nobody asks twice who is at it."""
    st.caption(f"{_told(attention.told, now)}  \n{_seen(attention.seen, reader_id, now)}")


def _told(notices: tuple[Owed, ...], now: datetime) -> str:
    told = [_notice(notice, now) for notice in notices if notice.payload.get("event") in _EVENTS]
    return f"Told: {'; '.join(told)}." if told else "Nobody was told of it outside the desk."


def _notice(notice: Owed, now: datetime) -> str:
    channel = str(notice.payload.get("channel"))
    people = len(notice.payload.get("to") or ())
    whom = f" to {people} {'person' if people == 1 else 'people'}" if people else ""
    words = f"{_EVENTS[str(notice.payload['event'])]}, by {escape(_CHANNELS.get(channel, channel))}{whom}"
    if notice.settled_at is None:
        return f"{words}, not sent yet" + (" (it does not get through)" if notice.last_error else "")
    if notice.status != "done":
        return f"{words}, not sent"
    return f"{words}, {age_words(notice.settled_at, now)}"


def _seen(looks: tuple[Entry, ...], reader_id: str, now: datetime) -> str:
    others = [look for look in looks if look.actor_id != reader_id]
    if not others:
        return "Nobody else has looked at this version yet."
    names = ", ".join(
        f"{escape(look.actor_name)} {age_words(look.at, now)} ({absolute(look.at)})" for look in others
    )
    return f"Looked at by {names}."
