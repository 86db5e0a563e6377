"""The channels: Slack and Teams by incoming webhook, e-mail by SMTP. Each shows a message as plain text."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import httpx

from dashboard.domain.clock import utc_now
from dashboard.errors import ConfigurationError, UpstreamRejected, UpstreamUnreachable
from dashboard.notices.message import Message

_SECONDS: Final = 10.0


class Channel(Protocol):
    """One way out. `notice_id` is the same in every attempt at the same notice."""

    def send(self, message: Message, to: Sequence[str], notice_id: str) -> None:
        """Raises UpstreamUnreachable (worth another try) and UpstreamRejected."""
        ...


class Webhook:
    """An incoming webhook; `shape` makes the body. The address is a secret and appears in no error."""

    def __init__(
        self, name: str, url: str, shape: Callable[[Message], dict[str, Any]], http: httpx.Client
    ) -> None:
        self._name = name
        self._url = url
        self._shape = shape
        self._http = http

    def send(self, message: Message, to: Sequence[str], notice_id: str) -> None:
        try:
            answer = self._http.post(self._url, json=self._shape(message), timeout=_SECONDS)
        except httpx.HTTPError as error:
            raise UpstreamUnreachable(
                self._name, f"{self._name} cannot be reached ({type(error).__name__})."
            ) from None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise UpstreamUnreachable(self._name, f"{self._name} answered {answer.status_code}.")
        if not answer.is_success:
            raise UpstreamRejected(
                self._name,
                f"{self._name} refused the notice ({answer.status_code}).",
                status=answer.status_code,
                to_do="Check the address of the webhook in the worker's settings.",
            )


def as_slack(message: Message) -> dict[str, Any]:
    """Blocks of plain text, and a button; nothing in it is read as Slack's markup."""
    text = "\n".join(message.lines)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(message.title, 150), "emoji": False}}
    ]
    if text:
        blocks.append(
            {"type": "section", "text": {"type": "plain_text", "text": _cut(text, 3000), "emoji": False}}
        )
    button = {"type": "plain_text", "text": message.link_text, "emoji": False}
    blocks.append({"type": "actions", "elements": [{"type": "button", "text": button, "url": message.link}]})
    # What a phone's lock screen shows: the one text that Slack reads as markup.
    fallback = message.title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": fallback, "blocks": blocks}


def as_teams(message: Message) -> dict[str, Any]:
    """An adaptive card of text runs, which unlike text blocks know no Markdown."""

    def runs(text: str, **how: object) -> dict[str, Any]:
        return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **how}]}

    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            runs(message.title, weight="Bolder", size="Medium"),
            *(runs(line) for line in message.lines),
        ],
        "actions": [{"type": "Action.OpenUrl", "title": message.link_text, "url": message.link}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


class Mail:
    """SMTP at `smtp://`, `smtp+starttls://` or `smtps://`; `user:password@` where the server wants it."""

    def __init__(self, url: str, sender: str, tls: ssl.SSLContext | None = None) -> None:
        self._server = urlsplit(url)
        if self._server.scheme not in ("smtp", "smtp+starttls", "smtps") or not self._server.hostname:
            raise ConfigurationError(
                "INCIDENTSCRIBE_SMTP_URL is no address of a mail server.",
                keys=["INCIDENTSCRIBE_SMTP_URL"],
                to_do="It reads smtp://host:25, smtp+starttls://user:password@host:587 or smtps://host:465.",
            )
        self._sender = sender
        self._tls = tls or ssl.create_default_context()

    def send(self, message: Message, to: Sequence[str], notice_id: str) -> None:
        try:
            with self._connected() as server:
                self._sign_in(server)
                refused = server.send_message(self._written(message, to, notice_id))
        except (
            smtplib.SMTPRecipientsRefused,
            smtplib.SMTPSenderRefused,
            smtplib.SMTPAuthenticationError,
        ) as error:
            raise UpstreamRejected(
                "E-mail",
                f"The mail server refused the notice ({type(error).__name__}).",
                to_do="Check sender, recipients and sign-in of the mail server in the worker's settings.",
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise UpstreamUnreachable(
                "E-mail", f"The mail server did not take the notice ({type(error).__name__})."
            ) from None
        if refused:
            # Some have it. Sending again would tell them twice, and the refused ones would refuse again.
            raise UpstreamRejected(
                "E-mail", f"The mail server refused {len(refused)} of {len(to)} recipients.", to_do=""
            )

    def _connected(self) -> smtplib.SMTP:
        host, port = self._server.hostname or "", self._server.port
        if self._server.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port or 465, timeout=_SECONDS, context=self._tls)
        return smtplib.SMTP(host, port or 25, timeout=_SECONDS)

    def _sign_in(self, server: smtplib.SMTP) -> None:
        if self._server.scheme == "smtp+starttls":
            server.starttls(context=self._tls)
        if self._server.username:
            server.login(unquote(self._server.username), unquote(self._server.password or ""))

    def _written(self, message: Message, to: Sequence[str], notice_id: str) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = ", ".join(to)
        mail["Subject"] = message.title
        mail["Date"] = format_datetime(utc_now())
        # The same for every attempt: a mail system that saw it already may drop it.
        mail["Message-ID"] = f"<{notice_id}@incidentscribe>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content("\n".join((*message.lines, "", f"{message.link_text}: {message.link}")))
        return mail


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
