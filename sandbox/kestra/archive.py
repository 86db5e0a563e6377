"""The JVM's start archive (JEP 483, 514): what one start has loaded and linked, so that others need not.

It halves the start of the engine. The JVM writes it when it ends, which takes longer than a stop may, so a
training run of its own makes it: `python -m sandbox.kestra.archive FILE FOLDER`. Without it everything works.
"""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox.kestra import bridge, engine
from sandbox.kestra.classes import compiled_jar
from sandbox.kestra.jars import cache_folder, fetch, read_lock
from sandbox.kestra.jre import JAVA_HOME


def class_path() -> list[Path]:
    """The engine's jars and ours, fetched and compiled as needed. Raises JarError or CompileError."""
    cache = cache_folder()
    jars = fetch(read_lock(), cache / "jars")
    return [*jars, compiled_jar(jars, cache)]


def archive_file(jars: Sequence[Path]) -> Path:
    """Where the archive for this class path, these JVM options and this Java lies, or will lie."""
    options = engine.jvm_options(Path("data"))
    release = (JAVA_HOME / "release").read_text()
    key = hashlib.sha256("\0".join([*map(str, jars), *options, release, sys.version]).encode())
    return cache_folder() / f"engine-{key.hexdigest()[:16]}.aot"


def train_in_background(archive: Path, folder: Path) -> None:
    """Starts the training run at the lowest priority; the archive gets its name only when it is complete.

    `folder` is for the data of that run. A stop of the engine ends the run too, which leaves nothing behind
    that would be used.
    """
    threading.Thread(target=_train, args=(archive, folder), name="archive", daemon=True).start()


def _train(archive: Path, folder: Path) -> None:
    partial = archive.with_suffix(f".partial-{os.getpid()}")
    for left in archive.parent.glob(f"{archive.stem}.partial-*"):
        left.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sandbox.kestra.archive", str(partial), str(folder)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    if done.returncode == 0 and partial.is_file():
        os.replace(partial, archive)


def main(archive: Path, folder: Path) -> None:
    """One start of the engine on a folder of its own, whose JVM writes the archive as it ends."""
    os.nice(19)
    jars = class_path()
    engine.prepare(folder)
    bridge.start_jvm(jars, [*engine.jvm_options(folder), f"-XX:AOTCacheOutput={archive}"])
    engine.start(folder, "http://127.0.0.1/").close_database()
    bridge.java("java.lang.Runtime").getRuntime().halt(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
