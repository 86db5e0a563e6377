"""The followers of this process: what they see at Kestra is news on the board."""

from __future__ import annotations

from functools import lru_cache

from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.observation import Snapshot
from dashboard.live.board import board
from dashboard.live.headline import headline
from dashboard.live.topics import Kind, Topic
from dashboard.settings import WebSettings


@lru_cache(maxsize=1)
def followers() -> Followers:
    """The followers, for the settings in the environment."""
    return Followers(KestraApi(WebSettings.load()), on_news=publish, on_log=publish_log)


def publish(kestra_execution_id: str, snapshot: Snapshot) -> None:
    """Put what a follower has just seen on the board."""
    said = headline(snapshot.execution) if snapshot.execution else ""
    board.publish(Topic(Kind.EXECUTION, kestra_execution_id), said)


def publish_log(kestra_execution_id: str) -> None:
    """Put on the board that an execution's log has grown."""
    board.publish(Topic(Kind.LOG, kestra_execution_id))
