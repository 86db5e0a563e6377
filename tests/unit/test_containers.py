"""Dockerfile and docker-compose.yml as written: no container engine was at hand where they were made."""

import json
import re
import stat
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml

from containers import compose_env
from dashboard.kestra_api.followers import MOST_FOLLOWERS
from dashboard.worker.exposed import serving
from tests.support import command_line
from tests.support.dockerfile import Instruction, stages

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STAYING = {name for name, service in SERVICES.items() if service["restart"] != "no"}
# ${NAME}, ${NAME:-default} and ${NAME:?message}; $$ is a dollar.
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")
SECRET = re.compile(r"PASSWORD|KEY|TOKEN|SECRET|WEBHOOK_URL|SMTP_URL|DATABASE_URL")


def everything() -> list[Instruction]:
    return [step for stage in stages() for step in stage]


def variables(text: str) -> dict[str, tuple[str, str]]:
    return {match["name"]: (match["how"], match["rest"]) for match in VARIABLE.finditer(text)}


def environment_of_example() -> set[str]:
    template = (ROOT / ".env.example").read_text() + compose_env.COMPOSE_ONLY
    return set(compose_env.values(template))


# The compose file ------------------------------------------------------------------------------------------


def test_every_variable_of_the_compose_file_is_explained() -> None:
    assert variables((ROOT / "docker-compose.yml").read_text()).keys() <= environment_of_example()


@pytest.mark.parametrize("service", SERVICES)
def test_every_port_is_on_loopback(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port


def test_the_guides_address_of_kestra_and_the_desks_own_work() -> None:
    assert SERVICES["kestra"]["ports"] == ["127.0.0.1:8080:8080"]
    assert SERVICES["desk"]["ports"] == ["127.0.0.1:8501:8501"]
    assert "ports" not in SERVICES["kestra-postgres"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_may_do_little_and_has_limits(service: str) -> None:
    about = SERVICES[service]
    assert about["cap_drop"] == ["ALL"]
    assert about["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in about
    assert "pids_limit" in about
    assert about["logging"]["options"]["max-size"]
    assert not {"privileged", "pid", "ipc", "devices"} & about.keys()
    assert set(about.get("cap_add", [])) <= ({"CHOWN"} if service == "kestra-storage" else set())
    # Kestra alone: why is said in the file.
    assert about.get("read_only", False) is (service != "kestra")


def test_the_desk_may_have_a_thread_for_every_follower_and_as_many_again() -> None:
    pools = 2  # executions and logs
    assert SERVICES["desk"]["pids_limit"] >= 2 * pools * MOST_FOLLOWERS


def test_no_container_gets_the_engines_socket_or_a_folder_of_the_machine() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            name, _, _ = volume.partition(":")
            assert name in COMPOSE["volumes"], volume


@pytest.mark.parametrize("service", sorted(STAYING))
def test_what_stays_is_restarted_and_checked(service: str) -> None:
    assert SERVICES[service]["restart"] == "unless-stopped"
    check = SERVICES[service]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert check["retries"] > 1


def test_who_needs_whom_waits_until_it_is_well() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_healthy" if needed in STAYING else "service_completed_successfully"
            assert how == {"condition": wanted}


def test_no_secret_has_a_value_or_a_default_in_the_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name, (how, rest) in variables(text).items():
        # The webhook's key is the flow's, as its file says; changing both is in docs/operate.md.
        if SECRET.search(name) and name != "INCIDENTSCRIBE_WEBHOOK_KEY":
            assert how == "?" or rest == "", f"{name} has a default"
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert VARIABLE.fullmatch(str(value)), f"{name} is written out"


def test_kestras_configuration_is_yaml_whatever_the_password() -> None:
    source = SERVICES["kestra"]["environment"]["KESTRA_CONFIGURATION"]
    password = compose_env.new_password()
    filled = VARIABLE.sub(
        lambda found: password if SECRET.search(found["name"]) else found["rest"] or "", source
    )
    configuration = yaml.safe_load(filled)
    assert configuration["datasources"]["postgres"]["password"] == password
    assert configuration["kestra"]["server"]["basic-auth"] == {
        "username": "admin@kestra.io",
        "password": password,
    }
    # Kestra would otherwise lose what it was given when the container is replaced.
    assert SERVICES["kestra"]["volumes"] == [
        f"kestra-storage:{configuration['kestra']['storage']['local']['base-path']}"
    ]


def test_kestras_health_check_understands_an_answer(tmp_path: Path) -> None:
    """The command itself, against a server: well, ill, and not there."""
    command = [part.replace("$$", "$") for part in SERVICES["kestra"]["healthcheck"]["test"][1:]]
    program = (
        "import http.server, sys\n"
        "class Door(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(int(sys.argv[1]) if self.path == '/ping' else 404)\n"
        "        self.end_headers()\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Door)\n"
        "print(server.server_port, flush=True)\n"
        "server.handle_request()\n"
    )
    for status, well in ((200, True), (503, False)):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(status)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as server:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            asked = [part.replace("8080", port) for part in command]
            assert (subprocess.run(asked, capture_output=True, check=False).returncode == 0) is well
    assert subprocess.run(asked, capture_output=True, check=False).returncode != 0


def test_the_desk_gets_nothing_that_only_set_up_needs() -> None:
    desk, setup = (set(SERVICES[name]["environment"]) for name in ("desk", "setup"))
    assert "INCIDENTSCRIBE_DATABASE_URL" in setup - desk
    assert "INCIDENTSCRIBE_ADMIN_PASSWORD" in setup - desk
    assert "GEMINI_API_KEY" in setup - desk
    assert not {name for name in desk | setup if "DATABASE_PASSWORD" in name}


def test_kestra_starts_before_anything_else_is_known() -> None:
    """Compose reads the whole file first: what has to be set has to be what `make compose-env` makes."""
    needed = {
        name for name, (how, _) in variables((ROOT / "docker-compose.yml").read_text()).items() if how == "?"
    }
    assert needed == {"KESTRA_PASSWORD", "KESTRA_DATABASE_PASSWORD"}


# .env ------------------------------------------------------------------------------------------------------


def test_the_environment_file_is_private_and_has_new_passwords(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text((ROOT / ".env.example").read_text())
    for _ in range(2):
        subprocess.run(
            [sys.executable, ROOT / "containers" / "compose_env.py"],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
    file = tmp_path / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = compose_env.values(file.read_text())
    assert found.keys() == environment_of_example()
    assert found["SUPABASE_URL"] == ""
    passwords = {found["KESTRA_PASSWORD"], found["KESTRA_DATABASE_PASSWORD"]}
    assert len(passwords) == 2
    for password in passwords:
        assert re.fullmatch(r"[\w-]{40,}", password)


def test_what_stands_in_the_environment_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text((ROOT / ".env.example").read_text())
    (tmp_path / ".env").write_text("KESTRA_PASSWORD=Mine1234\nSUPABASE_URL=https://x.supabase.co\nOTHER=1\n")
    compose_env.write(tmp_path)
    found = compose_env.values((tmp_path / ".env").read_text())
    assert found["KESTRA_PASSWORD"] == "Mine1234"
    assert found["SUPABASE_URL"] == "https://x.supabase.co"
    assert found["OTHER"] == "1"


# The image -------------------------------------------------------------------------------------------------


def test_the_last_stage_runs_nothing_but_the_making_of_its_user() -> None:
    steps = stages()[-1]
    assert [value for instruction, value in steps if instruction == "RUN"] == [
        next(value for instruction, value in steps if "useradd" in value)
    ]
    assert [value for instruction, value in steps if instruction == "COPY"] == [
        "--from=build /opt/incidentscribe /opt/incidentscribe"
    ]
    assert ("USER", "10001:10001") in steps
    assert ("STOPSIGNAL", "SIGTERM") in steps
    assert ("EXPOSE", "8501") in steps
    assert json.loads(dict(steps)["ENTRYPOINT"]) == ["incidentscribe"]
    assert json.loads(dict(steps)["CMD"]) == ["serve"]
    environment = dict(steps)["ENV"]
    assert "INCIDENTSCRIBE_HOST=0.0.0.0" in environment
    assert "PYTHONDONTWRITEBYTECODE=1" in environment


def test_the_image_is_healthy_as_a_desk_and_as_the_worker_that_its_head_names() -> None:
    """The health check itself, against what a worker with this option serves; a desk serves the same."""
    steps = dict(stages()[-1])
    environment = dict(pair.split("=", 1) for pair in steps["ENV"].split())
    port = environment["INCIDENTSCRIBE_PORT"]
    for file in ("Dockerfile", "docs/operate.md"):
        named = re.findall(r"docker run … \S+ (worker[^`]*)`", (ROOT / file).read_text())
        assert named == [f"worker --metrics-port {port}"], file
    assert not command_line.problem(["worker", "--metrics-port", port])
    command = json.loads(steps["HEALTHCHECK"].partition("CMD ")[2])
    asked = [sys.executable, *command[1:]]

    def is_healthy(port: int) -> bool:
        run = subprocess.run(asked, env={"INCIDENTSCRIBE_PORT": str(port)}, capture_output=True, check=False)
        return run.returncode == 0

    with serving("127.0.0.1", 0, None) as served:
        assert is_healthy(served)
    assert not is_healthy(served)


def test_everything_from_the_package_index_is_pinned_by_hash() -> None:
    for step in everything():
        if step.name == "RUN":
            for command in re.findall(r"pip install [^&]*", step.value):
                assert "--require-hashes" in command or "--no-index" in command, command


def test_what_the_image_copies_is_let_through_and_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    for step in everything():
        if step.name == "COPY" and not step.value.startswith("--from"):
            *sources, _ = step.value.split()
            for source in sources:
                assert (ROOT / source).exists()
                assert source in let_through


def test_the_tools_of_the_build_are_those_the_project_is_tested_with() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / name).read_text()
        return set(re.findall(r"^[a-z][^\n]*\n(?: {4}[^\n]*\n)+", text, re.MULTILINE))

    assert pins("build.txt")
    assert pins("build.txt") <= pins("dev.txt")
    assert re.findall(r"^setuptools==", (ROOT / "requirements/desk.txt").read_text(), re.MULTILINE) == []


def test_the_tools_of_the_build_need_nothing_that_is_not_pinned() -> None:
    """By what the installed ones say of themselves; pip would refuse the rest."""
    pinned = set(re.findall(r"^([a-z][\w-]*)==", (ROOT / "requirements/build.txt").read_text(), re.MULTILINE))
    needed = {"hatchling", "editables"}
    for name in pinned:
        for line in requires(name) or []:
            if "extra ==" not in line and "python_version < '3.11'" not in line:
                needed.add(re.split(r"[^\w-]", line)[0].lower().replace("_", "-"))
    assert needed == pinned
