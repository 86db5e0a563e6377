"""What a person sees while the sandbox starts."""

import re
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

# Progress that is worth a line where lines cannot be redrawn, such as "jars 120/283".
_COUNT = re.compile(r"\s\d+/\d+$")


class Screen:
    """A line per step: on a terminal redrawn in place, elsewhere printed when the step ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[str, tuple[str, float, float | None, str]] = {}
        self._live = (
            Live(self._table(), console=console, refresh_per_second=8) if console.is_terminal else None
        )

    def __enter__(self) -> "Screen":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def begin(self, name: str) -> None:
        self._rows[name] = ("starting", time.monotonic(), None, "")
        self._draw()

    def tell(self, name: str, line: str) -> None:
        state, since, end, old = self._rows[name]
        if line and line != old:
            self._rows[name] = (state, since, end, line)
            self._draw()
            if not self._live and _COUNT.search(line):
                self._console.print(Text(f"  {name}: {line}"), soft_wrap=True)

    def done(self, name: str, word: str = "ready") -> None:
        _, since, _, _ = self._rows[name]
        end = time.monotonic()
        self._rows[name] = (word, since, end, "")
        self._draw()
        if not self._live:
            self._console.print(Text(f"  {name}: {word} after {end - since:.1f} s"), soft_wrap=True)

    def _draw(self) -> None:
        if self._live:
            self._live.update(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, (state, since, end, line) in self._rows.items():
            seconds = (end or time.monotonic()) - since
            style = "green" if end else "yellow"
            table.add_row(f"  {name}", Text(state, style), f"{seconds:.1f} s", Text(line[:80], "dim"))
        return table
