"""The Kestra of this process and its followers: what they see is news on the board."""

from __future__ import annotations

import logging
import threading
import time
from functools import lru_cache

from supabase import Client

from dashboard.errors import IncidentScribeError
from dashboard.kestra_api.address import KEY, Address, AddressBook
from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.observation import Snapshot
from dashboard.live.board import board
from dashboard.live.headline import headline
from dashboard.live.topics import Kind, Topic
from dashboard.settings import WebSettings
from dashboard.store import config

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0


class DeskKestra:
    """Kestra as this process sees it: a client, followers, and the address that people wrote for it."""

    def __init__(self, settings: WebSettings) -> None:
        self.api = KestraApi(settings)
        self.followers = Followers(self.api, on_news=publish, on_log=publish_log)
        self._book = AddressBook(settings.kestra_url, settings.kestra_allowed_hosts)
        self._looking = threading.Lock()
        self._next_look = float("-inf")

    @property
    def address(self) -> Address:
        return self._book.current

    def look(self, user: Client) -> None:
        """Read, as whoever is there, which address is written, and move there; once in a few seconds.

        Raises nothing of ours: while it cannot be read the former stays in force.
        """
        if time.monotonic() < self._next_look or not self._looking.acquire(blocking=False):
            return
        try:
            moved = self._book.take(config.find_written(user, KEY))
        except IncidentScribeError as error:
            log.debug("%s could not be read: %s", KEY, error.what)
            moved = False
        finally:
            self._next_look = time.monotonic() + LOOK_SECONDS
            self._looking.release()
        if moved:
            log.info("Kestra is asked at another address now, as system_config says")
            self.api.move_to(self._book.current.url)
            # Whoever looks at an execution gets a new follower, at the new address.
            self.followers.close()


@lru_cache(maxsize=1)
def desk_kestra() -> DeskKestra:
    """The one of this process, for the settings in the environment."""
    return DeskKestra(WebSettings.load())


def followers() -> Followers:
    """The followers of this process."""
    return desk_kestra().followers


def count_followed() -> int:
    """How many executions and logs this process follows; none before anybody has looked at one."""
    return desk_kestra().followers.count() if desk_kestra.cache_info().currsize else 0


def publish(kestra_execution_id: str, snapshot: Snapshot) -> None:
    """Put what a follower has just seen on the board."""
    said = headline(snapshot.execution) if snapshot.execution else ""
    board.publish(Topic(Kind.EXECUTION, kestra_execution_id), said)


def publish_log(kestra_execution_id: str) -> None:
    """Put on the board that an execution's log has grown."""
    board.publish(Topic(Kind.LOG, kestra_execution_id))
