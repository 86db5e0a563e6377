"""What Supabase and its libraries raise arrives as errors of our tree, and only so."""

import inspect
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import supabase_auth.errors as auth_errors
from postgrest.exceptions import APIError
from pydantic import SecretStr

from dashboard import errors
from dashboard.kestra_api import refusals as kestra_refusals
from dashboard.settings import WebSettings
from dashboard.store import refusals
from dashboard.store.connection import as_anon, as_user, call, first, new_http_client, rows

SETTINGS = WebSettings(
    kestra_password=SecretStr("Secret-0815"),
    supabase_url="http://supabase.test",
    supabase_anon_key=SecretStr("anon-key"),
)


def contract_error(code: str, **more: Any) -> APIError:
    details = json.dumps({"code": code, **more})
    return APIError({"message": "A sentence.", "code": "PT409", "hint": None, "details": details})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("not_signed_in", errors.NotSignedIn),
        ("not_allowed", errors.NotAllowed),
        ("not_approver", errors.NotApprover),
        ("four_eyes", errors.FourEyes),
        ("not_owner", errors.NotOwner),
        ("inactive", errors.Inactive),
        ("not_found", errors.NotFound),
        ("invalid", errors.InvalidInput),
        ("reason_required", errors.ReasonRequired),
        ("already_decided", errors.AlreadyDecided),
        ("not_pending", errors.NotPending),
        ("expired", errors.Expired),
        ("stale_content", errors.StaleContent),
        ("stale_version", errors.StaleVersion),
        ("lost_lease", errors.LostLease),
    ],
)
def test_every_code_of_the_contract_has_its_error(code: str, kind: type[errors.IncidentScribeError]) -> None:
    error = refusals.from_api_error(contract_error(code))
    assert type(error) is kind
    assert error.what == "A sentence."


def test_already_decided_tells_who_was_first() -> None:
    error = refusals.from_api_error(
        contract_error(
            "already_decided", by="Ana", at="2026-11-24T06:00:00+00:00", decision="approved", reason="ok"
        )
    )
    assert isinstance(error, errors.AlreadyDecided)
    assert (error.by, error.decision, error.reason) == ("Ana", "approved", "ok")
    assert error.at == datetime(2026, 11, 24, 6, tzinfo=UTC)


def test_invalid_carries_its_fields() -> None:
    error = refusals.from_api_error(
        contract_error("invalid", fields=[{"field": "title", "problem": "is missing"}])
    )
    assert isinstance(error, errors.InvalidInput)
    assert error.fields == (errors.FieldProblem("title", "is missing"),)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("PGRST303", errors.NotSignedIn),
        ("42501", errors.NotAllowed),
        ("PGRST202", errors.UpstreamProtocolError),
        ("PGRST116", errors.NotFound),
        ("57014", errors.UpstreamUnreachable),
        ("503", errors.UpstreamUnreachable),
        ("23505", errors.Conflict),
        ("22P02", errors.InvalidInput),
        ("XX000", errors.UpstreamProtocolError),
    ],
)
@pytest.mark.parametrize("details", [None, "no JSON", "[1]", {"foreign": True}])
def test_codes_of_the_database_are_understood_whatever_the_details_are(
    code: str, kind: type[errors.IncidentScribeError], details: object
) -> None:
    error = APIError({"message": "text", "code": code, "hint": None, "details": details})
    assert type(refusals.from_api_error(error)) is kind


@pytest.mark.parametrize("translated", [refusals.translated, kestra_refusals.translated])
@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(kind, httpx.TransportError)
    ],
)
def test_every_transport_error_of_httpx_is_unreachable(
    kind: type[httpx.TransportError], translated: Any
) -> None:
    with pytest.raises(errors.UpstreamUnreachable) as raised, translated():
        raise kind("why")
    never_left = issubclass(kind, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    assert raised.value.may_have_arrived is not never_left


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            auth_errors.AuthApiError("Invalid login credentials", 400, "invalid_credentials"),
            errors.NotSignedIn,
        ),
        (auth_errors.AuthApiError("taken", 422, "email_exists"), errors.Conflict),
        (auth_errors.AuthApiError("slow down", 429, "over_request_rate_limit"), errors.UpstreamUnreachable),
        (auth_errors.AuthApiError("User not allowed", 403, "not_admin"), errors.NotAllowed),
        (auth_errors.AuthWeakPasswordError("short", 422, ["length"]), errors.InvalidInput),
        (auth_errors.AuthRetryableError("down", 503), errors.UpstreamUnreachable),
        (auth_errors.AuthSessionMissingError(), errors.NotSignedIn),
    ],
)
def test_errors_of_auth(error: auth_errors.AuthError, kind: type[errors.IncidentScribeError]) -> None:
    with pytest.raises(errors.IncidentScribeError) as raised, refusals.translated():
        raise error
    assert type(raised.value) is kind


def test_a_call_sends_the_persons_token_and_the_anon_key() -> None:
    seen: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True})

    with new_http_client(httpx.MockTransport(serve)) as http:
        assert call(as_user(SETTINGS, "token-of-ana", http), "approval_rule", {"approval_id": "a"}) == {
            "ok": True
        }
        call(as_anon(SETTINGS, http), "public_settings")
    assert [r.headers["authorization"] for r in seen] == ["Bearer token-of-ana", "Bearer anon-key"]
    assert {r.headers["apikey"] for r in seen} == {"anon-key"}
    assert seen[0].url.path == "/rest/v1/rpc/approval_rule"


def test_rows_and_first_read_tables() -> None:
    answers = [[{"id": 1}, {"id": 2}], []]
    serve = httpx.MockTransport(lambda _: httpx.Response(200, json=answers.pop(0)))
    with new_http_client(serve) as http:
        client = as_anon(SETTINGS, http)
        assert rows(client.table("incidents").select("*")) == [{"id": 1}, {"id": 2}]
        assert first(client.table("incidents").select("*")) is None


def test_a_read_that_fails_is_not_repeated_in_the_callers_thread() -> None:
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(503)

    with (
        new_http_client(httpx.MockTransport(serve)) as http,
        pytest.raises(errors.UpstreamUnreachable),
    ):
        rows(as_anon(SETTINGS, http).table("incidents").select("*"))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.NotSignedIn),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (415, errors.InvalidInput),
        (422, errors.InvalidInput),
        (429, errors.UpstreamUnreachable),
        (502, errors.UpstreamUnreachable),
        (302, errors.UpstreamProtocolError),
        (501, errors.UpstreamProtocolError),
        (418, errors.UpstreamProtocolError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message": 3}', b'["x"]'])
def test_kestras_statuses_have_their_errors_whatever_the_body_is(
    status: int, kind: type[errors.IncidentScribeError], body: bytes
) -> None:
    with pytest.raises(errors.IncidentScribeError) as raised:
        kestra_refusals.raise_for_refusal(httpx.Response(status, content=body), "the webhook")
    assert type(raised.value) is kind
