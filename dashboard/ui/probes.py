"""What this process can see of Kestra and of the anon key by itself, asked once in a while for everybody."""

from __future__ import annotations

import streamlit as st

from dashboard.doctor_kestra import KestraProbe, ask_kestra
from dashboard.doctor_operations import ask_anon
from dashboard.errors import IncidentScribeError
from dashboard.kestra_api.address import Address
from dashboard.live.following import desk_kestra
from dashboard.ui.session import settings


@st.cache_data(ttl=15, max_entries=1, show_spinner=False)
def probe_kestra() -> KestraProbe:
    """Kestra's answers of the last seconds; never raises an error of ours."""
    return ask_kestra(desk_kestra().api)


@st.cache_data(ttl=60, max_entries=1, show_spinner=False)
def probe_anon() -> tuple[str, ...] | IncidentScribeError:
    """The tables that the anon key reads, or why that was not found out."""
    return ask_anon(settings())


def kestra_address() -> Address:
    """The address in force at this desk, and one that was refused."""
    return desk_kestra().address


def webhook_key() -> str:
    """The key that starts the flow, to be compared; never shown."""
    return settings().webhook_key.get_secret_value()
