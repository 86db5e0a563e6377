"""Kestra's refusals, and the HTTP library's, as our errors: the one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from dashboard import errors

SERVICE = "Kestra"


@contextmanager
def translated() -> Iterator[None]:
    """Everything httpx raises inside leaves as an error of our tree."""
    try:
        yield
    except httpx.HTTPError as error:
        raise from_transport_error(error) from error
    except (httpx.InvalidURL, httpx.StreamError) as error:
        raise errors.UpstreamProtocolError(SERVICE, f"Kestra cannot be asked: {error}") from error


def from_transport_error(error: httpx.HTTPError) -> errors.UpstreamUnreachable:
    """No answer. Only a connection that was never made proves that nothing arrived."""
    never_left = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    how = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
    return errors.UpstreamUnreachable(
        SERVICE, f"Kestra {how} ({type(error).__name__}).", may_have_arrived=not never_left
    )


def raise_for_refusal(response: httpx.Response, subject: str) -> None:
    """Raise what an answer outside 2xx means; `subject` names what was asked for, in words.

    The body of the response must have been read.
    """
    if response.is_success:
        return
    status = response.status_code
    said = _message(response)
    what = f"Kestra refused {subject}: {said}" if said else f"Kestra refused {subject} (HTTP {status})."
    if status == 401:
        raise errors.NotSignedIn(
            SERVICE,
            "Kestra does not accept the user name and password.",
            status=status,
            to_do="Check KESTRA_USERNAME and KESTRA_PASSWORD, or KESTRA_API_TOKEN where it is set.",
        )
    if status == 403:
        raise errors.NotAllowed(SERVICE, what, status=status)
    if status == 404:
        raise errors.NotFound(f"Kestra does not know {subject}{': ' + said if said else '.'}")
    if status == 409:
        raise errors.NotPaused(what) if "not paused" in said else errors.Conflict(what)
    if status in (400, 415, 422):
        raise errors.InvalidInput(what)
    if says_not_now(status):
        raise errors.UpstreamUnreachable(SERVICE, f"Kestra could not do {subject} just now (HTTP {status}).")
    raise errors.UpstreamProtocolError(
        SERVICE, f"Kestra answered {subject} with HTTP {status}.", excerpt=said
    )


def says_not_now(status: int) -> bool:
    """Whether an answer is as good as none: worth another try, and no word on what was asked."""
    return status == 429 or (status >= 500 and status != httpx.codes.NOT_IMPLEMENTED)


def _message(response: httpx.Response) -> str:
    """What Kestra says in the `message` of its error body; 401 and some 409 have no body at all."""
    try:
        body = response.json()
    except ValueError:
        return ""
    message = body.get("message") if isinstance(body, dict) else None
    return message[:500] if isinstance(message, str) else ""
