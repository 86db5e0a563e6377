"""The flow on the real engine, with the real SQL behind the gateway; one of each for all flow tests."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import SecretStr

from dashboard.migrate import migrate, read_migrations
from dashboard.resources import migration_files
from dashboard.settings import WorkerSettings
from sandbox.supabase.keys import service_role_key
from tests.flow.handler import Handler
from tests.sql.desk import Desk
from tests.support.postgres import free_port, start_postgres
from tests.support.program import program
from tests.support.relay import relay

JWT_SECRET = "a-secret-of-these-tests-with-32-characters"
MODEL_KEY = "model-key-of-these-tests"
SERVICE_TOKEN = "token-of-these-tests"
KESTRA = ("admin@kestra.io", "Flow-tests-1")


@contextmanager
def flow_parts(folder: Path) -> Iterator[Handler]:
    """Everything the flow talks to, with its data in the folder; the flow deployed."""
    kestra, gateway, model, service = (free_port() for _ in range(4))
    with ExitStack() as running:
        postgres = start_postgres(folder / "postgres")
        running.callback(postgres.stop)
        migrate(postgres.url, read_migrations(migration_files()), say=lambda _: None)
        desk = Desk(postgres.url, is_default=True, auto_remediate_direct_webhooks=True)
        running.enter_context(
            program(
                "sandbox.supabase.gateway",
                *("--port", gateway, "--database-port", postgres.port),
                ready=f"http://127.0.0.1:{gateway}/health",
                log=folder / "gateway.log",
                environment={"SANDBOX_JWT_SECRET": JWT_SECRET} | postgres.passwords,
            )
        )
        running.enter_context(
            program(
                *("sandbox.model", "--port", model, "--test-hooks"),
                ready=f"http://127.0.0.1:{model}/health",
                log=folder / "model.log",
                environment={"SANDBOX_MODEL_KEY": MODEL_KEY},
            )
        )
        running.enter_context(
            program(
                *("sandbox.service", "--port", service, "--data", folder / "service", "--test-hooks"),
                ready=f"http://127.0.0.1:{service}/health",
                log=folder / "service.log",
                environment={"SANDBOX_SERVICE_TOKEN": SERVICE_TOKEN},
            )
        )
        running.enter_context(
            program(
                *("sandbox.kestra", "--port", kestra, "--data", folder / "kestra"),
                ready=f"http://127.0.0.1:{kestra}/api/v1/configs",
                log=folder / "kestra.log",
                environment={"KESTRA_USERNAME": KESTRA[0], "KESTRA_PASSWORD": KESTRA[1]},
                seconds=400,
            )
        )
        supabase = running.enter_context(relay(f"http://127.0.0.1:{gateway}"))
        handler = running.enter_context(
            Handler(
                desk,
                postgres=postgres,
                jwt_secret=JWT_SECRET,
                relay=supabase,
                worker_settings=WorkerSettings(
                    kestra_url=f"http://127.0.0.1:{kestra}",
                    kestra_username=KESTRA[0],
                    kestra_password=SecretStr(KESTRA[1]),
                    supabase_url=f"http://127.0.0.1:{gateway}",
                    supabase_service_role_key=SecretStr(service_role_key(JWT_SECRET)),
                ),
                model_url=f"http://127.0.0.1:{model}",
                service_url=f"http://127.0.0.1:{service}",
            )
        )
        handler.deploy(
            SUPABASE_URL=supabase.url,
            SUPABASE_SERVICE_ROLE_KEY=service_role_key(JWT_SECRET),
            GEMINI_API_KEY=MODEL_KEY,
            GEMINI_BASE_URL=f"http://127.0.0.1:{model}",
            ACTION_DEMO_TOKEN=SERVICE_TOKEN,
        )
        yield handler
