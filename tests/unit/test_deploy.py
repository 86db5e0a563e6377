import pytest
from pydantic import SecretStr

from dashboard.deploy import deploy, kv_from_environment, kv_from_settings
from dashboard.domain.execution import FlowIdentity
from dashboard.errors import ConfigurationError, InvalidInput
from dashboard.resources import flow_file, migration_files, pages_folder
from dashboard.settings import DeploySettings


class Kestra:
    """A Kestra with at most one flow."""

    def __init__(self, flow: FlowIdentity | None = None, problems: list[str] | None = None) -> None:
        self.flow = flow
        self.problems = problems or []
        self.values: dict[str, str] = {}

    def validate_flow(self, source: str) -> list[str]:
        return self.problems

    def find_flow(self, namespace: str, flow_id: str) -> FlowIdentity | None:
        return self.flow

    def create_flow(self, source: str) -> FlowIdentity:
        assert self.flow is None
        self.flow = FlowIdentity(
            id="incident-handler", namespace="incident.response", revision=1, source=source
        )
        return self.flow

    def update_flow(self, namespace: str, flow_id: str, source: str) -> FlowIdentity:
        assert self.flow is not None
        if source != self.flow.source:
            self.flow = self.flow.model_copy(update={"source": source, "revision": self.flow.revision + 1})
        return self.flow

    def put_kv(self, namespace: str, key: str, value: str) -> None:
        assert self.flow is not None
        self.values[key] = value


def test_a_flow_is_created_then_left_then_updated() -> None:
    kestra, said = Kestra(), []
    deploy(kestra, "one", {"GEMINI_API_KEY": "k"}, said.append)
    deploy(kestra, "one", {}, said.append)
    deploy(kestra, "two", {}, said.append)
    assert [line.split()[2] for line in said if line.startswith("flow")] == [
        "created,",
        "unchanged,",
        "updated,",
    ]
    assert kestra.values == {"GEMINI_API_KEY": "k"}


def test_values_are_never_said() -> None:
    said: list[str] = []
    deploy(Kestra(), "one", {"GEMINI_API_KEY": "hunter2"}, said.append)
    assert not any("hunter2" in line for line in said)


def test_a_flow_kestra_refuses_changes_nothing() -> None:
    kestra = Kestra(problems=["Invalid type: io.kestra.plugin.core.flow.Nope"])
    with pytest.raises(InvalidInput, match=r"Invalid type.*Nothing was changed"):
        deploy(kestra, "one", {"A": "b"}, lambda _: None)
    assert kestra.flow is None
    assert kestra.values == {}


def settings(**values: object) -> DeploySettings:
    return DeploySettings.load(
        kestra_password=SecretStr("x"),
        supabase_url="http://here:1",
        supabase_service_role_key=SecretStr("service"),
        gemini_api_key=SecretStr("gemini"),
        **values,
    )


def test_kestra_gets_supabases_address_as_it_sees_it() -> None:
    assert kv_from_settings(settings())["SUPABASE_URL"] == "http://here:1"
    assert kv_from_settings(settings(flow_supabase_url="http://there:2"))["SUPABASE_URL"] == "http://there:2"


def test_values_with_a_default_are_stored_too_so_that_an_older_one_does_not_stay() -> None:
    values = kv_from_settings(settings())
    assert set(values) == {
        "SUPABASE_URL",
        "SUPABASE_SERVICE_ROLE_KEY",
        "GEMINI_API_KEY",
        "GEMINI_BASE_URL",
        "GEMINI_MODEL",
    }
    assert kv_from_settings(settings(gemini_model="m"))["GEMINI_MODEL"] == "m"


def test_further_values_come_from_the_environment_only() -> None:
    assert kv_from_environment(["ACTION_X=env:TOKEN"], {"TOKEN": "t"}) == {"ACTION_X": "t"}


@pytest.mark.parametrize("text", ["ACTION_X=secret", "action=env:A", "=env:A", "ACTION_X", "ACTION_X=env:"])
def test_a_value_on_the_command_line_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        kv_from_environment([text], {"A": "a"})
    assert "secret" not in str(raised.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigurationError, match="TOKEN is not set"):
        kv_from_environment(["ACTION_X=env:TOKEN"], {})


def test_the_checkout_has_flow_migrations_and_pages() -> None:
    assert flow_file().name == "incident-handler.yml"
    assert migration_files() == sorted(migration_files())
    assert pages_folder().is_dir()
