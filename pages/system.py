"""Is the desk itself well? One row per part: what was checked, when, and how to mend it."""

import streamlit as st

from dashboard.ui import session

session.require()
st.title("System")
