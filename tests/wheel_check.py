"""`make wheel-check`: the built wheel in an empty folder, against an empty sandbox. A line per step.

What docs/quickstart.md tells a team to do is done here by its own commands, without the checkout: install,
migrate, deploy, organization, two people, one service, desk, doctor, and one incident each by a person and by
webhook, up to the saved postmortem.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from supabase import Client, ClientOptions, create_client

from tests.support.command_line import paths
from tests.support.postgres import free_port
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "docs/quickstart.md"
WEBHOOK = "/api/v1/executions/webhook/incident.response/incident-handler/incident-webhook-key"
# People get passwords of their own choice here, so that they can sign in below.
PASSWORDS = {"ADA_PASSWORD": "ada likes long passwords", "RITA_PASSWORD": "rita likes them too"}
SHIPPED = (
    "dashboard/py.typed",
    "dashboard/.streamlit/config.toml",
    "dashboard/_shipped/kestra/flows/incident-handler.yml",
    "dashboard/_shipped/kestra/flows/incidentscribe-probe.yml",
    "dashboard/_shipped/supabase/privileges.csv",
)
SHIPPED_FOLDERS = {
    "pages": "dashboard/_shipped/pages",
    "supabase/migrations": "dashboard/_shipped/supabase/migrations",
    "dashboard": "dashboard",
}


def built_wheel(folder: Path) -> Path:
    """The wheel, built without network."""
    command = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def missing_in(wheel: Path) -> list[str]:
    """What the wheel should have and has not: every file that git knows of the shipped folders."""
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = set(SHIPPED)
    for folder, place in SHIPPED_FOLDERS.items():
        known = subprocess.run(
            ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True
        )
        wanted |= {place + name.removeprefix(folder) for name in known.stdout.split()}
    return sorted(wanted - inside)


def described_services() -> str:
    """The services.yml of the quickstart."""
    found = re.search(r"```yaml\n(- name: .*?)```", QUICKSTART.read_text(encoding="utf-8"), re.DOTALL)
    assert found, "docs/quickstart.md describes no service"
    return found[1]


class Deployment:
    """An installation of the wheel in a folder of its own, and what it is told about the sandbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.bin = folder / "installed" / "bin"
        self.cwd = folder / "empty"
        self.cwd.mkdir()

    def install(self, wheel: Path) -> None:
        """As docs/quickstart.md says: a new environment, the locked dependencies, then the wheel alone."""
        subprocess.run([sys.executable, "-m", "venv", self.bin.parent], check=True)
        pip = [str(self.bin / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements/desk.txt")], check=True)
        subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)

    def configure(self, endpoints: dict[str, Any]) -> None:
        """The sandbox in the words of `.env.example`; the desk's port is free."""
        kestra, supabase, model = endpoints["kestra"], endpoints["supabase"], endpoints["model"]
        self.port = free_port()
        self.environment |= PASSWORDS | {
            "KESTRA_URL": kestra["url"],
            "KESTRA_USERNAME": kestra["username"],
            "KESTRA_PASSWORD": kestra["password"],
            "SUPABASE_URL": supabase["url"],
            "SUPABASE_ANON_KEY": supabase["anon_key"],
            "SUPABASE_SERVICE_ROLE_KEY": supabase["service_role_key"],
            "INCIDENTSCRIBE_DATABASE_URL": endpoints["postgres"]["url"],
            "GEMINI_API_KEY": model["key"],
            "GEMINI_BASE_URL": model["url"],
            "INCIDENTSCRIBE_PORT": str(self.port),
            "INCIDENTSCRIBE_ADMIN_EMAIL": "ada@acme.example",
            "INCIDENTSCRIBE_ADMIN_PASSWORD": PASSWORDS["ADA_PASSWORD"],
        }

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """One command; what it wrote. It has to end with this exit code, unless that is None."""
        done = subprocess.run(
            [str(self.bin / "incidentscribe"), *arguments],
            cwd=self.cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert code in (None, done.returncode), (
            f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    @contextmanager
    def desk(self) -> Iterator[str]:
        """The desk with its worker, while the block runs; its address."""
        url = f"http://127.0.0.1:{self.port}"
        log = self.folder / "desk.log"
        with log.open("wb") as output:
            desk = subprocess.Popen(
                [str(self.bin / "incidentscribe"), "serve"],
                cwd=self.cwd,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

        def is_up() -> bool:
            assert desk.poll() is None, log.read_text()[-3000:]
            try:
                return httpx.get(f"{url}/healthz", timeout=2, trust_env=False).is_success
            except httpx.TransportError:
                return False

        try:
            until(is_up, "the desk serves", 60)
            yield url
        finally:
            desk.terminate()
            desk.wait(20)


def findings(deployment: Deployment, *options: str) -> dict[str, str]:
    """How the doctor finds each part, in words."""
    answer = json.loads(deployment.run("doctor", "--json", *options, code=None))
    return {finding["part"]: f"{finding['health']}: {finding['found']}" for finding in answer["findings"]}


def all_well(deployment: Deployment) -> str:
    """Wait until the doctor finds nothing that is not well, asked from inside Kestra too; what it found.

    What nobody has used yet it cannot check, and says so: notices, and the model before the first run.
    """
    # A worker says that it is alive within ten seconds.
    until(lambda: findings(deployment)["Worker"].startswith("well"), "the doctor sees the worker", 60)
    found = findings(deployment, "--probe")
    ill = {part: words for part, words in found.items() if not words.startswith(("well: ", "unchecked: "))}
    assert not ill, ill
    deployment.run("doctor", code=0)
    unused = [part for part, words in found.items() if words.startswith("unchecked: ")]
    return f"{len(found) - len(unused)} parts are well, not used yet: {', '.join(unused) or 'none'}"


def signed_in(supabase: dict[str, str], email: str, password: str, http: httpx.Client) -> Client:
    options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
    client = create_client(supabase["url"], supabase["anon_key"], options)
    client.auth.sign_in_with_password({"email": email, "password": password})
    return client


def first(query: Any) -> dict[str, Any] | None:
    """The first row that is found."""
    rows: list[dict[str, Any]] = query.execute().data
    return rows[0] if rows else None


def saved(client: Client, incident_id: str) -> None:
    """Wait until the analysis of an incident is complete, and look at it."""
    query = client.table("ai_analyses").select("*").eq("incident_id", incident_id)
    query = query.not_.is_("completed_at", "null")
    row = until(lambda: first(query), f"the postmortem of {incident_id}", 120)
    assert row["problem"] is None, row["problem"]
    assert row["documentation"]["executive_summary"]


def approved(rita: Client, ada: Client) -> None:
    """A MEDIUM incident by Rita, approved by Ada."""
    payload: dict[str, Any] = {"service": "payment-api", "severity": "MEDIUM", "title": "Payments time out"}
    payload |= {"logs": ["ERROR: connection timeout after 30000 ms"]}
    answer: Any = rita.rpc("submit_incident", {"payload": payload}).execute().data
    incident: str = answer["incident_id"]
    query = ada.table("approvals").select("*").eq("incident_id", incident).eq("status", "pending")
    approval = until(lambda: first(query), "an approval is asked for", 120)
    decision = {"decision": "approved", "reason": "Write the plan", "content_hash": approval["content_hash"]}
    ada.rpc("decide_approval", {"approval_id": approval["id"]} | decision).execute()
    saved(ada, incident)


def by_webhook(endpoints: dict[str, Any], client: Client) -> None:
    """The guide's webhook, as anybody's monitoring sends it."""
    body = {"id": "INC-001", "service": "payment-api", "severity": "HIGH", "title": "High Error Rate"}
    answer = httpx.post(f"{endpoints['kestra']['url']}{WEBHOOK}", json=body, timeout=30, trust_env=False)
    answer.raise_for_status()
    query = client.table("incidents").select("id").eq("external_id", "INC-001")
    saved(client, until(lambda: first(query), "the incident is there", 60)["id"])


def check(folder: Path, say: Any) -> None:
    """Everything in order; an AssertionError says what was not as it should be."""
    wheel = built_wheel(folder / "dist")
    assert (missing := missing_in(wheel)) == [], f"not in the wheel: {missing}"
    say(f"{wheel.name} has all it needs: {wheel.stat().st_size // 1024} KB")
    deployment = Deployment(folder)
    deployment.install(wheel)
    say("installed by its lock into an environment of its own")
    every = list(paths())
    for path in every:
        assert "Usage: incidentscribe" in deployment.run(*path, "--help"), path
    say(f"--help of all {len(every)} commands and groups")
    sandbox = RunningSandbox(folder / "sandbox", 900, "--empty")
    try:
        say("an empty sandbox is up")
        set_up(deployment, sandbox.endpoints, say)
        work(deployment, sandbox.endpoints, say)
    finally:
        assert sandbox.stop() == 0


def set_up(deployment: Deployment, endpoints: dict[str, Any], say: Any) -> None:
    """The quickstart's commands, each said when it is done."""
    deployment.configure(endpoints)
    deployment.run("doctor", code=1)
    say("doctor: not well, as nothing is there")
    deployment.run("migrate")
    assert "0 migrations applied" in deployment.run("migrate")
    say("migrate; again it changes nothing")
    assert "Nothing was changed." in deployment.run("deploy", "--dry-run")
    deployment.run("deploy")
    say("deploy, after its dry run")
    deployment.run("org", "create", "Acme", "--slug", "acme", "--default")
    ada = ("--name", "Ada", "--role", "admin", "--organization", "acme")
    deployment.run("user", "invite", "ada@acme.example", *ada, "--password-from", "env:ADA_PASSWORD")
    rita = ("--name", "Rita", "--role", "responder")
    deployment.run("user", "invite", "rita@acme.example", *rita, "--password-from", "env:RITA_PASSWORD")
    (deployment.cwd / "services.yml").write_text(described_services())
    deployment.run("service", "apply", "services.yml")
    say("an organization, two people, one service")


def work(deployment: Deployment, endpoints: dict[str, Any], say: Any) -> None:
    """The desk up, all well, one incident by a person and one by webhook."""
    supabase = endpoints["supabase"]
    with deployment.desk() as url, httpx.Client(timeout=30) as a, httpx.Client(timeout=30) as r:
        page = httpx.get(url, trust_env=False, follow_redirects=True)
        assert "Sign in" in page.text
        say(f"the desk is up at {url}")
        say(f"doctor --probe: {all_well(deployment)}")
        ada = signed_in(supabase, "ada@acme.example", PASSWORDS["ADA_PASSWORD"], a)
        rita = signed_in(supabase, "rita@acme.example", PASSWORDS["RITA_PASSWORD"], r)
        approved(rita, ada)
        say("MEDIUM by a person: asked, approved by another, postmortem saved")
        by_webhook(endpoints, rita)
        say("HIGH by the guide's webhook: postmortem saved")
        say(f"doctor --probe: {all_well(deployment)}")
        verified = deployment.run("audit", "verify")
        say(f"audit verify: {verified.strip().splitlines()[-1]}")


def main() -> None:
    started = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {line}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="wheel-check-") as folder:
        check(Path(folder), say)
    sys.stdout.write("wheel-check: ok\n")


if __name__ == "__main__":
    main()
