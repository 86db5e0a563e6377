"""The worker's loop: take what is owed, pay it, let approvals expire, reconcile.

Any number of workers may run, in any number of processes: leases in the outbox keep them apart.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from types import TracebackType
from typing import Self

import httpx
from supabase import Client

from dashboard import metrics
from dashboard.domain.clock import Clock, utc_now
from dashboard.errors import ConfigurationError, IncidentScribeError, LostLease, UpstreamError
from dashboard.kestra_api.client import KestraApi
from dashboard.settings import WorkerSettings
from dashboard.store import outbox, runs, workers
from dashboard.store.connection import as_service, new_http_client
from dashboard.store.outbox import FOR_KESTRA, Kind, Leased, Settlement
from dashboard.worker import bell
from dashboard.worker.command import Commander
from dashboard.worker.deliver import Deliverer
from dashboard.worker.look_back import LookBack
from dashboard.worker.notify import Notifier, channels_of
from dashboard.worker.numbers import Numbers
from dashboard.worker.pace import Every, Trouble
from dashboard.worker.purge import Purger
from dashboard.worker.reconcile import EVERY_SECONDS as RECONCILE_SECONDS
from dashboard.worker.reconcile import Reconciler
from dashboard.worker.start import Starter
from dashboard.worker.whereabouts import Whereabouts

log = logging.getLogger(__name__)

_VERSION = metadata.version("incidentscribe")

POLL_SECONDS = 1.0
_EXPIRE_SECONDS = 2.0
# The desk says that no worker is alive when nothing was heard for a few of these.
_BEAT_SECONDS = 10.0
# As many rows as threads, so that a row's lease begins when its attempt does. An attempt is at most
# a few calls of 10 s.
_THREADS = 4
LEASE_SECONDS = 60
_LONGEST_PAUSE_SECONDS = 5.0
# Between two rounds of reconciling, however long the first took.
_BREATH_SECONDS = 0.5


class Worker:
    """One worker with clients of its own. `run` blocks until `stop`, which frees the clients too."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        name: str | None = None,
        clock: Clock = utc_now,
        lease_seconds: int = LEASE_SECONDS,
        kestra_transport: httpx.BaseTransport | None = None,
        supabase_transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._settings = settings
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._http = new_http_client(supabase_transport)
        self._kestra = KestraApi(settings, kestra_transport)
        self._whereabouts = Whereabouts(self._kestra, settings)
        self._starter = Starter(
            self._kestra,
            settings.webhook_key.get_secret_value(),
            lambda incident_id: outbox.get_incident(self._client(), incident_id),
            lambda execution_id: runs.find_record(self._client(), execution_id),
        )
        self._deliverer = Deliverer(self._kestra, self._instance_uuid)
        self._commander = Commander(self._kestra, self._instance_uuid)
        channels = channels_of(settings, self._http)
        self._channels = sorted(channels)
        self._notifier = Notifier(
            channels,
            settings.desk_url,
            lambda approval_id: outbox.is_waiting(self._client(), approval_id),
        )
        self._reconciler = Reconciler(self._kestra)
        self._purger = Purger()
        self._look_back = LookBack(self._kestra, self.name)
        self._first_look_tried = False
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="worker")
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._started_at = clock()
        self._heart = Every(_BEAT_SECONDS)
        self._expiry = Every(_EXPIRE_SECONDS)
        self._reconciling = Every(RECONCILE_SECONDS)
        self._numbers = Numbers()
        self._supabase_trouble = Trouble("the outbox")
        self._reconcile_trouble = Trouble("reconciling")
        self._notice_trouble = Trouble("notices")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Running

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="worker", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for work now."""
        bell.ring()

    def stop(self, timeout_seconds: float = 15.0) -> None:
        """Finish the attempts that have begun, then end; whatever is left stays in the outbox."""
        self._stopping.set()
        bell.ring()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._kestra.close()
        self._http.close()

    def run(self) -> None:
        """Work until `stop`. No failure ends it: what is owed stays owed."""
        log.info("worker=%s started", self.name)
        # A mail server that hangs keeps no decision from Kestra: notices have a thread of their own.
        notices = threading.Thread(
            target=self._repeat,
            args=(self.tick_notices, self._notice_trouble, self._stopping.wait),
            name="notices",
            daemon=True,
        )
        notices.start()
        # Nor does a Kestra that is slow or away keep the loop from letting approvals expire.
        reconciling = threading.Thread(
            target=self._repeat,
            args=(
                self.tick_reconcile,
                self._reconcile_trouble,
                lambda _: self._stopping.wait(self._reconciling.left(_BREATH_SECONDS)),
            ),
            name="reconcile",
            daemon=True,
        )
        reconciling.start()
        self._repeat(self.tick, self._supabase_trouble, bell.wait)
        notices.join()
        reconciling.join()
        log.info("worker=%s stopped", self.name)

    def _repeat(self, tick: Callable[[], bool], trouble: Trouble, wait: Callable[[float], object]) -> None:
        pause = POLL_SECONDS
        while not self._stopping.is_set():
            try:
                was_busy = tick()
            except IncidentScribeError as error:
                trouble.raised(error)
                pause = min(max(pause, POLL_SECONDS) * 2, _LONGEST_PAUSE_SECONDS)
            except Exception:
                log.exception("worker=%s met something unexpected and goes on", self.name)
                pause = _LONGEST_PAUSE_SECONDS
            else:
                trouble.passed()
                pause = 0.0 if was_busy else POLL_SECONDS
            if pause:
                wait(pause)

    def tick(self) -> bool:
        """One round; True when there was work, so that the next round need not wait."""
        client = self._client()
        self._whereabouts.look_when_due(client)
        if self._heart.is_due():
            self._beat(client)
        if not self._first_look_tried:
            self._try_first_look(client)
        self._numbers.look(client)
        if self._expiry.is_due():
            expired = outbox.expire_approvals(client)
            if expired:
                log.info("approvals expired=%d", expired)
            reminded, second_line = outbox.remind_approvals(client)
            if reminded or second_line:
                log.info("approvals reminded=%d second_line=%d", reminded, second_line)
        leased = outbox.take(client, self.name, FOR_KESTRA, limit=_THREADS, lease_seconds=self._lease_seconds)
        list(self._pool.map(self._pay, leased))
        return bool(leased)

    def tick_reconcile(self) -> bool:
        """Look for live executions at Kestra; never busy, the next round has its time.

        During a hold, and before the first look back, nothing of what is seen there is taken over.
        """
        self._reconciling.is_due()  # the next round is counted from the beginning of this one
        client, now = self._client(), self._clock()
        with self._reconciler.noting_trouble(client, now):
            if self._look_back.again(client, now) is None:
                self._reconciler.run_once(client, now)
                self._purger.look(client)
            else:
                self._kestra.get_instance()  # that it is away is told during a hold, too
        return False

    def tick_notices(self) -> bool:
        """Send one notice that is due; True when there was one."""
        leased = outbox.take(
            self._client(), self.name, [Kind.NOTICE], limit=1, lease_seconds=self._lease_seconds
        )
        for row in leased:
            self._pay(row)
        return bool(leased)

    def _try_first_look(self, client: Client) -> None:
        """Before anything is done, even in the database. Where Kestra is away, the first attempt looks."""
        try:
            self._look_back.first(client, self._clock())
        except UpstreamError as error:
            if error.service != "Kestra":
                raise
            log.info("what Kestra knows is compared once it answers: %s", error)
        self._first_look_tried = True

    def _beat(self, client: Client) -> None:
        trouble = self._reconcile_trouble.last
        workers.beat(
            client,
            self.name,
            started_at=self._started_at,
            version=_VERSION,
            trouble=trouble,
            facts={"channels": self._channels, **self._whereabouts.facts()},
        )
        metrics.WORKER_BEAT_SECONDS.set_to_current_time()

    def _pay(self, row: Leased) -> None:
        """Attempt one row and settle it."""
        began = time.monotonic()
        try:
            settlement = self._attempt(row)
        except IncidentScribeError as error:
            settlement = Settlement.retry(str(error))
        except Exception as error:
            # A row that cannot be understood must not keep the others from being paid.
            log.exception("outbox=%s failed unexpectedly", row.id)
            settlement = Settlement.retry(f"The worker failed unexpectedly ({type(error).__name__}).")
        try:
            outbox.settle(self._client(), row, settlement)
        except LostLease:
            log.info("outbox=%s lease lost, another worker has it", row.id)
        except IncidentScribeError as error:
            # The lease runs out and the row comes back.
            log.warning("outbox=%s not settled: %s", row.id, error)
        metrics.DELIVERIES.labels(row.kind.value, settlement.outcome.value).inc()
        # Why it failed stands in the outbox, for those who may read it: an answer can repeat what was sent.
        log.info(
            "outbox=%s kind=%s incident=%s outcome=%s attempts=%d seconds=%.2f",
            row.id,
            row.kind.value,
            row.incident_id,
            settlement.outcome.value,
            row.attempts,
            time.monotonic() - began,
        )

    def _attempt(self, row: Leased) -> Settlement:
        must_look = row.kind is not Kind.NOTICE and not self._look_back.is_done
        if must_look and self._look_back.first(self._client(), self._clock()) is not None:
            return Settlement.waiting(POLL_SECONDS)
        match row.kind:
            case Kind.START_RUN:
                return self._starter.attempt(row, self._clock())
            case Kind.DELIVER_DECISION:
                return self._deliverer.attempt(row, self._clock())
            case Kind.COMMAND:
                return self._commander.attempt(row)
            case Kind.NOTICE:
                return self._notifier.attempt(row, self._clock())

    def _client(self) -> Client:
        """A client of this moment: it costs 0.05 ms and is not safe to share between threads."""
        return as_service(self._settings, self._http)

    def _instance_uuid(self) -> str | None:
        return self._kestra.get_instance().uuid


def start_in_thread(settings: WorkerSettings | None = None) -> Worker | None:
    """A running worker for the dashboard's process.

    None when there is to be none: no service key is set, or INCIDENTSCRIBE_WORKER is `off`.
    """
    try:
        settings = settings or WorkerSettings.load()
    except ConfigurationError as error:
        log.warning("no worker in this process: %s", error)
        return None
    if settings.in_desk == "off":
        return None
    worker = Worker(settings)
    worker.start()
    return worker
