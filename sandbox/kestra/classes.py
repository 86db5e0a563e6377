"""Our Java classes, compiled once into a jar of the cache.

A jar and not a folder: the JVM's class-data archive refuses class paths with folders in them.
"""

import hashlib
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from sandbox.kestra.jre import JAVA

SOURCES = Path(__file__).with_name("java")

_SERVICES = {
    "META-INF/services/io.kestra.core.models.Plugin": "io.kestra.plugin.scripts.python.Script\n",
    "META-INF/services/io.grpc.ServerProvider": "incidentscribe.sandbox.LoopbackServerProvider\n",
}


class CompileError(Exception):
    """The compiler refused our sources; the message is what it said."""


def compiled_jar(class_path: Sequence[Path], folder: Path) -> Path:
    """The jar with our classes below `folder`, compiled against `class_path` if it is not there yet.

    Raises CompileError.
    """
    sources = sorted(SOURCES.glob("*.java"))
    key = hashlib.sha256()
    for text in (*(str(jar) for jar in class_path), *_SERVICES, *(source.read_text() for source in sources)):
        key.update(text.encode() + b"\0")
    jar = folder / f"classes-{key.hexdigest()[:16]}.jar"
    if not jar.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="classes-", dir=folder) as work:
            _compile(sources, class_path, Path(work, "out"))
            os.replace(_pack(Path(work, "out"), Path(work, "classes.jar")), jar)
    return jar


def _compile(sources: Sequence[Path], class_path: Sequence[Path], out: Path) -> None:
    compiler = next(jar for jar in class_path if jar.name.startswith("ecj-"))
    options = ["-source", "21", "-target", "21", "-proc:none", "-parameters", "-nowarn", "-d", str(out)]
    command = [str(JAVA), "-XX:TieredStopAtLevel=1", "-jar", str(compiler), *options]
    command += ["-classpath", os.pathsep.join(map(str, class_path)), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompileError(f"The sandbox's Java classes do not compile: {done.stderr.strip()}")


def _pack(folder: Path, jar: Path) -> Path:
    with zipfile.ZipFile(jar, "w") as archive:
        for name, text in _SERVICES.items():
            archive.writestr(name, text)
        for file in sorted(folder.rglob("*.class")):
            archive.write(file, file.relative_to(folder).as_posix())
    return jar
