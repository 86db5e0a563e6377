"""Starts, asks and stops the Kestra engine of this process. One per process: a JVM starts only once."""

import base64
import fcntl
import os
import secrets
import shutil
import socket
import sys
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.kestra import bridge
from sandbox.kestra.bridge import java

TENANT = "main"

_HEAP = "-Xmx768m"


class DataInUse(Exception):
    """Another process works with the data folder; two engines on one would undo each other's work."""


class Engine:
    """The running engine; its beans are Kestra's own services and repositories."""

    def __init__(self, context: Any, database: str, url: str) -> None:
        self.url = url
        self._context = context
        self._database = database
        self.bean = cache(self._bean)

    def _bean(self, name: str) -> Any:
        return self._context.getBean(java(name).class_)

    def generic_bean(self, raw: str, argument: str) -> Any:
        """The bean of the type `raw<argument>`, such as the queue of one message type."""
        return self._context.getBean(bridge.generic(raw, argument))

    @property
    def uuid(self) -> str:
        """The instance's uuid, made at the first start and kept in its database."""
        return str(self.bean("io.kestra.core.services.InstanceService").fetch())

    @property
    def version(self) -> str:
        """Kestra's version, `2.0.0`."""
        return str(self.bean("io.kestra.core.utils.VersionProvider").getVersion())

    @property
    def executions(self) -> Any:
        """`ExecutionRepositoryInterface`."""
        return self.bean("io.kestra.core.repositories.ExecutionRepositoryInterface")

    @property
    def flows(self) -> Any:
        """`FlowRepositoryInterface`."""
        return self.bean("io.kestra.core.repositories.FlowRepositoryInterface")

    def stop(self) -> None:
        """Closes the database so that its file is consistent, then ends what tasks have started.

        The Micronaut context is not closed: that waits minutes for its pollers. The database goes first, so
        that a task whose process we end is still running in it, and is taken up again by the next start.
        """
        self.close_database()
        for process in java("java.lang.ProcessHandle").current().descendants().toList():
            process.destroyForcibly()

    def close_database(self) -> None:
        """Writes the database's file and closes it under the pollers, whose complaints nobody needs."""
        java("org.slf4j.LoggerFactory").getILoggerFactory().stop()
        # A connection of our own: the pool's ones are usable only inside the engine's transactions.
        connection = java("java.sql.DriverManager").getConnection(self._database, "sa", "")
        connection.createStatement().execute("SHUTDOWN")


def jvm_options(data: Path) -> list[str]:
    """The JVM's options. Those that decide about the class-data archive are the same in every run."""
    return [
        "-Xrs",  # signals are ours
        _HEAP,
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "--enable-native-access=ALL-UNNAMED",
        f"-Dlogback.configurationFile={Path(__file__).with_name('java') / 'logback.xml'}",
        f"-Dsandbox.log={data / 'engine.log'}",
        f"-Djava.io.tmpdir={data / 'tmp'}",
        "-Duser.timezone=UTC",
        "-Xlog:disable",  # an archive of another version is passed over in silence
        f"-XX:ErrorFile={data / 'jvm-crash.log'}",
    ]


def prepare(data: Path) -> None:
    """Makes the data folder (only for its owner) and what the engine expects in it. Raises DataInUse."""
    os.umask(0o077)
    data.mkdir(parents=True, exist_ok=True)
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT)  # never closed: it is held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataInUse(f"Another Kestra runs on {data}. Stop it first, or use another --data.") from error
    if not _started_once(data).exists():
        # A first start that was interrupted may have left half a schema; nothing else can be in there yet.
        shutil.rmtree(data / "h2", ignore_errors=True)
    shutil.rmtree(data / "tmp", ignore_errors=True)
    (data / "tmp").mkdir()
    # Scripts of the flow run as `python3`; where no such program is on PATH, ours is.
    if shutil.which("python3") is None:
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def start(data: Path, url: str) -> Engine:
    """Starts executor, worker, controller, scheduler and indexer on the data below `data`, and awaits them.

    `url` is the address Kestra writes into its answers, with a slash at the end. Needs a JVM.
    """
    properties = bridge.java_map(_properties(data, url))
    builder = java("io.micronaut.context.ApplicationContext").builder().properties(properties)
    context = builder.environments("cli").deduceEnvironment(False).start()
    runner = context.getBean(java("io.kestra.core.runners.TestRunner").class_)
    runner.setSchedulerEnabled(True)
    runner.setWorkerEnabled(True)
    runner.run()
    _started_once(data).touch()
    return Engine(context, _database(data), url)


def _started_once(data: Path) -> Path:
    return data / "started"


def _properties(data: Path, url: str) -> dict[str, Any]:
    controller_port = _free_port()
    return {
        "kestra.server-type": "STANDALONE",
        "kestra.url": url,
        "kestra.repository.type": "h2",
        "kestra.queue.type": "h2",
        "kestra.storage.type": "local",
        "kestra.storage.local.base-path": str(data / "storage"),
        "kestra.tasks.tmp-dir.path": str(data / "tmp"),
        "datasources.h2.url": _database(data),
        "datasources.h2.username": "sa",
        "datasources.h2.password": "",
        "datasources.h2.driverClassName": "org.h2.Driver",
        "datasources.h2.maximum-pool-size": "20",
        "kestra.encryption.secret-key": _encryption_key(data),
        "kestra.anonymous-usage-report.enabled": False,
        "kestra.tutorial-flows.enabled": False,
        # Twenty queues are polled, which is nearly all that an idle engine costs: often after a message, less
        # and less often the longer there was none.
        "kestra.jdbc.queues.min-poll-interval": "10ms",
        "kestra.jdbc.queues.max-poll-interval": "250ms",
        "kestra.jdbc.queues.poll-switch-interval": "15s",
        # Every change of an execution is told to who follows it, whole, and would fill the disk: 0.3 MB for a
        # payload of 16 KB. Whoever follows has it within a second.
        "kestra.jdbc.queue.cleaner.initial-delay": "1m",
        "kestra.jdbc.queue.cleaner.fixed-delay": "1m",
        "kestra.jdbc.queue.cleaner.retention": "2m",
        # The server's own application.yml holds these defaults; its module is in no registry.
        "kestra.server.service.purge.initial-delay": "1h",
        "kestra.server.service.purge.fixed-delay": "1d",
        "kestra.server.service.purge.retention": "30d",
        "kestra.server.terminationGracePeriod": "5s",
        "kestra.server.workerTaskRestartStrategy": "AFTER_TERMINATION_GRACE_PERIOD",
        "kestra.server.liveness.enabled": True,
        "kestra.server.liveness.interval": "5s",
        "kestra.server.liveness.timeout": "45s",
        "kestra.server.liveness.initialDelay": "45s",
        "kestra.server.liveness.heartbeatInterval": "3s",
        "kestra.controller.port": controller_port,
        "kestra.worker.controllers.type": "STATIC",
        "kestra.worker.controllers.static.endpoints[0].host": "127.0.0.1",
        "kestra.worker.controllers.static.endpoints[0].port": controller_port,
        "kestra.variables.env-vars-prefix": "ENV_",
        "kestra.variables.cache-enabled": True,
        "kestra.variables.cache-size": 1000,
        "kestra.metrics.prefix": "kestra",
        # Never called: no server listens behind it. A bean of the engine wants the name to be configured.
        "micronaut.http.services.api.url": "http://127.0.0.1:9",
    }


def _database(data: Path) -> str:
    return (
        f"jdbc:h2:file:{data / 'h2' / 'kestra'};TIME ZONE=UTC;DB_CLOSE_DELAY=-1;DB_CLOSE_ON_EXIT=FALSE"
        ";CASE_INSENSITIVE_IDENTIFIERS=TRUE;LOCK_TIMEOUT=30000;TRACE_LEVEL_FILE=0"
        # A connection keeps eight parsed statements otherwise, and polls with more than that.
        ";QUERY_CACHE_SIZE=128"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _encryption_key(data: Path) -> str:
    """Kestra's key for encrypted inputs and outputs: made once, kept with the data it protects."""
    file = data / "encryption.key"
    if not file.exists():
        file.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return file.read_text()
