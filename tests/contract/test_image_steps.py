"""The steps of the Dockerfile as plain commands, in a clean folder: no container engine is needed for them.

The quick form takes the wheel as the Dockerfile builds it, beside the dependencies that are installed here.
With IMAGE_STEPS=all every step is run, downloads included; `make wheel-check` does that.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.dockerfile import Instruction, stages
from tests.support.postgres import free_port
from tests.support.until import until

ROOT = Path(__file__).parents[2]


def copied(steps: list[Instruction], context: Path, folder: Path) -> None:
    """What COPY does, of what .dockerignore lets through."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".env")
    for step in steps:
        if step.name == "COPY":
            *sources, target = step.value.split()
            for source in sources:
                found, place = context / source, folder / target
                if found.is_dir():
                    shutil.copytree(found, place, ignore=ignored, dirs_exist_ok=True)
                else:
                    place = place / found.name if target.endswith("/") else place
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(found, place)


def run(command: str, folder: Path, **environment: str) -> None:
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def environment_of(stage: list[Instruction]) -> dict[str, str]:
    found = " ".join(step.value for step in stage if step.name == "ENV")
    return dict(re.findall(r"(\w+)=(\S*)", found))


def serves(program: list[str], folder: Path, **environment: str) -> None:
    """The desk as the image starts it, in a folder it cannot write, until /healthz says ok; then stopped."""
    port = free_port()
    settings = environment_of(stages()[-1]) | {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        # The image listens on every address of its container; a test does not.
        "INCIDENTSCRIBE_HOST": "127.0.0.1",
        "INCIDENTSCRIBE_PORT": str(port),
        "INCIDENTSCRIBE_LOG": "json",
        "KESTRA_PASSWORD": "unused",
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_ANON_KEY": "unused",
    }
    log = folder / "desk.log"
    empty = folder / "empty"
    empty.mkdir()
    empty.chmod(0o555)
    with log.open("wb") as output:
        desk = subprocess.Popen(
            program, cwd=empty, env=settings | environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:

        def is_up() -> bool:
            assert desk.poll() is None, log.read_text()[-3000:]
            try:
                return (
                    httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2, trust_env=False).text == "ok\n"
                )
            except httpx.TransportError:
                return False

        until(is_up, f"the desk serves ({log})", 60)
        page = httpx.get(f"http://127.0.0.1:{port}/static/nothing", timeout=5, trust_env=False)
        assert page.headers["content-security-policy"]
        httpx.get(f"http://127.0.0.1:{port}/incidents?q=searched-for", timeout=5, trust_env=False)
        # A proxy with HTTPS in front, on the same machine: docs/operate.md.
        by_https = {"X-Forwarded-Proto": "https", "Host": "localhost"}
        page = httpx.get(f"http://127.0.0.1:{port}/login", headers=by_https, timeout=5, trust_env=False)
        assert "; secure" in page.headers["set-cookie"].lower()
    finally:
        desk.terminate()  # STOPSIGNAL
        assert desk.wait(20) in (0, -15)
    assert list(empty.iterdir()) == []
    written = log.read_text()
    assert "searched-for" not in written
    assert all(json.loads(line)["message"] for line in written.splitlines())


def files(folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*") if file.is_file()}


def test_the_wheel_of_the_image_serves_from_a_folder_it_cannot_write(tmp_path: Path) -> None:
    build, *_ = stages()
    folder, target = tmp_path / "build", tmp_path / "installed"
    folder.mkdir()
    copied(build, ROOT, folder)
    (step,) = [step for step in build if step.name == "RUN" and "pip wheel" in step.value]
    run(step.value.replace("tools/bin/pip", f"{sys.executable} -m pip"), folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    run(f"{sys.executable} -m pip install --no-deps --no-index --target {target} {wheel}", tmp_path)
    before = files(target)
    # The installed one comes before the checkout, which is on the path of this environment too.
    own = f"{sys.executable} -c 'import dashboard; print(*dashboard.__path__)'"
    run(f'test "$({own})" = {target}/dashboard', tmp_path, PYTHONPATH=str(target))
    serves(
        [sys.executable, str(target / "bin" / "incidentscribe"), "serve"], tmp_path, PYTHONPATH=str(target)
    )
    assert files(target) == before, "the desk writes into its own installation"


@pytest.mark.skipif(
    os.environ.get("IMAGE_STEPS") != "all", reason="IMAGE_STEPS=all runs every step, with downloads"
)
def test_every_step_of_the_image_ends_in_a_desk_that_serves(tmp_path: Path) -> None:
    build, last = stages()
    folder, installed = tmp_path / "build", tmp_path / "opt"
    folder.mkdir()
    copied(build, ROOT, folder)
    for step in build:
        if step.name == "RUN":
            command = step.value.replace("/opt/incidentscribe", str(installed))
            run(
                re.sub(r"^python ", f"{sys.executable} ", command),
                folder,
                **environment_of(build) | {"PIP_NO_CACHE_DIR": "0"},
            )
    shutil.rmtree(folder)  # the last stage has nothing of it
    assert not list(installed.glob("lib/python*/site-packages/pip"))
    before = files(installed)
    entry = [step.value for step in last if step.name in ("ENTRYPOINT", "CMD")]
    assert entry == ['["incidentscribe"]', '["serve"]']
    serves([str(installed / "bin" / "incidentscribe"), "serve"], tmp_path)
    assert files(installed) == before
