"""Who is looking at the page. Every page, and every fragment that fetches, asks here first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import streamlit as st
from supabase import Client

from dashboard.errors import IncidentScribeError, NotSignedIn
from dashboard.live.following import desk_kestra
from dashboard.routes import OVERVIEW, safe_next
from dashboard.settings import WebSettings
from dashboard.store import people
from dashboard.store.connection import as_user
from dashboard.store.patience import screen_http_client
from dashboard.store.people import Person, Role
from dashboard.ui.account import render_sign_in_link
from dashboard.ui.errors_view import render_error, render_not_allowed
from dashboard.ui.known import read
from dashboard.web import cookies
from dashboard.web.demo_accounts import is_demo
from dashboard.web.seal import form_token
from dashboard.web.sessions import desk_sessions
from dashboard.web.sign_in import LOGOUT_FORM

_FRAME_IS_DRAWN = "signed_in"


class PageEnd(Exception):
    """Raised by a page that has said why there is nothing more to draw; the entry script catches it.

    After `st.stop()` Streamlit 1.67 keeps the fragments of the page before, whose timers then draw into
    places that are gone, and the browser's page turns white.
    """


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The signed-in person, and clients that ask Supabase as them: `client` reads, `writer` has more time.

    Do not keep one from run to run: its token ends. `logout_token` belongs into the sign-out form; `is_demo`
    says that the desk runs on the local sandbox.
    """

    person: Person
    client: Client = field(repr=False)
    writer: Client = field(repr=False)
    logout_token: str = field(default="", repr=False)
    is_demo: bool = False

    @property
    def name(self) -> str:
        return self.person.display_name

    def may(self, role: Role) -> bool:
        """Whether this person has at least that role."""
        return self.person.role.includes(role)


@st.cache_resource
def settings() -> WebSettings:
    """The settings of this process."""
    return WebSettings.load()


@st.cache_data(ttl=5, max_entries=2_000, show_spinner=False)
def _person(user_id: str, _client: Client) -> Person | None:
    # The id decides: a person's own row, read with their own token. Roles may change while a page is open.
    return people.find_person(_client, user_id)


def current_user() -> CurrentUser | None:
    """The person behind the browser's cookie, or None. Raises UpstreamUnreachable."""
    cookie = cookies.read(st.context.cookies, cookies.SESSION)
    found = desk_sessions().find(cookie)
    if found is None or cookie is None:
        return None
    client = as_user(settings(), found.access_token, screen_http_client())
    person = read(f"person_{found.user_id}", lambda: _person(found.user_id, client)).value
    if person is None or not person.active:
        return None
    desk_kestra().look(client)
    writer = as_user(settings(), found.access_token, viewer=st.context.ip_address)
    return CurrentUser(person, client, writer, form_token(cookie, LOGOUT_FORM), is_demo(settings()))


def gate() -> CurrentUser | None:
    """The signed-in person, for the entry script; None when the page is a way to sign in instead.

    Raises IncidentScribeError when nobody can say who it is.
    """
    user = current_user()
    if user is None:
        st.session_state.pop(_FRAME_IS_DRAWN, None)
        st.warning("What was submitted or decided is saved.", title="You are signed out")
        render_sign_in_link(safe_next(_address()))
        return None
    st.session_state[_FRAME_IS_DRAWN] = True
    return user


def require(role: Role = Role.VIEWER) -> CurrentUser:
    """The signed-in person with at least this role; otherwise the page says why not and ends here."""
    try:
        user = current_user()
    except IncidentScribeError as error:
        render_error(error)
        st.stop()
    if user is None:
        # The entry script says it, once for the whole page.
        if st.session_state.pop(_FRAME_IS_DRAWN, False):
            st.rerun()
        st.stop()
    if not user.may(role):
        render_not_allowed(f"This page is for the role {role} and above; your role is {user.person.role}.")
        raise PageEnd
    return user


def acting() -> CurrentUser:
    """The signed-in person, for presses. Raises IncidentScribeError when nobody can say who it is.

    Each press says what became of it; one that ended the page, as `require` does, would be lost in silence.
    """
    user = current_user()
    if user is None:
        raise NotSignedIn("Supabase", "You are signed out.", status=401, means="Nothing was changed.")
    return user


def once(key: str, act: Callable[..., object], *arguments: object) -> None:
    """Do something once in the life of this tab; what raises is tried again at the next run."""
    place = f"once_{key}"
    if place not in st.session_state:
        act(*arguments)
        st.session_state[place] = True


def _address() -> str:
    """The path and query of the page in the browser's address bar."""
    url = str(st.context.url or "")
    path = "/" + url.partition("://")[2].partition("/")[2].partition("?")[0]
    query = "&".join(f"{key}={value}" for key, value in st.query_params.items())
    return f"{path}?{query}" if query else path or OVERVIEW.path
