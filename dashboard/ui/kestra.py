"""What this process follows at Kestra, shared by everybody who looks."""

from __future__ import annotations

import streamlit as st

from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.observation import LogSnapshot, Snapshot
from dashboard.ui.session import settings


@st.cache_resource(show_spinner=False)
def _followers() -> Followers:
    return Followers(KestraApi(settings()))


def watch(kestra_execution_id: str) -> Snapshot:
    """The newest observation. Only for ids that the viewer's own token has just read."""
    return _followers().watch(kestra_execution_id, wait_seconds=1.5)


def logs(kestra_execution_id: str) -> LogSnapshot:
    """The log of an execution, under the same condition."""
    return _followers().logs(kestra_execution_id)
