"""What this process can see of Kestra by itself, asked once in a while for everybody who looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from dashboard.doctor_kestra import KestraProbe
from dashboard.domain.clock import utc_now
from dashboard.errors import IncidentScribeError
from dashboard.kestra_api.client import KestraApi
from dashboard.ui.session import settings
from dashboard.worker.start import FLOW_ID, NAMESPACE

Answer = TypeVar("Answer")


@st.cache_resource(show_spinner=False)
def _api() -> KestraApi:
    return KestraApi(settings())


@st.cache_data(ttl=15, max_entries=1, show_spinner=False)
def probe_kestra() -> KestraProbe:
    """Ask Kestra who it is, for its flow, and for the names of its values; never raises an error of ours."""
    api = _api()
    instance = _tried(api.get_instance)
    if isinstance(instance, IncidentScribeError):
        # Whoever does not say its name is not asked further: each question may wait for seconds.
        return KestraProbe(utc_now(), instance, instance, instance)
    flow = _tried(lambda: api.find_flow(NAMESPACE, FLOW_ID))
    return KestraProbe(utc_now(), instance, flow, _tried(lambda: api.list_kv_keys(NAMESPACE)))


def webhook_key() -> str:
    """The key that starts the flow, to be compared; never shown."""
    return settings().webhook_key.get_secret_value()


def _tried(ask: Callable[[], Answer]) -> Answer | IncidentScribeError:
    try:
        return ask()
    except IncidentScribeError as error:
        return error
