"""Forms and links that must stay in the same tab, which Streamlit has no element for.

The sign-out is a real POST with a form token; the link to the sign-in page keeps the way back.
"""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

_CSS = """
:host, div, form { font-family: var(--st-font); font-size: 0.95rem; }
div { display: flex; gap: 0.5rem; flex-wrap: wrap; }
form { margin: 0; flex: 1 1 6rem; }
a, button {
  box-sizing: border-box; width: 100%; min-height: 2.5rem; padding: 0.45rem 0.6rem;
  font: inherit; text-align: center;
  color: var(--st-text-color); background: var(--st-background-color); cursor: pointer; text-decoration: none;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius, 0.5rem);
}
a { flex: 1 1 8rem; display: inline-flex; align-items: center; justify-content: center; }
a:hover, button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
a:focus-visible, button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""

_account = st.components.v2.component(
    "desk_account",
    html="""
<div>
  <a id="switch">Switch account</a>
  <form method="post" action="/logout">
    <input type="hidden" name="form_token"><input type="hidden" name="next">
    <button type="submit">Sign out</button>
  </form>
</div>
""",
    css=_CSS,
    js="""
export default function ({ data, parentElement }) {
  parentElement.querySelector("#switch").setAttribute("href", data.switch_address)
  parentElement.querySelector("[name=form_token]").value = data.form_token
  parentElement.querySelector("[name=next]").value = data.next
}
""",
)

_sign_in = st.components.v2.component(
    "desk_sign_in",
    html="""
<div>
  <a id="sign-in"></a>
</div>
""",
    css=_CSS,
    js="""
export default function ({ data, parentElement }) {
  const link = parentElement.querySelector("#sign-in")
  link.setAttribute("href", data.address)
  link.textContent = data.label
}
""",
)


def render_account(logout_token: str, here: str) -> None:
    """Switch account and sign out; both lead back to `here`, a path that `safe_next` has made."""
    _account(
        key="account",
        data={"form_token": logout_token, "next": here, "switch_address": _login(here)},
    )


def render_sign_in_link(here: str) -> None:
    """A link to the sign-in page."""
    _sign_in(key="sign_in", data={"address": _login(here), "label": "Sign in"})


def render_switch_link(label: str, here: str, *, key: str) -> None:
    """A link to the sign-in page, to become somebody else and go on at `here`; several may be on one page."""
    _sign_in(key=key, data={"address": _login(here), "label": label})


def _login(here: str) -> str:
    return f"/login?{urlencode({'next': here})}"
