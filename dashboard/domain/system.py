"""What the database knows of the desk's own health."""

from __future__ import annotations

from pydantic import Field

from dashboard.domain.alarm import Alarm
from dashboard.domain.overview import WORKER_SILENT_AFTER, ModelReport
from dashboard.domain.shape import Instant, Json, Shape, Texts


class Rights(Shape):
    """Whether the guards of the database stand: names of tables and functions for which they do not."""

    tables: int = 0
    unguarded: Texts = ()
    open_to_anybody: Texts = ()
    written_past_functions: Texts = ()
    anybody_may_call: Texts = ()


class WorkerBeat(Shape):
    """A worker, and when it was heard of last."""

    name: str
    started_at: Instant
    beat_at: Instant
    version: str = ""
    trouble: str | None = None
    facts: Json = Field(default_factory=dict)

    def is_alive(self, now: Instant) -> bool:
        """Whether it was heard of lately; `now` by the database's clock."""
        return now - self.beat_at <= WORKER_SILENT_AFTER


class OutboxReport(Shape):
    """Work of the organization that is owed to the world outside."""

    owed: int = 0
    oldest_at: Instant | None = None
    stuck: int = 0
    last_error: str | None = None


class KestraSeen(Shape):
    """A Kestra that has answered at the worker's address."""

    uuid: str
    version: str | None = None
    seen_at: Instant
    live_runs: int = 0


class ConfigRow(Shape):
    """A row of `system_config`; one that a worker wrote `from_environment` binds nobody."""

    key: str
    value: str
    updated_at: Instant
    from_environment: bool = False


class NoticesReport(Shape):
    """Word to people outside the desk; `wanted` are channels that somebody wants it by."""

    wanted: Texts = ()
    owed: int = 0
    oldest_at: Instant | None = None
    last_error: str | None = None
    last_sent_at: Instant | None = None


class RunsReport(Shape):
    """Runs that ended in the last 24 hours, and what the last failed one said."""

    ended: int = 0
    failed: int = 0
    problem: str | None = None
    problem_at: Instant | None = None
    kestra_execution_id: str | None = None
    live: int = 0


class TableSize(Shape):
    """A table, its bytes with all indexes, and Postgres's own estimate of its rows."""

    table: str
    bytes: int
    rows: int


class SizesReport(Shape):
    """How big the database is; biggest table first."""

    database_bytes: int = 0
    tables: tuple[TableSize, ...] = ()


class RetentionReport(Shape):
    """How long what is bulky is kept; `days` None is for ever, `written` the setting as it stands."""

    days: int | None = None
    written: str | None = None
    emptied: int = 0
    last_at: Instant | None = None


class SystemReport(Shape):
    """The answer of `system_report`. `now` is the database's clock."""

    now: Instant
    schema_version: str | None = None
    rights: Rights = Field(default_factory=Rights)
    workers: tuple[WorkerBeat, ...] = ()
    outbox: OutboxReport = Field(default_factory=OutboxReport)
    last_start_at: Instant | None = None
    alarms: tuple[Alarm, ...] = ()
    instances: tuple[KestraSeen, ...] = ()
    config: tuple[ConfigRow, ...] = ()
    model: ModelReport = Field(default_factory=ModelReport)
    notices: NoticesReport = Field(default_factory=NoticesReport)
    runs: RunsReport = Field(default_factory=RunsReport)
    sizes: SizesReport = Field(default_factory=SizesReport)
    retention: RetentionReport = Field(default_factory=RetentionReport)


class DoctorReport(SystemReport):
    """The answer of `doctor_report`; `privileges` as the rows of supabase/privileges.csv."""

    privileges: tuple[tuple[str, ...], ...] = ()


class OwedOfKind(Shape):
    """What is owed of one kind; the age of the oldest is 0 where nothing is."""

    kind: str
    owed: int = 0
    stuck: int = 0
    oldest_seconds: float = 0.0


class MetricsReport(Shape):
    """The answer of `metrics_report`: numbers of the whole installation."""

    outbox: tuple[OwedOfKind, ...] = ()
    approvals: dict[str, int] = Field(default_factory=dict)
    runs_live: int = 0
    incidents_open: int = 0
