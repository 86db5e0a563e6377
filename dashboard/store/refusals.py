"""Supabase's refusals as our errors: the one place that knows the contract's codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from postgrest.exceptions import APIError
from supabase_auth.errors import AuthApiError, AuthError, AuthRetryableError, AuthWeakPasswordError

from dashboard import errors, metrics
from dashboard.domain.clock import parse_instant

SERVICE = "Supabase"

_REJECTED: dict[str, type[errors.UpstreamRejected]] = {
    "not_signed_in": errors.NotSignedIn,
    "not_allowed": errors.NotAllowed,
    "not_approver": errors.NotApprover,
    "four_eyes": errors.FourEyes,
    "not_owner": errors.NotOwner,
    "inactive": errors.Inactive,
}

_CONFLICTS: dict[str, type[errors.Conflict]] = {
    "not_pending": errors.NotPending,
    "expired": errors.Expired,
    "stale_content": errors.StaleContent,
    "lost_lease": errors.LostLease,
}

# PostgREST's and Postgres's own codes. An APIError carries no HTTP status, so codes decide.
_UNREACHABLE = frozenset(
    {"57014", "57P01", "57P03", "53300", "40001", "40P01", "PGRST000", "PGRST001", "PGRST003"}
)
_NOT_SIGNED_IN = frozenset({"PGRST300", "PGRST301", "PGRST302", "PGRST303", "401"})
_MISSING_PART = frozenset({"PGRST202", "PGRST204", "PGRST205", "42P01", "42883", "42703"})


def _says_no(error: Exception) -> bool:
    """An answer, and not the absence of one."""
    return not isinstance(error, errors.UpstreamUnreachable | errors.UpstreamProtocolError)


@contextmanager
def translated() -> Iterator[None]:
    """Everything the Supabase libraries raise inside leaves as an error of our tree; counted as a request."""
    with metrics.counting("supabase", _says_no), _in_our_words():
        yield


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise from_api_error(error) from error
    except AuthError as error:
        raise from_auth_error(error) from error
    except httpx.HTTPError as error:
        raise from_transport_error(error) from error
    except httpx.InvalidURL as error:
        raise errors.ConfigurationError(
            "SUPABASE_URL is not a usable address.", keys=["SUPABASE_URL"]
        ) from error


def from_transport_error(error: httpx.HTTPError) -> errors.UpstreamUnreachable:
    """No answer: refused, timed out, broken off."""
    how = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
    never_left = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return errors.UpstreamUnreachable(
        SERVICE, f"Supabase {how} ({type(error).__name__}).", may_have_arrived=not never_left
    )


def from_api_error(error: APIError) -> errors.IncidentScribeError:
    """An answer that says no, by the contract's code first, by SQLSTATE or PostgREST's code else."""
    detail = _detail(error.details)
    what = error.message or "Supabase refused without a reason."
    by_contract = _from_contract(str(detail.get("code") or ""), what, detail)
    return by_contract or _from_database(str(error.code or ""), what, error)


def _from_contract(code: str, what: str, detail: dict[str, Any]) -> errors.IncidentScribeError | None:
    if code in _REJECTED:
        return _REJECTED[code](SERVICE, what, status=403)
    if code in _CONFLICTS:
        return _CONFLICTS[code](what)
    if code in _MAKERS:
        return _MAKERS[code](what, detail)
    return None


def _already_decided(what: str, detail: dict[str, Any]) -> errors.AlreadyDecided:
    at = detail.get("at")
    return errors.AlreadyDecided(
        what,
        by=detail.get("by"),
        at=parse_instant(at) if at else None,
        decision=detail.get("decision"),
        reason=detail.get("reason"),
    )


def _stale_version(what: str, detail: dict[str, Any]) -> errors.StaleVersion:
    at = detail.get("at")
    return errors.StaleVersion(
        what, by=detail.get("by"), at=parse_instant(at) if at else None, change=detail.get("decision")
    )


def _problems(detail: dict[str, Any]) -> list[errors.FieldProblem]:
    return [
        errors.FieldProblem(str(entry.get("field", "")), str(entry.get("problem", "")))
        for entry in detail.get("fields") or []
        if isinstance(entry, dict)
    ]


_MAKERS: dict[str, Callable[[str, dict[str, Any]], errors.IncidentScribeError]] = {
    "already_decided": _already_decided,
    "stale_version": _stale_version,
    "stale_section": _stale_version,
    "not_found": lambda what, _: errors.NotFound(what),
    "invalid": lambda what, detail: errors.InvalidInput(what, fields=_problems(detail)),
    "reason_required": lambda what, detail: errors.ReasonRequired(what, fields=_problems(detail)),
}


def _from_database(code: str, what: str, error: APIError) -> errors.IncidentScribeError:
    if code in _UNREACHABLE or (code.isdigit() and len(code) == 3 and code >= "500"):
        return errors.UpstreamUnreachable(SERVICE, f"Supabase could not do it just now: {what}")
    if code in _NOT_SIGNED_IN:
        return errors.NotSignedIn(SERVICE, "The sign-in is no longer valid.", status=401)
    if code in ("42501", "403", "PT403"):
        return errors.NotAllowed(SERVICE, f"Supabase does not allow this: {what}", status=403)
    if code in _MISSING_PART:
        return errors.UpstreamProtocolError(
            SERVICE,
            f"The database lacks something the desk needs: {what}",
            to_do="Apply the migrations: incidentscribe migrate.",
        )
    if code in ("PGRST116", "PT404"):
        return errors.NotFound(what)
    if code in ("23505", "PT409"):
        return errors.Conflict(what)
    if code[:2] in ("22", "23") or code == "PT422":
        return errors.InvalidInput(what)
    return errors.UpstreamProtocolError(
        SERVICE,
        f"Supabase answered with an error that is not known ({code}): {what}",
        excerpt=str(error.details),
    )


def _detail(details: Any) -> dict[str, Any]:
    """`details` is JSON text by contract, and anything at all from elsewhere."""
    if isinstance(details, str):
        try:
            details = json.loads(details)
        except ValueError:
            return {}
    return details if isinstance(details, dict) else {}


def from_auth_error(error: AuthError) -> errors.IncidentScribeError:
    """Supabase Auth's refusals: sign-in, refresh, administration of accounts."""
    if isinstance(error, AuthRetryableError):
        return errors.UpstreamUnreachable(SERVICE, "Supabase Auth cannot be reached.")
    if isinstance(error, AuthWeakPasswordError):
        return errors.InvalidInput(
            "The password is too weak.", fields=[errors.FieldProblem("password", error.message)]
        )
    if not isinstance(error, AuthApiError):
        return errors.NotSignedIn(SERVICE, f"The sign-in did not work: {error.message}")
    if error.code in ("email_exists", "user_already_exists"):
        return errors.Conflict("There is already an account with this e-mail address.")
    if error.code in ("validation_failed", "email_address_invalid"):
        return errors.InvalidInput(f"Supabase Auth did not accept this: {error.message}.")
    if error.code in ("user_not_found",):
        return errors.NotFound("There is no such account.")
    if error.status == 429:
        return errors.UpstreamUnreachable(
            SERVICE, "Too many sign-ins in a short time.", to_do="Wait a minute."
        )
    if error.code in ("not_admin",):
        return errors.NotAllowed(SERVICE, "This key may not administer accounts.", status=403)
    return errors.NotSignedIn(SERVICE, f"The sign-in did not work: {error.message}", status=error.status)
