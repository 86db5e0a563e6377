from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from dashboard.deploy import carry_out, describe, kv_from_environment, kv_from_settings, read_flow, read_plan
from dashboard.domain.execution import FlowIdentity
from dashboard.errors import ConfigurationError, InvalidInput, NotAllowed, UpstreamUnreachable
from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.models import KvValue
from dashboard.resources import flow_file, migration_files, pages_folder
from dashboard.settings import DeploySettings, load_or_ask


class Kestra:
    """A Kestra with at most one flow."""

    def __init__(self, flow: FlowIdentity | None = None, problems: list[str] | None = None) -> None:
        self.flow = flow
        self.problems = problems or []
        self.values: dict[str, str] = {}
        self.written: list[str] = []
        self.hidden: set[str] = set()
        self.kind = "STRING"
        self.away = False

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
        self.written.append(key)

    def find_kv(self, namespace: str, key: str) -> KvValue | None:
        if self.away:
            raise UpstreamUnreachable("Kestra", "Kestra cannot be reached.")
        if key in self.hidden:
            raise NotAllowed("Kestra", "Kestra refused the value.", status=403)
        return KvValue(type=self.kind, value=self.values[key]) if key in self.values else None


def deploy(kestra: Kestra, source: str, values: dict[str, str]) -> list[str]:
    """What a deployment says, of the plan and then of what it did."""
    said: list[str] = []
    plan = read_plan(kestra, source, values)
    describe(plan, said.append)
    said.append("--")
    carry_out(kestra, plan, said.append)
    return said


def test_a_flow_is_created_then_left_then_updated() -> None:
    kestra, values = Kestra(), {"GEMINI_API_KEY": "k"}
    first, again, other = (deploy(kestra, source, values) for source in ("one", "one", "two"))
    assert first == [
        "flow incident.response.incident-handler: new",
        "namespace incident.response: comes with its first flow",
        "value GEMINI_API_KEY: new",
        "--",
        "flow incident.response.incident-handler created, revision 1",
        "value GEMINI_API_KEY stored",
    ]
    assert again == [
        "flow incident.response.incident-handler: unchanged, revision 1",
        "value GEMINI_API_KEY: unchanged",
        "--",
        "Nothing to do.",
    ]
    assert other[:6] == [
        "flow incident.response.incident-handler: differs from revision 1",
        "--- Kestra",
        "+++ this version",
        "@@ -1 +1 @@",
        "-one",
        "+two",
    ]
    assert other[-1] == "flow incident.response.incident-handler updated, revision 2"
    assert kestra.written == ["GEMINI_API_KEY"]


def test_a_value_that_differs_is_stored_and_one_that_cannot_be_read_too() -> None:
    kestra = Kestra(FlowIdentity(id="f", namespace="n", revision=1, source="one\n"))
    kestra.values, kestra.hidden = {"A": "old", "B": "same", "C": "same"}, {"C"}
    said = deploy(kestra, "one", {"A": "new", "B": "same", "C": "same"})
    assert said[1:4] == ["value A: differs", "value B: unchanged", "value C: cannot be read"]
    assert kestra.written == ["A", "C"]


def test_a_number_in_kestra_is_not_the_text() -> None:
    kestra = Kestra()
    kestra.values, kestra.kind = {"A": "42"}, "NUMBER"
    assert read_plan(kestra, "one", {"A": "42"}).standing == {"A": "differs"}


def test_a_kestra_that_is_away_is_no_value_that_cannot_be_read() -> None:
    kestra = Kestra()
    kestra.away = True
    with pytest.raises(UpstreamUnreachable):
        read_plan(kestra, "one", {"A": "b"})


def test_values_are_never_said_not_even_where_the_flow_in_kestra_has_them() -> None:
    key = "hunter2-hunter2"
    kestra = Kestra(FlowIdentity(id="f", namespace="n", revision=1, source=f"apiKey: {key}\x1b[2J"))
    said = deploy(kestra, "one", {"GEMINI_API_KEY": key})
    assert "-apiKey: [hidden]\ufffd[2J" in said
    assert key not in "".join(said)


def test_a_switched_off_flow_is_named() -> None:
    kestra = Kestra(FlowIdentity(id="f", namespace="n", revision=1, source="one", disabled=True))
    assert any("switched off" in line for line in deploy(kestra, "one", {}))


def test_a_flow_kestra_refuses_changes_nothing() -> None:
    kestra = Kestra(problems=["Invalid type: io.kestra.plugin.core.flow.Nope"])
    with pytest.raises(InvalidInput, match=r"Invalid type.*Nothing was changed"):
        read_plan(kestra, "one", {"A": "b"})
    assert kestra.flow is None
    assert kestra.values == {}


def test_what_kestra_says_of_a_value_it_refuses_is_not_repeated() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(422, json={"message": f"not a value: {request.content.decode()}"})

    with KestraApi(settings(), httpx.MockTransport(refuse)) as api, pytest.raises(InvalidInput) as raised:
        api.put_kv("incident.response", "GEMINI_API_KEY", "hunter2-hunter2")
    assert "GEMINI_API_KEY" in str(raised.value)
    assert "hunter2" not in str(raised.value)


class TestAsking:
    """Secrets that are not set are asked for where somebody is there; nothing else is."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("KESTRA_PASSWORD", "SUPABASE_SERVICE_ROLE_KEY", "GEMINI_API_KEY", "KESTRA_URL"):
            monkeypatch.delenv(name, raising=False)

    def test_those_that_are_missing_are_asked_for_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "set")
        asked: list[tuple[str, bool]] = []

        def ask(label: str, hidden: bool) -> str:
            asked.append((label, hidden))
            return f"typed-{label}"

        loaded = load_or_ask(DeploySettings, ask)
        assert asked == [("KESTRA_PASSWORD", True), ("GEMINI_API_KEY", True)]
        assert loaded.gemini_api_key.get_secret_value() == "typed-GEMINI_API_KEY"
        assert loaded.supabase_service_role_key.get_secret_value() == "set"

    def test_where_nobody_is_there_they_are_named(self) -> None:
        with pytest.raises(ConfigurationError, match=r"KESTRA_PASSWORD.*GEMINI_API_KEY"):
            load_or_ask(DeploySettings, None)

    def test_a_wrong_address_is_no_question(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KESTRA_URL", "kestra:8080")
        with pytest.raises(ConfigurationError, match="KESTRA_URL must be"):
            load_or_ask(DeploySettings, lambda label, hidden: "typed")


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


def test_a_changed_copy_of_the_flow_is_taken_and_another_flow_is_not(tmp_path: Path) -> None:
    copy = tmp_path / "ours.yml"
    copy.write_text("id: incident-handler\nnamespace: incident.response\ntasks: []\n")
    assert read_flow(copy) == copy.read_text()
    for other in ("id: other\nnamespace: incident.response\n", "- a\n", "id: [\n"):
        copy.write_text(other)
        with pytest.raises(InvalidInput):
            read_flow(copy)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_flow(tmp_path / "none.yml")


def test_the_checkout_has_flow_migrations_and_pages() -> None:
    assert flow_file().name == "incident-handler.yml"
    assert migration_files() == sorted(migration_files())
    assert pages_folder().is_dir()
