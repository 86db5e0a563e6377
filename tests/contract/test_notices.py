"""Notices by each channel, taken by real servers on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from pydantic import SecretStr

from dashboard.domain.clock import to_iso, utc_now
from dashboard.errors import ConfigurationError, IncidentScribeError, UpstreamRejected, UpstreamUnreachable
from dashboard.settings import NoticeSettings
from dashboard.store.connection import new_http_client
from dashboard.store.outbox import Leased, Outcome
from dashboard.worker.notify import Notifier, channels_of
from tests.support.postgres import free_port

HOSTILE = "<!channel> *now* [click](http://evil.example) \u202e&amp;\r\nBcc: everybody@example.com"
DESK = "https://desk.example"
APPROVAL = "33333333-3333-4333-8333-333333333333"
INCIDENT = "44444444-4444-4444-8444-444444444444"
SECRET = "T000-very-secret"


class Received(ThreadingHTTPServer):
    """An incoming webhook that answers `status` and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 (the name is the protocol's)
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                self.bodies.append(json.loads(body))
                handler.send_response(self.status)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(handler, format: str, *args: object) -> None:  # noqa: A002, N805
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/{SECRET}"


@contextmanager
def serving() -> Iterator[Received]:
    """An incoming webhook on a free port while the block runs."""
    with Received() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def webhook() -> Iterator[Received]:
    with serving() as server:
        yield server


class Mailbox:
    """What an SMTP server took; `refuse` names recipients it does not take."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuse: set[str] = set()

    async def handle_RCPT(  # noqa: N802 (the name is the library's)
        self, server: object, session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        return "250 OK"


def authenticate(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"desk", b"p@ss"), handled=False)


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    port = free_port()
    controller = Controller(
        box, hostname="127.0.0.1", port=port, authenticator=authenticate, auth_require_tls=False
    )
    controller.start()
    yield box, f"smtp://desk:p%40ss@127.0.0.1:{port}"
    controller.stop()


def owed(channel: str, event: str = "waiting", *to: str, **more: Any) -> Leased:
    payload = {
        "event": event,
        "channel": channel,
        "to": list(to),
        "incident": {
            "id": INCIDENT,
            "external_id": "INC-1",
            "service": "payment-api",
            "severity": "MEDIUM",
            "title": HOSTILE,
        },
        "approval_id": APPROVAL,
        "statement": "Restart on payment-api (instances: 2).",
        "deadline_at": to_iso(utc_now() + timedelta(minutes=30)),
        "facts": {},
    }
    return Leased.model_validate(
        {
            "id": "6a0c7b7e-0000-4000-8000-0000000000aa",
            "kind": "notice",
            "organization_id": "6a0c7b7e-0000-4000-8000-00000000000a",
            "lease_token": "t",
            "payload": payload | more,
            "created_at": to_iso(utc_now()),
        }
    )


def notifier(settings: NoticeSettings, *, waiting: bool = True) -> Notifier:
    return Notifier(channels_of(settings, new_http_client()), DESK, lambda _: waiting)


def by_slack(webhook: Received) -> Notifier:
    return notifier(NoticeSettings(slack_webhook_url=SecretStr(webhook.url)))


def test_slack_gets_plain_text_and_a_button(webhook: Received) -> None:
    settled = by_slack(webhook).attempt(owed("slack"), utc_now())
    assert settled.outcome is Outcome.DONE
    (body,) = webhook.bodies
    header, section, actions = body["blocks"]
    assert header["text"] == {
        "type": "plain_text",
        "text": "MEDIUM payment-api: a decision is needed",
        "emoji": False,
    }
    assert section["text"]["type"] == "plain_text"
    assert "\u202e" not in section["text"]["text"]
    assert actions["elements"][0]["url"] == f"{DESK}/approval?id={APPROVAL}"
    assert "<" not in body["text"]


def test_teams_gets_text_runs_which_know_no_markdown(webhook: Received) -> None:
    settings = NoticeSettings(teams_webhook_url=SecretStr(webhook.url))
    notifier(settings).attempt(owed("teams"), utc_now())
    (body,) = webhook.bodies
    card = body["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert card["actions"][0]["url"].startswith(f"{DESK}/approval?id=")


def test_e_mail_is_signed_in_addressed_and_takes_no_header_from_a_title(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    settings = NoticeSettings(smtp_url=SecretStr(url), mail_from="Desk <desk@example.com>")
    notifier(settings).attempt(owed("email", "waiting", "ana@example.com", "ben@example.com"), utc_now())
    (mail,) = box.mails
    assert box.recipients == ["ana@example.com", "ben@example.com"]
    assert mail["Subject"] == "MEDIUM payment-api: a decision is needed"
    assert mail["Bcc"] is None
    assert mail["Message-ID"] == "<6a0c7b7e-0000-4000-8000-0000000000aa@incidentscribe>"
    text = mail.get_content()
    assert f"{DESK}/approval?id={APPROVAL}" in text
    assert "Bcc: everybody@example.com (INC-1)" in text  # within its line, where it is only text


@pytest.mark.parametrize(
    ("event", "facts", "expected"),
    [
        ("waiting", {"asked_by": "Rita"}, "Asked for by Rita."),
        ("reminded", {}, "half of the time to decide is over"),
        ("second_line", {}, "Three quarters of the time are over."),
        ("decided", {"by": "Ana", "decision": "rejected", "reason": "Not now"}, "rejected by Ana"),
        ("expired", {}, "Nothing was carried out"),
        ("escalated", {"reason": "HIGH"}, "needs a person now"),
        ("run_failed", {"state": "FAILED", "step": "save_to_supabase"}, "the run ended as FAILED"),
        ("delivery_stuck", {"kind": "deliver_decision", "since": "2026-11-24T03:00:00+00:00"}, "03:00 UTC"),
        ("nobody_can_decide", {}, "No active person may decide"),
    ],
)
def test_every_event_has_its_words(
    webhook: Received, event: str, facts: dict[str, Any], expected: str
) -> None:
    by_slack(webhook).attempt(owed("slack", event, facts=facts), utc_now())
    assert expected in json.dumps(webhook.bodies[0], ensure_ascii=False)


def failure(notify: Notifier, row: Leased) -> IncidentScribeError:
    with pytest.raises(IncidentScribeError) as caught:
        notify.attempt(row, utc_now())
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"), [(500, UpstreamUnreachable), (429, UpstreamUnreachable), (404, UpstreamRejected)]
)
def test_a_channel_that_fails_is_an_error_without_its_address(
    webhook: Received, status: int, kind: type[IncidentScribeError]
) -> None:
    webhook.status = status
    assert isinstance(failure(by_slack(webhook), owed("slack")), kind)


def test_a_channel_that_is_away_or_not_set_up_leaves_the_notice_owed() -> None:
    away = notifier(NoticeSettings(slack_webhook_url=SecretStr(f"http://127.0.0.1:1/{SECRET}")))
    assert isinstance(failure(away, owed("slack")), UpstreamUnreachable)
    error = failure(away, owed("email", "waiting", "ana@example.com"))
    assert isinstance(error, ConfigurationError)
    assert error.keys == ("INCIDENTSCRIBE_SMTP_URL",)
    nowhere = notifier(NoticeSettings(smtp_url=SecretStr("smtp://127.0.0.1:1")))
    assert isinstance(failure(nowhere, owed("email", "waiting", "ana@example.com")), UpstreamUnreachable)


def test_a_wrong_password_or_recipient_is_a_refusal(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    wrong = notifier(NoticeSettings(smtp_url=SecretStr(url.replace("p%40ss", SECRET))))
    assert isinstance(failure(wrong, owed("email", "waiting", "ana@example.com")), UpstreamRejected)
    box.refuse = {"gone@example.com"}
    right = notifier(NoticeSettings(smtp_url=SecretStr(url)))
    assert isinstance(failure(right, owed("email", "waiting", "gone@example.com")), UpstreamRejected)


def test_a_notice_that_became_untrue_or_old_is_not_sent(webhook: Received) -> None:
    settings = NoticeSettings(slack_webhook_url=SecretStr(webhook.url))
    assert notifier(settings, waiting=False).attempt(owed("slack"), utc_now()).outcome is Outcome.DONE
    tomorrow = utc_now() + timedelta(days=1, minutes=1)
    assert notifier(settings).attempt(owed("slack"), tomorrow).outcome is Outcome.DONE
    assert webhook.bodies == []


def test_an_address_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="INCIDENTSCRIBE_SMTP_URL"):
        channels_of(NoticeSettings(smtp_url=SecretStr("mail.example.com:25")), new_http_client())
