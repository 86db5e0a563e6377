"""Which programs make a sandbox, and the environment each one gets."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from sandbox.supabase.keys import anon_key, service_role_key
from sandbox.supervisor.keys import Keys
from sandbox.supervisor.part import Part, Program
from sandbox.supervisor.ports import EVERY_ADDRESS, Ports

KESTRA_USERNAME = "admin@kestra.io"
# Names that decide what a part talks to: a sandbox takes none of them from the person's own environment.
_OWN_PREFIXES = ("KESTRA_", "SUPABASE_", "GEMINI_", "INCIDENTSCRIBE_", "SANDBOX_", "ACTION_", "STREAMLIT_")


def _answers(url: str) -> Callable[[], bool]:
    def is_ready() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    return is_ready


def _connects(url: str) -> Callable[[], bool]:
    def is_ready() -> bool:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    return is_ready


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: its folder, ports and keys, and from them every program.

    `lan_address` opens the desk, and nothing else, to the network under that address of this machine.
    `empty` is what a deployment finds: no table, no flow, no desk, nobody.
    """

    folder: Path
    ports: Ports
    keys: Keys
    gemini_api_key: str | None = None
    lan_address: str | None = None
    empty: bool = False

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    @property
    def database_url(self) -> str:
        return (
            f"postgresql://postgres:{self.keys.migration_password}@127.0.0.1:{self.ports.postgres}/postgres"
        )

    @property
    def endpoints_file(self) -> Path:
        return self.folder / "endpoints.json"

    def _program(self, name: str, command: list[str], **environment: str) -> Program:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_PREFIXES)}
        scripts = str(Path(sys.executable).parent)
        # Nor from a file of theirs in the current folder.
        inherited["INCIDENTSCRIBE_ENV_FILE"] = ""
        inherited["PATH"] = os.pathsep.join([scripts, inherited.get("PATH", os.defpath)])
        log = self.folder / "logs" / f"{name.lower().replace(' ', '-')}.log"
        return Program(name, command, inherited | environment, log)

    def _module(self, name: str, module: str, *arguments: object, **environment: str) -> Program:
        return self._program(
            name, [sys.executable, "-m", module, *(str(each) for each in arguments)], **environment
        )

    def _command(self, name: str, *arguments: str, **environment: str) -> Program:
        command = str(Path(sys.executable).parent / "incidentscribe")
        return self._program(name, [command, *arguments], **self._desk_environment(), **environment)

    def _desk_environment(self) -> dict[str, str]:
        """What a real deployment would set by hand."""
        model = (
            {"GEMINI_API_KEY": self.gemini_api_key}
            if self.gemini_api_key
            else {"GEMINI_API_KEY": self.keys.model_key, "GEMINI_BASE_URL": self.url(self.ports.model)}
        )
        return model | {
            "KESTRA_URL": self.url(self.ports.kestra),
            "KESTRA_USERNAME": KESTRA_USERNAME,
            "KESTRA_PASSWORD": self.keys.kestra_password,
            "SUPABASE_URL": self.url(self.ports.gateway),
            "SUPABASE_ANON_KEY": anon_key(self.keys.jwt_secret),
            "SUPABASE_SERVICE_ROLE_KEY": service_role_key(self.keys.jwt_secret),
            **self._listening(),
            "INCIDENTSCRIBE_PORT": str(self.ports.desk),
            "INCIDENTSCRIBE_DATABASE_URL": self.database_url,
            "INCIDENTSCRIBE_DEMO_PASSWORD": self.keys.demo_password,
            "INCIDENTSCRIBE_DEMO_SERVICE_URL": self.url(self.ports.service),
            "INCIDENTSCRIBE_SANDBOX_FILE": str(self.endpoints_file),
            "ACTION_DEMO_TOKEN": self.keys.service_token,
        }

    def _listening(self) -> dict[str, str]:
        """Where the desk listens, and the names it answers under: the one address more, no other."""
        if self.lan_address is None:
            return {}
        return {
            "INCIDENTSCRIBE_HOST": EVERY_ADDRESS,
            "INCIDENTSCRIBE_ALLOWED_HOSTS": f"127.0.0.1,localhost,{self.lan_address}",
        }

    def parts(self) -> list[Part]:
        """In the order in which they are started; what needs another part waits for it by itself."""
        keys, ports = self.keys, self.ports
        kestra = self._module(
            "Kestra",
            "sandbox.kestra",
            *("--data", self.folder / "kestra", "--port", ports.kestra),
            KESTRA_USERNAME=KESTRA_USERNAME,
            KESTRA_PASSWORD=keys.kestra_password,
        )
        postgres = self._module(
            "Postgres",
            "sandbox.supabase.postgres",
            *("--data", self.folder / "postgres", "--port", ports.postgres),
            SANDBOX_POSTGRES_PASSWORD=keys.postgres_password,
            SANDBOX_MIGRATION_PASSWORD=keys.migration_password,
            SANDBOX_AUTHENTICATOR_PASSWORD=keys.authenticator_password,
            SANDBOX_AUTH_PASSWORD=keys.auth_password,
        )
        gateway = self._module(
            "Supabase gateway",
            "sandbox.supabase.gateway",
            *("--port", ports.gateway, "--database-port", ports.postgres),
            SANDBOX_JWT_SECRET=keys.jwt_secret,
            SANDBOX_AUTHENTICATOR_PASSWORD=keys.authenticator_password,
            SANDBOX_AUTH_PASSWORD=keys.auth_password,
        )
        model = self._module(
            "Demo model", "sandbox.model", "--port", ports.model, SANDBOX_MODEL_KEY=keys.model_key
        )
        service = self._module(
            "Demo service",
            "sandbox.service",
            *("--data", self.folder / "service", "--port", ports.service),
            SANDBOX_SERVICE_TOKEN=keys.service_token,
        )
        return [
            # The engine takes longest and needs nobody, so it goes first; fetching its jars may take minutes.
            Part(kestra, _answers(f"{self.url(ports.kestra)}/api/v1/configs"), ready_seconds=1800),
            Part(postgres, _connects(self.database_url), ready_seconds=60),
            Part(gateway, _answers(f"{self.url(ports.gateway)}/health"), ready_seconds=30),
            Part(model, _answers(f"{self.url(ports.model)}/health"), ready_seconds=30),
            Part(service, _answers(f"{self.url(ports.service)}/health"), ready_seconds=30),
        ]

    def desk(self) -> Part:
        """The product itself, started the way a deployment starts it."""
        return Part(
            self._command("Desk", "serve"), _answers(f"{self.url(self.ports.desk)}/healthz"), ready_seconds=60
        )

    def migrate(self) -> Program:
        return self._command("Migrations", "migrate")

    def seed(self) -> Program:
        return self._command("Demo data", "seed")

    def deploy(self) -> Program:
        return self._command("Flow", "deploy", "--kv", "ACTION_DEMO_TOKEN=env:ACTION_DEMO_TOKEN")

    def endpoints(self, pid: int) -> dict[str, Any]:
        """The content of endpoints.json: where everything is, with keys and demo accounts.

        An empty sandbox has no demo accounts, and its desk is where one may be started.
        """
        keys, ports = self.keys, self.ports
        people = [("vera", "viewer"), ("rita", "responder"), ("ana", "approver"), ("ada", "admin")]
        return {
            "desk": self.url(ports.desk),
            "kestra": {
                "url": self.url(ports.kestra),
                "username": KESTRA_USERNAME,
                "password": keys.kestra_password,
            },
            "supabase": {
                "url": self.url(ports.gateway),
                "anon_key": anon_key(keys.jwt_secret),
                "service_role_key": service_role_key(keys.jwt_secret),
            },
            "postgres": {"url": self.database_url},
            "model": {"url": self.url(ports.model), "key": keys.model_key},
            "service": {"url": self.url(ports.service), "token": keys.service_token},
            "accounts": [
                {
                    "email": f"{name}@demo.example",
                    "password": keys.demo_password,
                    "name": f"{name.title()} {role.title()}",
                    "role": role,
                }
                for name, role in people
                if not self.empty
            ],
            "pid": pid,
        }
