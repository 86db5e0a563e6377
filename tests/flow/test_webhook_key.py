"""docs/webhook-key.md: the key is changed and no incident is lost, on the real engine."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from dashboard.webhook_key import with_webhook_key
from dashboard.worker.loop import Worker
from tests.flow.handler import FLOW, KEY, Handler, impatient
from tests.support.flow_file import FLOW_FILE
from tests.support.postgres import ROOT
from tests.support.until import until

pytestmark = pytest.mark.engine

NEW_KEY = "the-new-key"
SECONDS = 120


@pytest.fixture
def flow(handler: Handler) -> Iterator[dict[str, Any]]:
    """The flow to be changed; as it was afterwards."""
    source = impatient(FLOW_FILE.read_text())
    yield yaml.safe_load(source)
    handler.save(source)


def save(handler: Handler, flow: dict[str, Any]) -> None:
    handler.save(yaml.safe_dump(flow, sort_keys=False, allow_unicode=True, width=10_000))


def call(handler: Handler, key: str) -> int:
    return handler.call_webhook(FLOW, key, handler.payload("HIGH"))


def test_while_both_triggers_stand_both_keys_start_runs(handler: Handler, flow: dict[str, Any]) -> None:
    documented = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "webhook-key.md").read_text(), re.DOTALL)
    assert documented
    [following] = yaml.safe_load(documented[1])
    assert (call(handler, KEY), call(handler, NEW_KEY)) == (200, 404)
    flow["triggers"].append(following)
    save(handler, flow)
    before = set(handler.executions(FLOW))
    assert (call(handler, KEY), call(handler, NEW_KEY)) == (200, 200)
    for execution in set(handler.executions(FLOW)) - before:
        assert handler.wait(execution, seconds=SECONDS) == "SUCCESS"
    flow["triggers"].pop(0)
    save(handler, flow)
    assert call(handler, KEY) == 404


@pytest.mark.usefixtures("flow")
def test_a_start_between_the_two_changes_waits_and_is_made(handler: Handler) -> None:
    handler.save(with_webhook_key(impatient(FLOW_FILE.read_text()), NEW_KEY))
    submitted = handler.desk.submit(severity="HIGH")

    def owed() -> dict[str, Any]:
        return handler.desk.row(
            "select status, attempts, last_error from outbox where id = %s", submitted["run_id"]
        )

    def owners() -> list[dict[str, Any]]:
        return handler.desk.rows("select * from executions where run_id = %s and owns", submitted["run_id"])

    with Worker(handler.worker_settings) as worker:
        until(lambda: worker.tick() is not None and owed()["attempts"], "it was tried", SECONDS)
    assert owed()["status"] == "owed"
    assert "incidentscribe deploy" in owed()["last_error"]
    assert owners() == []
    changed = handler.worker_settings.model_copy(update={"webhook_key": SecretStr(NEW_KEY)})
    with Worker(changed) as worker:
        until(lambda: worker.tick() is not None and owners(), "it has started", SECONDS)
    [started] = owners()
    assert handler.wait(started["kestra_execution_id"], seconds=SECONDS) == "SUCCESS"
    assert len(owners()) == 1
