"""The worker follows the address of Kestra that people write into `system_config`."""

from __future__ import annotations

import logging
from typing import Any

from supabase import Client

from dashboard import metrics
from dashboard.errors import IncidentScribeError, InvalidInput
from dashboard.kestra_api.address import KEY, AddressBook
from dashboard.kestra_api.client import KestraApi
from dashboard.settings import WorkerSettings
from dashboard.store import config
from dashboard.worker.pace import Every, Trouble

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0


class Whereabouts:
    """Moves a client of Kestra to the address in force."""

    def __init__(self, kestra: KestraApi, settings: WorkerSettings) -> None:
        self._kestra = kestra
        self._own = settings.kestra_url
        self._book = AddressBook(settings.kestra_url, settings.kestra_allowed_hosts)
        self._is_noted = False
        self._due = Every(LOOK_SECONDS)
        self._trouble = Trouble("the settings in the database")

    def look_when_due(self, client: Client) -> None:
        """The same, once in LOOK_SECONDS."""
        if self._due.is_due():
            self.look(client)

    def look(self, client: Client) -> None:
        """Read what is written, and move there. While it cannot be read the former stays in force."""
        before = self._book.current
        try:
            if not self._is_noted:
                self._note(client)
            moved = self._book.take(config.find_written(client, KEY))
        except IncidentScribeError as error:
            # The outbox is not kept from what can still be paid.
            self._trouble.raised(error)
            return
        self._trouble.passed()
        now = self._book.current
        metrics.KESTRA_ADDRESS_REFUSED.set(now.refused is not None)
        if moved:
            self._kestra.move_to(now.url)
            log.info("Kestra is asked at another address now, as system_config says")
        elif now.refused and now.written != before.written:
            log.warning("The %s of system_config is not taken: it %s", KEY, now.refused)

    def _note(self, client: Client) -> None:
        try:
            config.note_environment(client, KEY, self._own)
        except InvalidInput as error:
            # An address with a password in it, for example: it does not belong into a table that people read.
            log.warning("The %s of the environment was not written down: %s", KEY, error.what)
        self._is_noted = True

    def facts(self) -> dict[str, Any]:
        """For the worker's word that it is alive."""
        now = self._book.current
        return {"kestra_url": now.url, "kestra_url_refused": now.refused}
