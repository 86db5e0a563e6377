"""Addresses that lead nowhere, and errors that nobody foresaw."""

from __future__ import annotations

import logging

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from dashboard.routes import MENU, ROUTES
from dashboard.web.not_found import NotFound
from tests.support.web_client import TestClient


@pytest.fixture
def client() -> TestClient:
    def through(_: object) -> PlainTextResponse:
        return PlainTextResponse("through")

    app = Starlette(
        routes=[Route("/{rest:path}", through)], middleware=[Middleware(NotFound, own=["/healthz"])]
    )
    return TestClient(app)


@pytest.mark.parametrize(
    "path",
    [
        *(route.path for route in ROUTES),
        "/incidents/",
        "/healthz",
        "/login",
        "/_stcore/health",
        "/static/x.js",
    ],
)
def test_what_exists_passes(client: TestClient, path: str) -> None:
    assert client.get(path).text == "through"


@pytest.mark.parametrize("path", ["/incidentz", "/incident/INC-1", "/healthz/more", "/.env"])
def test_what_does_not_is_a_page_of_ours_with_links(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert path in answer.text
    assert all(f'href="{route.path}"' in answer.text for route in MENU)


def test_a_hostile_address_is_shown_as_text_and_cut(client: TestClient) -> None:
    answer = client.get("/<script>alert(1)</script>" + "a" * 500)
    assert "<script>" not in answer.text
    assert "a" * 300 not in answer.text


def test_an_unforeseen_error_leaves_a_reference_on_the_screen_and_the_rest_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def page() -> None:
        from dashboard.web.unexpected import show_unexpected

        show_unexpected(RuntimeError("the password is hunter2"))

    with caplog.at_level(logging.ERROR):
        app = AppTest.from_function(page, default_timeout=20).run()
    [shown] = app.error
    reference = shown.value.split("`")[1]
    assert "hunter2" not in shown.value
    assert f"reference={reference}" in caplog.text
    assert "hunter2" in caplog.text
