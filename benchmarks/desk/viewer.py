"""An open tab without a browser: Streamlit's protocol, and the desk's listener as `live.js` behaves."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from dashboard.web import cookies

_LISTENERS = ("live", "live_headline")
_RETRY_SECONDS = 2.0
_APART_SECONDS = 0.005


@dataclass
class Listener:
    """One listener of the page; `asked_at` is 0 while nothing is asked for."""

    widget: str
    fragment: str
    versions: dict[str, str]  # of each topic, as drawn
    spoken: bool
    asked_at: float = 0.0


@dataclass
class Seen:
    """First moments, by headline, in seconds since the epoch."""

    headline: dict[str, float] = field(default_factory=dict)
    fragment: dict[str, float] = field(default_factory=dict)


def _number(version: str) -> int:
    return int(version.partition(".")[2])


class Viewer:
    """Somebody who looks at one page; `seen` is what the fragment under the headline has shown."""

    def __init__(self, desk: str, cookie: str, page: str, query: str = "") -> None:
        self._socket_url = desk.replace("http", "ws", 1)
        self._headers = {"Cookie": f"{cookies.SESSION}={cookie}"}
        self._origin = desk
        self._page, self._query = page, query
        self._script = ""
        self._stream: ClientConnection | None = None
        self._listeners: dict[str, Listener] = {}
        self._in_this_run: set[str] = set()
        self._news: dict[str, tuple[str, str]] = {}  # topic -> version, headline
        self._rest_at: dict[str, float] = {}  # topic -> when those without a headline may run
        self._sockets: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._ask = asyncio.Event()
        self._finished = asyncio.Event()
        self.seen = Seen()
        self.runs = 0
        self.problems: list[str] = []

    async def __aenter__(self) -> Self:
        self._stream = await connect(
            f"{self._socket_url}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=self._headers,
            origin=self._origin,  # type: ignore[arg-type]
            max_size=None,
            open_timeout=60,
        )
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._pump())]
        await self.go(self._page, self._query)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._tasks, *self._sockets.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._sockets.values(), return_exceptions=True)
        if self._stream:
            await self._stream.close()

    async def go(self, page: str, query: str = "") -> None:
        """Open a page, as by a click in the menu; returns when it is drawn."""
        self._page, self._query = page, query
        self._listeners.clear()
        self._finished.clear()
        message = BackMsg()
        message.rerun_script.page_name = page
        message.rerun_script.query_string = query
        await self._send(message)
        async with asyncio.timeout(60):
            await self._finished.wait()
        wanted = {topic for listener in self._listeners.values() for topic in listener.versions}
        for topic in set(self._sockets) - wanted:
            self._sockets.pop(topic).cancel()
            self._news.pop(topic, None)
        for topic in wanted - set(self._sockets):
            self._sockets[topic] = asyncio.create_task(self._listen(topic))

    async def until_listening(self, kind: str) -> None:
        """Until there was a first word on a topic of that kind."""
        async with asyncio.timeout(60):
            while not any(topic.startswith(kind) for topic in self._news):
                await asyncio.sleep(0.05)

    async def _send(self, message: BackMsg) -> None:
        assert self._stream is not None
        await self._stream.send(message.SerializeToString())

    async def _read(self) -> None:
        assert self._stream is not None
        with suppress(ConnectionClosed):
            async for data in self._stream:
                message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
                kind = message.WhichOneof("type")
                if kind == "new_session":
                    self._script = message.new_session.page_script_hash
                    self._in_this_run.clear()
                elif kind == "delta":
                    self._element(message)
                elif kind == "script_finished":
                    self._end_of_run(message.script_finished)
            return
        self.problems.append("Streamlit closed the connection")

    def _element(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.problems.append(element.exception.message[:200])
        if kind != "bidi_component" or element.bidi_component.component_name not in _LISTENERS:
            return
        component = element.bidi_component
        data = json.loads(component.json or component.mixed.json)
        if data.get("whole"):
            return
        spoken = component.component_name == "live_headline"
        self._listeners[component.id] = Listener(
            component.id, message.delta.fragment_id, data["topics"], spoken
        )
        self._in_this_run.add(component.id)

    def _end_of_run(self, status: int) -> None:
        self.runs += 1
        now = time.time()
        for listener in [self._listeners[w] for w in self._in_this_run if w in self._listeners]:
            for topic, version in listener.versions.items():
                known, headline = self._news.get(topic, ("", ""))
                if listener.spoken and known == version and headline:
                    self.seen.fragment.setdefault(headline, now)
        if status == ForwardMsg.FINISHED_SUCCESSFULLY:
            self._finished.set()
        self._ask.set()

    async def _listen(self, topic: str) -> None:
        url = f"{self._socket_url}/live?topic={quote(topic)}"
        try:
            async with connect(
                url,
                additional_headers=self._headers,
                origin=self._origin,  # type: ignore[arg-type]
                open_timeout=60,
            ) as socket:
                async for data in socket:
                    news = json.loads(data)
                    self.seen.headline.setdefault(news["headline"], time.time())
                    self._news[topic] = (news["version"], news["headline"])
                    loop = asyncio.get_running_loop()
                    self._rest_at[topic] = loop.time() + news["rest"] / 1000
                    for wait in (news["after"], news["rest"]):
                        loop.call_later(wait / 1000, self._ask.set)
        except ConnectionClosed as closed:
            self.problems.append(f"live socket closed: {closed}")

    def _wanted(self) -> Listener | None:
        now = time.monotonic()
        for listener in sorted(self._listeners.values(), key=lambda one: not one.spoken):
            is_patient = listener.asked_at and now - listener.asked_at < _RETRY_SECONDS
            if not is_patient and self._news_for(listener):
                return listener
        return None

    def _news_for(self, listener: Listener) -> str | None:
        """A version that the listener has not drawn, once it may ask for it."""
        now = asyncio.get_running_loop().time()
        for topic, drawn in listener.versions.items():
            version, _ = self._news.get(topic, (drawn, ""))
            is_due = listener.spoken or now >= self._rest_at.get(topic, 0)
            if is_due and _number(version) > _number(drawn):
                return version
        return None

    async def _pump(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._ask.wait()
                self._ask.clear()
                while listener := self._wanted():
                    listener.asked_at = time.monotonic()
                    await self._send(self._trigger(listener))
                    await asyncio.sleep(_APART_SECONDS)

    def _trigger(self, listener: Listener) -> BackMsg:
        version = self._news_for(listener)
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash, run.fragment_id = self._query, self._script, listener.fragment
        widget = run.widget_states.widgets.add()
        widget.id = f"$$STREAMLIT_INTERNAL_KEY_{listener.widget}__events"
        widget.json_trigger_value = json.dumps([{"event": "news", "value": version}])
        return message
