import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import SecretStr

from dashboard import cli, doctor_kestra
from dashboard.deploy import (
    carry_out,
    describe,
    kestra_in_force,
    kv_from_environment,
    kv_from_settings,
    read_flow,
    read_plan,
)
from dashboard.domain.clock import utc_now
from dashboard.domain.execution import FlowIdentity
from dashboard.domain.finding import Health
from dashboard.errors import ConfigurationError, InvalidInput, NotAllowed, UpstreamUnreachable
from dashboard.kestra_api import client
from dashboard.kestra_api.address import Address
from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.models import Instance, KvValue
from dashboard.resources import flow_file, migration_files, pages_folder
from dashboard.settings import PUBLIC_WEBHOOK_KEY as PUBLIC
from dashboard.settings import DeploySettings, load_or_ask
from dashboard.store import config
from dashboard.webhook_key import with_webhook_key

EXPRESSION = "\"{{ kv('WEBHOOK_KEY') }}\""


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


def flow_in_kestra(source: str) -> Kestra:
    return Kestra(FlowIdentity(id="f", namespace="n", revision=1, source=source))


def triggered(*keys: str) -> str:
    """A flow with a webhook for each key, written as given."""
    return "triggers:\n" + "".join(
        f"  - id: w{n}\n    type: io.kestra.plugin.core.trigger.Webhook\n    key: {key}\n"
        for n, key in enumerate(keys)
    )


def test_webhook_keys_are_never_said_neither_that_of_kestra_nor_ours() -> None:
    kestra = flow_in_kestra(f"# not k-old\n{triggered('k-old', PUBLIC, EXPRESSION)}")
    said = deploy(kestra, triggered("'k''new'", '"k-\\x32"'), {})
    text = "\n".join(said)
    for secret in ("k-old", "k'new", "k''new", "k-2", "k-\\x32"):
        assert secret not in text
    assert "-# not [hidden]" in said
    assert "+    key: [hidden]" in said
    # What everybody knows, and what says nothing, stays to be read.
    assert f"-    key: {PUBLIC}" in said
    assert f"-    key: {EXPRESSION}" in said
    assert any("3 webhook keys of Kestra's would be no more" in line for line in said)


class TestWebhookKey:
    """The key of the settings goes into the flow; nobody's own is put back to the public one."""

    def test_it_replaces_the_public_one_and_nothing_else(self) -> None:
        source = flow_file().read_text(encoding="utf-8")
        ours = with_webhook_key(source, "123e4")
        assert yaml.safe_load(ours)["triggers"][0]["key"] == "123e4"
        changed = [line for line in difflib.ndiff(source.splitlines(), ours.splitlines()) if line[0] in "+-"]
        assert changed == [f"-     key: {PUBLIC}", '+     key: "123e4"']
        assert with_webhook_key(source, PUBLIC) == source

    @pytest.mark.parametrize(
        "source",
        [
            triggered("their-own"),
            triggered(EXPRESSION),
            triggered(PUBLIC, "the-new-key"),
            "id: incident-handler",
            "one",
            "",
            "triggers: [: broken",
            f"triggers:\n  - type: io.kestra.plugin.core.trigger.Flow\n    key: {PUBLIC}\n",
        ],
    )
    def test_a_flow_with_a_key_of_its_own_stays_as_it_is(self, source: str) -> None:
        assert with_webhook_key(source, "the-new-key") == source

    def test_while_a_key_is_changed_the_old_one_in_a_copy_stays(self) -> None:
        assert with_webhook_key(triggered("old", "new"), "old") == triggered("old", "new")
        assert with_webhook_key(triggered(PUBLIC, "new"), PUBLIC) == triggered(PUBLIC, "new")

    @pytest.mark.parametrize("key", ["a/b", 'a"b', "a\nb: c", "{{ kv('X') }}", "ä", "a b", "x" * 257])
    def test_one_that_is_none_is_named_without_its_value(self, key: str) -> None:
        with pytest.raises(ConfigurationError, match="INCIDENTSCRIBE_WEBHOOK_KEY is no key") as raised:
            with_webhook_key(triggered(PUBLIC), key)
        assert key not in str(raised.value)

    def test_the_public_one_is_never_put_over_another(self) -> None:
        kestra = flow_in_kestra(triggered("their-own"))
        with pytest.raises(ConfigurationError, match="Nothing was changed") as raised:
            read_plan(kestra, triggered(PUBLIC), {"A": "b"})
        assert "their-own" not in str(raised.value)
        # Where it is in force already, and where there is none, nothing is opened that was closed.
        for before in (triggered(PUBLIC, "next"), "id: f"):
            assert read_plan(flow_in_kestra(before), triggered(PUBLIC), {})


class TestAddress:
    """Desk, worker, doctor and deploy ask the same Kestra."""

    def said(self, rows: list[dict[str, object]] | None, **fields: object) -> tuple[str, list[str]]:
        def supabase(request: httpx.Request) -> httpx.Response:
            if rows is None:
                raise httpx.ConnectError("away")
            assert request.headers["apikey"] == "service"
            assert request.url.params["key"] == "eq.KESTRA_URL"
            return httpx.Response(200, json=rows)

        lines: list[str] = []
        found = settings(kestra_url="http://own:8080", **fields)
        return kestra_in_force(found, lines.append, httpx.MockTransport(supabase)), lines

    def test_what_a_person_wrote_wins_and_what_a_worker_noted_does_not(self) -> None:
        row = {"value": "https://tunnel.example/", "from_environment": False}
        assert self.said([row]) == (
            "https://tunnel.example",
            ["Kestra at https://tunnel.example, as system_config says"],
        )
        own = ("http://own:8080", ["Kestra at http://own:8080, from the environment"])
        assert self.said([row | {"from_environment": True}]) == own
        assert self.said([]) == own

    def test_one_that_is_refused_is_not_asked_and_said(self) -> None:
        url, [line] = self.said([{"value": "http://elsewhere", "from_environment": False}])
        assert url == "http://own:8080"
        assert "is refused: it is not https" in line

    def test_where_supabase_is_away_the_environments_is_asked_and_said(self) -> None:
        url, [line] = self.said(None)
        assert url == "http://own:8080"
        assert "from the environment; whether system_config has another is not known" in line

    def test_the_command_asks_there_with_the_key_in_the_flow(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("KESTRA_PASSWORD", "SUPABASE_SERVICE_ROLE_KEY", "GEMINI_API_KEY"):
            monkeypatch.setenv(name, "set")
        monkeypatch.setenv("INCIDENTSCRIBE_WEBHOOK_KEY", "of-the-team")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(config, "find_written", lambda client, key: "https://tunnel.example")
        kestra, asked = Kestra(), []

        @contextmanager
        def opened(found: DeploySettings) -> Iterator[Kestra]:
            asked.append(found.kestra_url)
            yield kestra

        monkeypatch.setattr(client, "KestraApi", opened)
        cli.deploy()
        assert asked == ["https://tunnel.example"]
        assert kestra.flow is not None
        assert 'key: "of-the-team"' in kestra.flow.source
        assert PUBLIC not in kestra.flow.source
        [finding] = [
            found
            for found in doctor_kestra.examine(
                doctor_kestra.KestraProbe(utc_now(), Instance(version="2.0.0"), kestra.flow, frozenset()),
                flow_file().read_text(encoding="utf-8"),
                "of-the-team",
                Address("https://tunnel.example"),
                None,
            )
            if found.part == "Flow"
        ]
        assert finding.health is Health.WELL


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
