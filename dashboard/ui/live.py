"""Fragments that run again the moment something happens; see docs/decisions on push.

A small listener stands in the fragment. It holds one WebSocket per tab and topic, shared by all fragments
that listen to that topic, writes the headline it was sent at once, and asks for a run of its fragment.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

import streamlit as st

from dashboard.live.board import board
from dashboard.live.topics import Kind, Topic
from dashboard.ui import session
from dashboard.ui.pushed import pushed_run, remember_organization
from dashboard.web.live_script import COMPONENT_JS

Parameters = ParamSpec("Parameters")

FALLBACK_SECONDS = 5.0
"""Pause between runs while nothing can be pushed: no topic, or no connection."""

REFRESH_SECONDS = 30.0
"""Pause between runs while nothing happens, so that ages and deadlines on the screen stay true."""

_CSS = """
output { display: block; min-height: 1.5em; font-weight: 600; color: var(--st-text-color) }
small { color: var(--st-orange-text-color); font-size: 0.875em }
"""
_silent = st.components.v2.component("live", js=COMPONENT_JS)
_spoken = st.components.v2.component(
    "live_headline",
    html="<output role='status'></output><small role='status'></small>",
    css=_CSS,
    js=COMPONENT_JS,
)
_runs = itertools.count(1)


def organization_topic() -> Topic | None:
    """Anything that changed in the database for the viewer's organization: told within a second or so."""
    user = session.current_user()
    if user is None:
        return None
    topic = Topic(Kind.ORGANIZATION, user.person.organization_id)
    remember_organization(topic)
    return topic


def execution_topic(kestra_execution_id: str) -> Topic:
    """An event of the engine, told in milliseconds. Only for ids that the viewer's own token has read."""
    return Topic(Kind.EXECUTION, kestra_execution_id)


def log_topic(kestra_execution_id: str) -> Topic:
    """The execution's log has grown: told at most twice a second. Only for ids the viewer may read."""
    return Topic(Kind.LOG, kestra_execution_id)


def live(
    *topics: Topic | None,
    key: str,
    headline: bool = False,
    fallback_seconds: float = FALLBACK_SECONDS,
    refresh_seconds: float = REFRESH_SECONDS,
) -> Callable[[Callable[Parameters, None]], Callable[Parameters, None]]:
    """Make a function a fragment that runs again at news on a topic; without one (None), by timer.

    `key` is unique within the page. With `headline` the fragment begins with the headline of the first topic
    as text, written by the listener before the fragment has run; such fragments run before the others.
    What the function does is the delay of the screen.
    """
    heard = tuple(topic for topic in topics if topic)

    def decorate(body: Callable[Parameters, None]) -> Callable[Parameters, None]:
        @wraps(body)
        def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
            # The listener comes first and takes no room: it is there even if the body ends early, and it
            # tells what was known before the body read, so that nothing falls between.
            with st.container(gap=None):
                is_pushed = _listen(heard, key, headline, fallback_seconds, refresh_seconds)
                with st.container(), pushed_run(is_pushed):
                    body(*args, **kwargs)

        return st.fragment(drawn)

    return decorate


def revive() -> None:
    """Once per page, outside all fragments: runs the whole page where running a fragment does not help.

    So after a restart of the desk, whose new session knows no fragments, and after a sign-out elsewhere.
    """
    data = {"topics": {}, "whole": True, "epoch": board.epoch, "run": next(_runs)}
    _silent(key="live_revive", data=data, on_news_change=_nothing)


def _listen(topics: Sequence[Topic], key: str, headline: bool, fallback: float, refresh: float) -> bool:
    """Draw the listener; whether it is what asked for this run."""
    news = {str(topic): board.read(topic) for topic in topics}
    data = {
        "topics": {topic: known.version for topic, known in news.items()},
        "epoch": board.epoch,
        "headline": next((known.headline for known in news.values()), ""),
        "run": next(_runs),
        "fallback": round(fallback * 1000),
        "refresh": round(refresh * 1000),
    }
    component = _spoken if headline else _silent
    result = component(key=f"live_{key}", data=data, on_news_change=_nothing)
    return getattr(result, "news", None) is not None


def _nothing() -> None:
    """A run is all that is wanted: the listener's word needs no answer of its own."""
