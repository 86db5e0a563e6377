"""Whether a run was asked for by news, and what was the newest then: nothing new need not be read again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import streamlit as st

from dashboard.live.board import board
from dashboard.live.topics import Topic

_ORGANIZATION = "live_organization"
_is_pushed: ContextVar[bool] = ContextVar("is_pushed", default=False)


def remember_organization(topic: Topic) -> None:
    """This tab is told of that organization's news."""
    st.session_state[_ORGANIZATION] = topic


@contextmanager
def pushed_run(is_pushed: bool) -> Iterator[None]:
    """Within this, whether the listener asked for the run: not a person, who wants to see what they did."""
    token = _is_pushed.set(is_pushed)
    try:
        yield
    finally:
        _is_pushed.reset(token)


def news_version() -> str | None:
    """The newest version of the organization's news; None where this process hears none."""
    topic = st.session_state.get(_ORGANIZATION)
    version = board.read(topic).version if topic else None
    return None if version is None or version.endswith(".0") else version


def nothing_new_since(version: str | None) -> bool:
    """Whether this run came by push and the database has told of nothing since that version."""
    return _is_pushed.get() and version is not None and version == news_version()
