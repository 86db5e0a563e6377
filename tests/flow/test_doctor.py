"""The guide's four troubles, each provoked on the real engine: the doctor names the cause and the cure."""

from collections.abc import Iterator

import pytest

from dashboard import doctor, doctor_kestra, doctor_probe
from dashboard.domain.clock import utc_now
from dashboard.domain.finding import Finding, Health
from dashboard.domain.system import DoctorReport
from dashboard.kestra_api.client import KestraApi
from dashboard.resources import newest_migration, probe_file
from tests.flow.handler import FLOW, KEY, NAMESPACE, Handler, impatient
from tests.flow.parts import MODEL_KEY
from tests.support.flow_file import FLOW_FILE
from tests.support.postgres import free_port

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def api(handler: Handler) -> Iterator[KestraApi]:
    with KestraApi(handler.worker_settings) as client:
        yield client


@pytest.fixture
def values(handler: Handler) -> Iterator[Handler]:
    """The handler; the flow's values and text are afterwards as they were."""
    kept = {"GEMINI_API_KEY": MODEL_KEY, "SUPABASE_URL": handler.relay.url}
    key = handler.worker_settings.supabase_service_role_key.get_secret_value()
    yield handler
    for name, value in (kept | {"SUPABASE_SERVICE_ROLE_KEY": key}).items():
        handler.put_value(name, value)


@pytest.fixture
def source(api: KestraApi) -> Iterator[str]:
    """The handler's flow as these tests run it; put back afterwards."""
    text = impatient(FLOW_FILE.read_text())
    yield text
    api.update_flow(NAMESPACE, FLOW, text)


def probed(api: KestraApi) -> dict[str, Finding]:
    found = doctor_probe.examine(doctor_probe.run_probe(api, probe_file().read_text()))
    return {finding.part: finding for finding in found}


def reported(handler: Handler) -> dict[str, Finding]:
    seen = DoctorReport.model_validate(handler.desk.by_flow("doctor_report"))
    return {finding.part: finding for finding in doctor.examine(seen, 0.1, newest_migration(), utc_now())}


def test_where_nothing_is_wrong_the_probe_says_so(api: KestraApi) -> None:
    found = probed(api)
    assert {part: finding.found for part, finding in found.items() if finding.health is not Health.WELL} == {}
    assert set(found) == {"Python in Kestra", "Supabase from Kestra", "Model from Kestra", "Kestra's clock"}
    # Saved once, and run again as it is.
    revision = api.find_flow(NAMESPACE, doctor_probe.PROBE_ID)
    assert revision is not None
    probed(api)
    again = api.find_flow(NAMESPACE, doctor_probe.PROBE_ID)
    assert again is not None
    assert again.revision == revision.revision


def test_workflow_not_triggering(api: KestraApi, source: str, handler: Handler) -> None:
    saved = api.update_flow(NAMESPACE, FLOW, source.replace(f"key: {KEY}", "key: another-key"))
    assert handler.post_raw(b"{}") == 404
    found = doctor_kestra.webhook_set(api.find_flow(NAMESPACE, FLOW), KEY, None)
    assert saved.revision > 1
    assert (found.health, found.found) == (Health.ILL, "Its key is not that of the settings.")
    assert (found.command, "another-key" in found.found) == ("incidentscribe deploy", False)


def test_ai_tasks_failing(api: KestraApi, values: Handler) -> None:
    values.put_value("GEMINI_API_KEY", "of-somebody-else")
    execution = values.file("HIGH")
    found = probed(api)["Model from Kestra"]
    assert found.health is Health.ILL
    assert "refuses the key (HTTP 400): API key not valid" in found.found
    assert "GEMINI_API_KEY" in found.mend
    values.wait(execution, "FAILED")
    runs = reported(values)["Runs"]
    assert runs.health in (Health.ILL, Health.DOUBTFUL)
    assert "GEMINI_API_KEY" in runs.mend, runs.found
    assert "of-somebody-else" not in f"{found}{runs}"


@pytest.mark.parametrize(
    ("name", "value", "says", "mend"),
    [
        ("SUPABASE_SERVICE_ROLE_KEY", "not-a-key", "refuses the key (HTTP 401)", "SUPABASE_SERVICE_ROLE_KEY"),
        (
            "SUPABASE_URL",
            "http://127.0.0.1:{free}",
            "There was no answer",
            "INCIDENTSCRIBE_FLOW_SUPABASE_URL",
        ),
    ],
)
def test_results_not_saving_to_supabase(
    api: KestraApi, values: Handler, name: str, value: str, says: str, mend: str
) -> None:
    values.put_value(name, value.format(free=free_port()))
    found = probed(api)["Supabase from Kestra"]
    assert found.health is Health.ILL
    assert says in found.found
    assert mend in found.mend
    assert "results are not saved" in found.means


def test_execution_timeout(api: KestraApi, source: str, handler: Handler) -> None:
    api.update_flow(NAMESPACE, FLOW, source.replace("readIdleTimeout: PT5S", "readIdleTimeout: PT1S"))
    handler.misbehave(handler.model_url, "hang", times=3, step="analyze")
    handler.wait(handler.file("HIGH"), "FAILED")
    runs = reported(handler)["Runs"]
    assert "`timeout`" in runs.mend, runs.found
    assert "ai_agent_analyze" in runs.found
    assert runs.since is not None
