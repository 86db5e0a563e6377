"""Lines of the log: one per event, for people or for programs, without secrets and texts of incidents.

Messages are written by this project and carry ids, counts and words of ours. What a library says in an
exception may repeat what it was given, so of one that is not of our tree only type and place are written.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from collections.abc import Iterable, Mapping
from typing import Final

from dotenv import dotenv_values

from dashboard.errors import IncidentScribeError
from dashboard.metrics import CountRecords
from dashboard.settings import LogSettings, settings_file
from dashboard.terminal import printable

_HIDDEN: Final = "[hidden]"
# Shorter ones are words; hiding them would hide half of the log.
_SECRET_LENGTH: Final = 8
_SECRET_NAMES: Final = ("PASSWORD", "KEY", "TOKEN", "SECRET", "_URL")
# They would write addresses, and with them the webhook key.
_NOISY: Final = ("httpx", "httpcore", "hpack")


def set_up(settings: LogSettings | None = None) -> None:
    """Write the log of this process to stderr, as INCIDENTSCRIBE_LOG says: text or json."""
    kind = (settings or LogSettings.load()).log
    handler = logging.StreamHandler()
    lines = JsonLines if kind == "json" else TextLines
    handler.setFormatter(lines(secrets_of(os.environ, _written())))
    logging.basicConfig(level=logging.INFO, handlers=[handler, CountRecords()])
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _written() -> Mapping[str, str | None]:
    """What stands in the file beside the environment; nothing of it is in the environment itself."""
    file = settings_file()
    return dotenv_values(file) if file is not None and file.is_file() else {}


def secrets_of(*sources: Mapping[str, str | None]) -> tuple[str, ...]:
    """Values of settings that must not be written, longest first; names in any case, as settings."""
    found = {
        value
        for source in sources
        for name, value in source.items()
        if value and len(value) >= _SECRET_LENGTH and _is_secret(name.upper())
    }
    return tuple(sorted(found, key=len, reverse=True))


_NOT_SECRET: Final = frozenset(
    {"KESTRA_URL", "KESTRA_UI_URL", "SUPABASE_URL", "GEMINI_BASE_URL", "INCIDENTSCRIBE_DESK_URL"}
    | {"INCIDENTSCRIBE_FLOW_SUPABASE_URL", "INCIDENTSCRIBE_DEMO_SERVICE_URL"}
)


def _is_secret(name: str) -> bool:
    return name.endswith(_SECRET_NAMES) and name not in _NOT_SECRET


class _Lines(logging.Formatter):
    @staticmethod
    def converter(seconds: float | None = None) -> time.struct_time:
        return time.gmtime(seconds)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%S")
        self._secrets = tuple(secrets)

    def moment(self, record: logging.LogRecord) -> str:
        return f"{self.formatTime(record, self.datefmt)}.{int(record.msecs):03d}Z"

    def message(self, record: logging.LogRecord) -> str:
        return self._clean(record.getMessage())

    def trouble(self, record: logging.LogRecord) -> list[str]:
        """The exception of a record, line by line."""
        error = record.exc_info[1] if record.exc_info else None
        return [] if error is None else [self._clean(line) for line in _traceback(error)]

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return printable(" ".join(text.split("\n")))


def _traceback(error: BaseException) -> list[str]:
    lines: list[str] = []
    if error.__cause__ is not None:
        lines += [*_traceback(error.__cause__), "and from it:"]
    for frame in traceback.extract_tb(error.__traceback__):
        lines.append(f"{frame.filename}:{frame.lineno} in {frame.name}")
    said = f": {error}" if isinstance(error, IncidentScribeError) else ""
    return [*lines, f"{type(error).__name__}{said}"]


class TextLines(_Lines):
    """For people: `2026-11-24T06:07:08.123Z level=INFO logger=… message`."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{self.moment(record)} level={record.levelname} logger={record.name} {self.message(record)}"
        return "\n    ".join([head, *self.trouble(record)])


class JsonLines(_Lines):
    """For programs: `{"at", "level", "logger", "message"}`, and `error` as a list of lines."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": self.moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
        }
        if trouble := self.trouble(record):
            line["error"] = trouble
        return json.dumps(line)
