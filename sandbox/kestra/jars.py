"""The engine's jars: pinned by coordinates and SHA-256, fetched once per user, verified before every use.

`jars.lock` has one line per jar: `group:artifact:version[:classifier] sha256 bytes`. To change the set, edit
the coordinates (hash and size may be left out) and run `python -m sandbox.kestra.jars lock`.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import platformdirs
import requests
from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

LOCK = Path(__file__).with_name("jars.lock")

_THREADS = 16
_TIMEOUT_SECONDS = 60
_PAUSE_SECONDS = 0.5
_NETWORK_ERRORS = (requests.RequestException, RuntimeError, OSError)  # RuntimeError: jgo's "not found"


class JarError(Exception):
    """A jar cannot be had as the lock file wants it. The message names the jar and what to do."""


@dataclass(frozen=True)
class Jar:
    """One line of the lock file. `sha256` is empty and `size` 0 while a new line has not been locked yet."""

    coordinates: str
    sha256: str = ""
    size: int = 0

    @property
    def path(self) -> PurePosixPath:
        """Where the file lies below the cache: the layout of a Maven repository."""
        group, artifact, version, *classifier = self.coordinates.split(":")
        name = "-".join([artifact, version, *classifier])
        return PurePosixPath(*group.split("."), artifact, version, f"{name}.jar")


def cache_folder() -> Path:
    """The per-user cache folder of the sandbox (`$XDG_CACHE_HOME` is honoured)."""
    return platformdirs.user_cache_path("incidentscribe", appauthor=False)


def read_lock(lock: Path = LOCK) -> list[Jar]:
    """The jars of the lock file, in class path order (sorted by coordinates)."""
    jars = []
    for line in lock.read_text().splitlines():
        if line and not line.startswith("#"):
            coordinates, sha256, size = (*line.split(), "", "0")[:3]
            jars.append(Jar(coordinates, sha256, int(size)))
    return sorted(jars, key=lambda jar: jar.coordinates)


def fetch(jars: Iterable[Jar], folder: Path) -> list[Path]:
    """Returns the verified files of `jars` in their order, downloading into `folder` what is missing.

    A file is trusted by its size and modification time once its hash was seen to be right, and hashed again
    whenever either has changed. A download is hashed before it gets its name, so a partial one is never used.
    Raises JarError.
    """
    wanted = list(jars)
    missing = [jar for jar in wanted if not _is_verified(jar, folder)]
    if missing:
        _download_all(missing, folder, total=len(wanted))
    return [folder / jar.path for jar in wanted]


def _is_verified(jar: Jar, folder: Path) -> bool:
    file, stamp = folder / jar.path, folder / f"{jar.path}.verified"
    if not file.is_file():
        return False
    state = file.stat()
    expected = f"{jar.sha256} {state.st_size} {state.st_mtime_ns}"
    if stamp.is_file() and stamp.read_text() == expected:
        return True
    if _sha256(file) != jar.sha256:
        file.unlink()
        return False
    stamp.write_text(expected)
    return True


def _download_all(missing: list[Jar], folder: Path, *, total: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(jar.size for jar in missing)
    _say(f"Downloading {len(missing)} jars of the Kestra engine, {size / 1e6:.0f} MB, once into {folder}")
    staging = Path(tempfile.mkdtemp(prefix="partial-", dir=folder))
    done = total - len(missing)
    bar = Progress(
        TextColumn("jars"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stdout),
        disable=not sys.stdout.isatty(),
    )
    try:
        with bar, ThreadPoolExecutor(_THREADS) as pool:
            task = bar.add_task("jars", total=size or None)
            running = {pool.submit(_download, jar, staging, folder): jar for jar in missing}
            try:
                for finished in as_completed(running):
                    finished.result()
                    done += 1
                    bar.advance(task, running[finished].size)
                    if not sys.stdout.isatty() and (done % 20 == 0 or done == total):
                        _say(f"jars {done}/{total}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _download(jar: Jar, staging: Path, folder: Path) -> None:
    try:
        partial = _download_once(jar, staging)
    except _NETWORK_ERRORS as error:
        raise JarError(
            f"The jar {jar.coordinates} could not be downloaded ({error}). Check the network and start again."
        ) from error
    found = _sha256(partial)
    if jar.sha256 and found != jar.sha256:
        raise JarError(
            f"The jar {jar.coordinates} has the SHA-256 {found}, but jars.lock wants {jar.sha256}. It was "
            "not used. Do not start until somebody has found out why the published file is another one."
        )
    file = folder / jar.path
    file.parent.mkdir(parents=True, exist_ok=True)
    os.replace(partial, file)
    state = file.stat()
    (folder / f"{jar.path}.verified").write_text(f"{found} {state.st_size} {state.st_mtime_ns}")


def _download_once(jar: Jar, staging: Path) -> Path:
    tries = Retrying(
        retry=retry_if_exception_type(_NETWORK_ERRORS),
        stop=stop_after_attempt(4),
        wait=wait_exponential(multiplier=_PAUSE_SECONDS, max=8),
        reraise=True,
    )
    # jgo writes straight to the final name of its repository: a fresh one per try keeps half files apart.
    return tries(lambda: _resolve(jar, Path(tempfile.mkdtemp(dir=staging))))


def _resolve(jar: Jar, repository: Path) -> Path:
    group, artifact, version, *classifier = jar.coordinates.split(":")
    maven = MavenContext(repo_cache=repository, timeout=_TIMEOUT_SECONDS)
    component = maven.project(group, artifact).at_version(version)
    return Path(component.artifact(classifier="".join(classifier), packaging="jar").resolve())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write_lock(lock: Path = LOCK) -> None:
    """Downloads what the lock file names and writes it again with hashes and sizes, sorted."""
    comments = [line for line in lock.read_text().splitlines() if line.startswith("#")]
    folder = cache_folder() / "jars"
    jars = read_lock(lock)
    files = fetch(jars, folder)
    lines = [
        f"{jar.coordinates} {_sha256(file)} {file.stat().st_size}"
        for jar, file in zip(jars, files, strict=True)
    ]
    lock.write_text("\n".join([*comments, *lines]) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["lock"]:
        raise SystemExit("usage: python -m sandbox.kestra.jars lock")
    write_lock()
