"""What was read, when, and why it could not be read since: a page never forgets what it has shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.errors import UpstreamUnreachable
from dashboard.ui.pushed import news_version, nothing_new_since

Value = TypeVar("Value")

_SILENT = "silent_upstream"
_LEAVE_ALONE = timedelta(seconds=4)
# So long is it believed that no news is no change.
_TRUSTED = timedelta(seconds=25)


class Known(NamedTuple, Generic[Value]):
    """A value as of a moment; `error` says why it is not newer."""

    value: Value
    as_of: datetime
    error: UpstreamUnreachable | None

    @property
    def why_not(self) -> str:
        """Why nothing is to be changed on the strength of this; empty: it is as new as can be."""
        return (
            f"{self.error.service} does not answer, so nothing can be changed just now." if self.error else ""
        )


def read(key: str, fetch: Callable[[], Value], *, news_tells: bool = False) -> Known[Value]:
    """Fetch; where that cannot be reached, what this tab has read last. Raises errors of our tree.

    `news_tells` says that every change of the value is counted by `news()`: then a run that came by push
    reads it only once until there is news, however many blocks of the page ask for it.
    """
    place = f"known_{key}"
    last: Known[Value] | None = st.session_state.get(place)
    if last and (silence := _silence()):
        return Known(last.value, last.as_of, silence)
    version = news_version()
    if (
        news_tells
        and last
        and _is_young(last)
        and nothing_new_since(st.session_state.get(f"{place}_version"))
    ):
        return last
    try:
        known = Known(fetch(), utc_now(), None)
    except UpstreamUnreachable as error:
        st.session_state[_SILENT] = (error, utc_now())
        if last is None:
            raise
        return Known(last.value, last.as_of, error)
    st.session_state.pop(_SILENT, None)
    st.session_state[place] = known
    st.session_state[f"{place}_version"] = version
    return known


def _is_young(known: Known[Value]) -> bool:
    return utc_now() - known.as_of < _TRUSTED


def _silence() -> UpstreamUnreachable | None:
    """Why nothing answered a moment ago: the blocks of a page do not wait for it one after the other."""
    error, at = st.session_state.get(_SILENT, (None, None))
    return error if at and utc_now() - at < _LEAVE_ALONE else None
