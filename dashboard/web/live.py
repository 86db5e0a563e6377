"""The WebSocket `/live?topic=…`: tells a page that there is news. It carries versions and state words only.

The browser never sends. What a page shows it reads itself, as the person it belongs to.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from anyio import create_task_group, fail_after, to_thread
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from supabase import Client

from dashboard.errors import IncidentScribeError, UpstreamUnreachable
from dashboard.kestra_api.followers import Followers
from dashboard.live.board import Board, News
from dashboard.live.feed import NewsFeed
from dashboard.live.topics import Kind, Topic, parse
from dashboard.settings import WebSettings
from dashboard.store import executions, news, people
from dashboard.store.connection import as_user
from dashboard.store.patience import screen_http_client
from dashboard.web import cookies
from dashboard.web.seal import cookie_hash
from dashboard.web.sessions import DeskSessions

log = logging.getLogger(__name__)

PATH: Final = "/live"

UNKNOWN_TOPIC, SIGNED_OUT, NOT_ALLOWED, TOO_MANY, AGAIN_LATER = 4400, 4401, 4403, 4429, 1013
"""Close codes; the listener in the page knows what to do at each."""

CHECK_SECONDS = 5.0
"""So often is it asked whether the session still stands."""

_RIGHT_SECONDS = 30.0  # so often, whether the topic may still be read: only an administrator can change that
_CHECK_IS_OLD_SECONDS = 15.0  # nothing is sent on the word of a check older than this
_SEND_SECONDS = 10.0  # a browser that takes longer for a hundred bytes is not reading
_LOG_SECONDS = 0.5  # at least between two messages about a log, which may grow by a thousand lines a second
_MOST_PER_SESSION = 60
_APART_MS = 8  # one viewer's run after the other's: all at once would make all of them late
_RUN_MS = (
    25  # what a fragment costs: so long per viewer the others of a page wait for the one with the headline
)
_NEWS_SHARE, _LOG_SHARE = 0.06, 0.03  # seconds per viewer between two messages


class LiveChannel:
    """The sockets of this process."""

    def __init__(
        self,
        settings: WebSettings,
        sessions: DeskSessions,
        *,
        board: Board,
        feed: NewsFeed,
        followers: Callable[[], Followers],
        look: Callable[[Client], object],
    ) -> None:
        """`followers` is asked for them when somebody first watches an execution.

        `look` is called with each viewer's client from time to time, to see what was written for the desk.
        """
        self.settings = settings
        self.sessions = sessions
        self.board = board
        self.feed = feed
        self.followers = followers
        self.look = look
        self._open: Counter[str] = Counter()

    def route(self) -> WebSocketRoute:
        return WebSocketRoute(PATH, self.serve)

    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    async def serve(self, socket: WebSocket) -> None:
        """One socket from its opening to its end. Host and Origin were checked by the guard."""
        # Accepted in any case: a refusal before that reaches the page's script without a reason.
        await socket.accept()
        cookie = cookies.read(socket.cookies, cookies.SESSION) or ""
        try:
            topic = parse(socket.query_params.get("topic", ""))
        except ValueError:
            await socket.close(UNKNOWN_TOPIC)
            return
        viewer = Viewer(self, topic, cookie)
        with self._counted(cookie) as fits:
            code = await viewer.check() if fits else TOO_MANY
            if code is None:
                code = await _Conversation(self, socket, topic, viewer).run()
        if code is not None:
            await socket.close(code)

    @contextmanager
    def _counted(self, cookie: str) -> Iterator[bool]:
        """Whether this session may hold one more socket."""
        name = cookie_hash(cookie)
        self._open[name] += 1
        try:
            yield self._open[name] <= _MOST_PER_SESSION
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]


class Viewer:
    """Somebody's right to a topic, and since when it is known."""

    def __init__(self, channel: LiveChannel, topic: Topic, cookie: str) -> None:
        self._channel = channel
        self._topic = topic
        self._cookie = cookie
        self._right_at = float("-inf")
        self.checked_at = float("-inf")

    async def check(self) -> int | None:
        """Ask anew; answers the code to close with, or None."""
        now = asyncio.get_running_loop().time()
        ask_right = now - self._right_at >= _RIGHT_SECONDS
        code = await to_thread.run_sync(self._look, ask_right)
        if code is None:
            self.checked_at = now
            self._right_at = now if ask_right else self._right_at
        return code

    def ask_news(self) -> int | None:
        """The number of the viewer's organization, asked as the viewer; see NewsFeed."""
        found = self._channel.sessions.find(self._cookie)
        if found is None:
            return None
        return news.read_news(as_user(self._channel.settings, found.access_token, screen_http_client()))

    def _look(self, ask_right: bool) -> int | None:
        try:
            found = self._channel.sessions.find(self._cookie)
            if found is None:
                return SIGNED_OUT
            user = as_user(self._channel.settings, found.access_token, screen_http_client())
            self._channel.look(user)
            if not ask_right:
                return None
            if self._topic.kind is not Kind.ORGANIZATION:
                allowed = executions.is_readable(user, self._topic.id)
            else:
                person = people.find_person(user, found.user_id)
                allowed = person is not None and person.active and person.organization_id == self._topic.id
        except UpstreamUnreachable:
            # Who was let in stays while Supabase is away, as long as the session is known.
            return None if self._right_at > float("-inf") else AGAIN_LATER
        except IncidentScribeError as error:
            log.info("A live socket is refused: %s", error.what)
            return NOT_ALLOWED
        return None if allowed else NOT_ALLOWED


class _Conversation:
    """What happens on one open socket."""

    def __init__(self, channel: LiveChannel, socket: WebSocket, topic: Topic, viewer: Viewer) -> None:
        self._channel = channel
        self._socket = socket
        self._viewer = viewer
        self._topic = topic
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._place = 0
        self._code: int | None = None
        self._left = False

    async def run(self) -> int | None:
        """Send news until one side ends it; answers the code to close with, None if nobody is there."""
        with ExitStack() as stack:
            stack.enter_context(self._channel.board.waiting(self._topic, self._on_news))
            if self._topic.kind is Kind.ORGANIZATION:
                feed = self._channel.feed
                stack.enter_context(feed.watching(self._topic.id, self._viewer.ask_news))
            async with create_task_group() as helpers:
                helpers.start_soon(self._listen)
                helpers.start_soon(self._watch)
                await self._send_news()
                helpers.cancel_scope.cancel()
        return None if self._left else self._code

    async def _send_news(self) -> None:
        sent = None
        while self._code is None and not self._left:
            self._woken.clear()
            news = self._channel.board.read(self._topic)
            if news.version != sent:
                if self._loop.time() - self._viewer.checked_at > _CHECK_IS_OLD_SECONDS:
                    self._code = await self._viewer.check()
                    continue
                await self._send(news)
                sent = news.version
                await asyncio.sleep(self._pause())
            await self._woken.wait()

    async def _send(self, news: News) -> None:
        """One message. Only the newest is ever sent: a slow reader makes nothing pile up."""
        crowd = self._channel.board.count(self._topic)
        message = {
            "version": news.version,
            "headline": news.headline,
            "after": _APART_MS * self._place,
            "rest": _RUN_MS * crowd,
        }
        try:
            with fail_after(_SEND_SECONDS):
                await self._socket.send_json(message)
        except WebSocketDisconnect:
            self._left = True
        except TimeoutError:
            self._code = AGAIN_LATER

    def _pause(self) -> float:
        """Seconds until the next message: what is not urgent keeps the desk free for what is."""
        if self._topic.kind is Kind.EXECUTION:
            return 0.0
        crowd = self._channel.board.count(self._topic)
        return max(_LOG_SECONDS, _LOG_SHARE * crowd) if self._topic.kind is Kind.LOG else _NEWS_SHARE * crowd

    def _on_news(self, place: int) -> None:
        self._loop.call_soon_threadsafe(self._wake, place)

    def _wake(self, place: int) -> None:
        self._place = place
        self._woken.set()

    async def _listen(self) -> None:
        """End with the browser; a browser that speaks is none of ours."""
        message = await self._socket.receive()
        self._left = message["type"] == "websocket.disconnect"
        self._code = None if self._left else UNKNOWN_TOPIC
        self._woken.set()

    def _look(self) -> None:
        """What is followed ends some time after the last look."""
        if self._topic.kind is Kind.EXECUTION:
            self._channel.followers().watch(self._topic.id)
        elif self._topic.kind is Kind.LOG:
            self._channel.followers().logs(self._topic.id)

    async def _watch(self) -> None:
        """Keep the follower of what is watched, and end with the session."""
        while self._code is None:
            self._look()
            # Spread, so that fifty sockets do not ask in the same moment.
            await asyncio.sleep(CHECK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
            self._code = await self._viewer.check()
        self._woken.set()
