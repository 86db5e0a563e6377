"""Sending notices that are owed. Each is sent at least once: after a lost answer it may come twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import httpx

from dashboard.errors import ConfigurationError
from dashboard.notices.channels import Channel, Mail, Webhook, as_slack, as_teams
from dashboard.notices.message import Notice, compose
from dashboard.settings import NoticeSettings
from dashboard.store.outbox import Leased, Settlement

# Whoever could not be reached for a day looks at the desk, not at a hundred old notices.
_TOO_OLD = timedelta(days=1)
_SETTINGS: Mapping[str, str] = {
    "slack": "INCIDENTSCRIBE_SLACK_WEBHOOK_URL",
    "teams": "INCIDENTSCRIBE_TEAMS_WEBHOOK_URL",
    "email": "INCIDENTSCRIBE_SMTP_URL",
}


def channels_of(settings: NoticeSettings, http: httpx.Client) -> dict[str, Channel]:
    """The channels this worker has settings for. Raises ConfigurationError for unusable ones."""
    channels: dict[str, Channel] = {}
    if settings.slack_webhook_url:
        channels["slack"] = Webhook("Slack", settings.slack_webhook_url.get_secret_value(), as_slack, http)
    if settings.teams_webhook_url:
        channels["teams"] = Webhook("Teams", settings.teams_webhook_url.get_secret_value(), as_teams, http)
    if settings.smtp_url:
        channels["email"] = Mail(settings.smtp_url.get_secret_value(), settings.mail_from)
    return channels


class Notifier:
    """Decides what to do with one notice that is owed; settles nothing itself.

    `is_waiting(approval_id)` says whether an approval still waits for a decision.
    """

    def __init__(
        self, channels: Mapping[str, Channel], desk_url: str, is_waiting: Callable[[str], bool]
    ) -> None:
        self._channels = channels
        self._desk_url = desk_url
        self._is_waiting = is_waiting

    def attempt(self, owed: Leased, now: datetime) -> Settlement:
        """Send it, unless it has become untrue. Raises errors of our tree: it is owed on."""
        notice = Notice.model_validate(owed.payload)
        if notice.is_about_waiting and notice.approval_id and not self._is_waiting(notice.approval_id):
            return Settlement.done(skipped="Nobody has to decide on it any more.")
        if now - owed.created_at > _TOO_OLD:
            return Settlement.done(skipped="It could not be sent for a day.")
        channel = self._channels.get(notice.channel)
        if channel is None:
            key = _SETTINGS.get(notice.channel, notice.channel)
            raise ConfigurationError(f"{key} is not set at this worker.", keys=[key])
        channel.send(compose(notice, self._desk_url), notice.to, owed.id)
        return Settlement.done(sent=notice.channel)
