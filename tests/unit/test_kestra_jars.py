"""Jars of the engine: used only when their hash is the locked one."""

import hashlib
import os
import re
from pathlib import Path

import pytest
import requests

from sandbox.kestra import jars
from sandbox.kestra.jars import Jar, JarError, fetch, read_lock

CONTENT = b"a jar"
GOOD = Jar("org.example:thing:1.0:tests", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Registry:
    """Answers downloads from memory; `failures` is how often the network breaks first."""

    def __init__(self, content: bytes = CONTENT, failures: int = 0) -> None:
        self.content, self.failures, self.asked = content, failures, 0

    def __call__(self, jar: Jar, repository: Path) -> Path:
        self.asked += 1
        file = repository / "half"
        file.write_bytes(self.content[: len(self.content) // 2])
        if self.asked <= self.failures:
            raise requests.ConnectionError("the line went dead")
        file.write_bytes(self.content)
        return file


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    answering = Registry()
    monkeypatch.setattr(jars, "_resolve", answering)
    monkeypatch.setattr(jars, "_PAUSE_SECONDS", 0)
    return answering


def test_the_lock_has_coordinates_hash_and_size_and_no_address() -> None:
    lines = [line for line in jars.LOCK.read_text().splitlines() if not line.startswith("#")]
    assert lines == sorted(lines)
    for line in lines:
        assert re.fullmatch(r"[\w.-]+(:[\w.-]+){2,3} [0-9a-f]{64} [1-9]\d*", line)
    assert len(read_lock()) == len(lines)


def test_a_jar_is_downloaded_once(tmp_path: Path, registry: Registry) -> None:
    (file,) = fetch([GOOD], tmp_path)
    assert file == tmp_path / "org/example/thing/1.0/thing-1.0-tests.jar"
    assert file.read_bytes() == CONTENT
    assert fetch([GOOD], tmp_path) == [file]
    assert registry.asked == 1


def test_another_content_is_refused_by_name_and_leaves_nothing(tmp_path: Path, registry: Registry) -> None:
    registry.content = b"something else"
    with pytest.raises(JarError, match=r"org\.example:thing:1\.0:tests has the SHA-256"):
        fetch([GOOD], tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_network_error_is_tried_again(tmp_path: Path, registry: Registry) -> None:
    registry.failures = 3
    assert fetch([GOOD], tmp_path)[0].read_bytes() == CONTENT


def test_a_network_that_stays_away_is_said_and_leaves_nothing(tmp_path: Path, registry: Registry) -> None:
    registry.failures = 100
    with pytest.raises(JarError, match="could not be downloaded"):
        fetch([GOOD], tmp_path)
    assert registry.asked == 4
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_changed_on_disk_is_fetched_again(tmp_path: Path, registry: Registry) -> None:
    (file,) = fetch([GOOD], tmp_path)
    file.write_bytes(b"b jar")
    os.utime(file, ns=(1, 1))
    assert fetch([GOOD], tmp_path)[0].read_bytes() == CONTENT
    assert registry.asked == 2


def test_progress_is_plain_lines_where_there_is_no_terminal(
    tmp_path: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch([GOOD], tmp_path)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Downloading 1 jars of the Kestra engine, 0 MB")
    assert printed[-1] == "jars 1/1"
