"""Health, numbers and log: what programs are told, to whom, and what never stands there."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import SecretStr
from starlette.applications import Starlette
from streamlit import logger as streamlit_logger

from dashboard import logs, metrics
from dashboard.domain.system import MetricsReport
from dashboard.errors import (
    ConfigurationError,
    NotAllowed,
    UpstreamProtocolError,
    UpstreamUnreachable,
    or_error,
)
from dashboard.kestra_api.client import KestraApi
from dashboard.settings import KestraSettings, LogSettings, MetricsSettings
from dashboard.store.connection import as_service, rows
from dashboard.web.health import Readiness
from dashboard.web.metrics import Metrics
from dashboard.web.streamlit_log import use_our_log
from dashboard.worker.exposed import serving
from dashboard.worker.loop import Worker
from tests.support.web_client import TestClient
from tests.unit.test_worker import SETTINGS, FakeKestra, FakeSupabase, start_row

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-these-tests"


def number(name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    return 0.0 if found is None else found


class TestReadiness:
    def answer(self, ask: Callable[[], object]) -> tuple[int, str]:
        client = TestClient(Starlette(routes=[Readiness(ask).route()]))
        answer = client.get("/readyz")
        return answer.status_code, answer.text

    @pytest.mark.parametrize(
        ("error", "answer"),
        [
            (None, (200, "ready\n")),
            (UpstreamUnreachable("Supabase", "Supabase cannot be reached at 10.0.0.1."), (503, "supabase\n")),
            (UpstreamProtocolError("Supabase", "No such function.", excerpt="x"), (503, "sessions\n")),
        ],
    )
    def test_it_says_one_word(self, error: Exception | None, answer: tuple[int, str]) -> None:
        def ask() -> None:
            if error:
                raise error

        assert self.answer(ask) == answer

    def test_the_database_is_not_asked_by_everybody(self) -> None:
        asked: list[int] = []
        client = TestClient(Starlette(routes=[Readiness(lambda: asked.append(1)).route()]))
        for _ in range(5):
            client.get("/readyz")
        assert len(asked) == 1


class TestWhoReadsNumbers:
    def status(self, token: str | None, peer: str, host: str = "127.0.0.1:8501", **headers: str) -> int:
        settings = MetricsSettings(metrics_token=SecretStr(token) if token else None)
        app = Starlette(routes=[Metrics(settings).route()])
        client = TestClient(app, base_url=f"http://{host}", client=(peer, 50_000))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return int(client.get("/metrics", headers=sent).status_code)

    def test_without_a_token_this_machine_only(self) -> None:
        assert self.status(None, "127.0.0.1") == 200
        assert self.status(None, "::1", "localhost:8501") == 200
        assert self.status(None, "10.0.0.7") == 403

    @pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
    def test_a_proxy_on_this_machine_is_not_this_machine(self, header: str) -> None:
        assert self.status(None, "127.0.0.1", **{header: "203.0.113.9"}) == 403
        # Nor is a page of somebody else whose name was pointed here.
        assert self.status(None, "127.0.0.1", "evil.example") == 403

    def test_with_a_token_the_token_only(self) -> None:
        assert self.status(TOKEN, "127.0.0.1") == 403
        assert self.status(TOKEN, "10.0.0.7", authorization=f"Bearer {TOKEN}") == 200
        assert self.status(TOKEN, "10.0.0.7", authorization="Bearer ") == 403
        assert self.status(TOKEN, "10.0.0.7", authorization=f"Basic {TOKEN}") == 403

    def test_a_short_token_is_refused_at_the_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("INCIDENTSCRIBE_METRICS_TOKEN", "short")
        with pytest.raises(ConfigurationError, match="INCIDENTSCRIBE_METRICS_TOKEN"):
            MetricsSettings.load()

    def test_a_worker_by_itself_serves_them_too(self) -> None:
        with serving("127.0.0.1", 0, TOKEN) as port, httpx.Client(trust_env=False) as http:
            url = f"http://127.0.0.1:{port}"
            assert http.get(f"{url}/healthz").text == "ok\n"
            assert http.get(f"{url}/metrics").status_code == 403
            answer = http.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            assert "incidentscribe_build_info" in answer.text
            assert http.get(f"{url}/").status_code == 404
            with pytest.raises(ConfigurationError, match="another port"), serving("127.0.0.1", port, None):
                pass

    def test_beyond_this_machine_a_worker_needs_a_token(self) -> None:
        with pytest.raises(ConfigurationError, match="INCIDENTSCRIBE_METRICS_TOKEN"), serving("::", 0, None):
            pass


class TestNumbers:
    def test_requests_are_counted_by_outcome(self) -> None:
        answers = [httpx.Response(403, json=REFUSED), httpx.Response(200, json=[])]

        def answer(_: httpx.Request) -> httpx.Response:
            if not answers:
                raise httpx.ConnectError("away")
            return answers.pop()

        def ask() -> None:
            with httpx.Client(transport=httpx.MockTransport(answer)) as http:
                rows(as_service(SETTINGS, http).table("incidents").select("id"))

        before = requests("supabase")
        ask()
        for error in (NotAllowed, UpstreamUnreachable):
            with pytest.raises(error):
                ask()
        assert requests("supabase") == {outcome: count + 1 for outcome, count in before.items()}

    def test_kestra_too(self) -> None:
        before = requests("kestra")
        with KestraApi(SETTINGS, httpx.MockTransport(FakeKestra())) as api:
            api.get_instance()
            assert api.find_flow("a", "b") is None
        nowhere = SETTINGS.model_copy(update={"kestra_url": "http://127.0.0.1:1"})
        with KestraApi(nowhere) as api, pytest.raises(UpstreamUnreachable):
            api.get_instance()
        assert requests("kestra") == {outcome: count + 1 for outcome, count in before.items()}

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            (401, "refused"),
            (409, "refused"),
            (501, "refused"),
            (429, "unreachable"),
            (500, "unreachable"),
            (503, "unreachable"),
        ],
    )
    def test_an_answer_that_is_as_good_as_none_counts_as_none(self, status: int, outcome: str) -> None:
        before = requests("kestra")
        transport = httpx.MockTransport(lambda _: httpx.Response(status))
        with KestraApi(SETTINGS, transport) as api:
            raised = or_error(api.get_instance)
        assert isinstance(raised, UpstreamUnreachable) is (outcome == "unreachable")
        assert requests("kestra") == before | {outcome: before[outcome] + 1}

    def test_the_report_of_the_database_is_shown_and_replaced(self) -> None:
        owed = {"kind": "notice", "owed": 3, "stuck": 1, "oldest_seconds": 61.5}
        metrics.show_report(MetricsReport.model_validate({"outbox": [owed], "approvals": {"pending": 2}}))
        assert number("incidentscribe_outbox_owed", kind="notice") == 3
        assert number("incidentscribe_outbox_oldest_seconds", kind="notice") == 61.5
        metrics.show_report(MetricsReport(runs_live=4))
        assert metrics.registry.get_sample_value("incidentscribe_outbox_owed", {"kind": "notice"}) is None
        assert number("incidentscribe_runs_live") == 4


REFUSED = {"code": "42501", "message": "permission denied"}


def requests(service: str) -> dict[str, float]:
    """Counted so far, by outcome."""
    outcomes = ("ok", "refused", "unreachable")
    return {o: number("incidentscribe_requests_total", service=service, outcome=o) for o in outcomes}


class TestDashboardAndAlerts:
    """Whatever the sample dashboard and the alert rules name exists."""

    def names(self) -> set[str]:
        text = metrics.exposition().decode()
        return set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))

    def used(self, expression: str) -> set[str]:
        return set(re.findall(r"\b(?:incidentscribe|process)_\w+", expression))

    def test_of_the_alert_rules(self) -> None:
        file = yaml.safe_load((ROOT / "docs/ops/alerts.yml").read_text(encoding="utf-8"))
        rules = [rule for group in file["groups"] for rule in group["rules"]]
        assert len({rule["alert"] for rule in rules}) == len(rules) >= 6
        for rule in rules:
            assert self.used(rule["expr"])
            assert self.used(rule["expr"]) <= self.names(), rule["alert"]
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert rule["annotations"].keys() == {"summary", "description"}

    @pytest.mark.parametrize(
        ("ok", "refused", "unreachable", "alerts"),
        [
            (1.0, 0.0, 0.0, set()),
            (1.0, 0.1, 0.1, set()),
            (0.0, 0.0, 0.0, set()),
            # A wrong password at 2.0, and at 1.3, which says its version to everybody.
            (0.0, 1.0, 0.0, {"IncidentScribeKestraRefuses"}),
            (1.0, 0.5, 0.0, {"IncidentScribeKestraRefuses"}),
            # 503 and silence.
            (0.0, 0.0, 1.0, {"IncidentScribeKestraUnreachable"}),
        ],
    )
    def test_kestra_away_and_a_wrong_password_are_told(
        self, ok: float, refused: float, unreachable: float, alerts: set[str]
    ) -> None:
        rates = {"ok": ok, "refused": refused, "unreachable": unreachable, None: ok + refused + unreachable}
        file = yaml.safe_load((ROOT / "docs/ops/alerts.yml").read_text(encoding="utf-8"))
        found = set()
        for rule in (rule for group in file["groups"] for rule in group["rules"]):
            # Rates of Kestra's requests as numbers; what is left is arithmetic.
            expression = re.sub(
                r'sum\(rate\(incidentscribe_requests_total\{service="kestra"(?:,outcome="(\w+)")?\}\[5m\]\)\)',
                lambda rate: str(rates[rate[1]]),
                rule["expr"],
            )
            if expression != rule["expr"] and eval(expression.replace("unless", "and not")):
                found.add(rule["alert"])
        assert found == alerts

    def test_of_the_dashboard(self) -> None:
        board = json.loads((ROOT / "docs/ops/grafana-dashboard.json").read_text(encoding="utf-8"))
        expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        assert len(expressions) >= 8
        for expression in expressions:
            used = self.used(expression)
            assert used
            assert used <= self.names(), expression
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)


# The log ---------------------------------------------------------------------------------------------------

HOSTILE = "HOSTILE-TEXT {{ kv('X') }} '; drop table\n2026-11-24T00:00:00.000Z level=INFO forged \x1b[2J"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[str]]]:
    """Lines written since, in the format asked for."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)

    def start(kind: str) -> list[str]:
        lines = logs.JsonLines if kind == "json" else logs.TextLines
        handler.setFormatter(lines(logs.secrets_of({"KESTRA_PASSWORD": "Secret-0815"})))
        return stream.getvalue().splitlines()

    yield start
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_hostile_incident_leaves_nothing_of_itself_in_the_log(
    kind: str, log: Callable[[str], list[str]]
) -> None:
    log(kind)
    supabase, kestra = FakeSupabase(), FakeKestra()
    for field in ("title", "service", "external_id", "description"):
        supabase.incident[field] = HOSTILE
    supabase.incident["logs"] = [HOSTILE]
    # Kestra repeats what it was sent; then Supabase answers with an incident that is none.
    kestra.webhook = lambda request: httpx.Response(422, json={"message": request.read().decode()})
    transports: dict[str, Any] = {
        "kestra_transport": httpx.MockTransport(kestra),
        "supabase_transport": httpx.MockTransport(supabase),
    }
    with Worker(SETTINGS, **transports) as worker:
        supabase.owed = [start_row()]
        assert worker.tick()
        supabase.incident["created_at"] = HOSTILE
        supabase.owed = [start_row()]
        assert worker.tick()
    assert "HOSTILE-TEXT" in json.dumps(supabase.settled)
    written = log(kind)
    assert any("outcome=retry" in line for line in written)
    assert any("ValidationError" in line for line in written)
    text = "\n".join(written)
    for forbidden in ("HOSTILE", "forged", "drop table", "\x1b", "Secret-0815", "service-key"):
        assert forbidden not in text, forbidden


def test_a_line_for_programs_is_one_object_and_for_people_one_line(log: Callable[[str], list[str]]) -> None:
    log("json")
    logging.getLogger("one").info("two\nlevel=ERROR with %s", "Secret-0815")
    [line] = log("json")
    said = json.loads(line)
    assert (said["level"], said["logger"]) == ("info", "one")
    assert said["message"] == "two level=ERROR with [hidden]"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["at"])


def test_of_an_exception_place_and_type_are_written_and_of_ours_the_words(
    log: Callable[[str], list[str]],
) -> None:
    log("json")
    try:
        try:
            raise ValueError("what was given")
        except ValueError as error:
            raise UpstreamUnreachable("Kestra", "Kestra cannot be reached.") from error
    except UpstreamUnreachable:
        logging.getLogger("one").exception("it failed")
    said = json.loads(log("json")[0])["error"]
    assert "ValueError" in said
    assert "what was given" not in str(said)
    assert said[-1].startswith("UpstreamUnreachable: Kestra cannot be reached.")


def test_streamlits_lines_and_its_servers_are_written_as_ours(
    log: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamlit_logger, "setup_formatter", streamlit_logger.setup_formatter)
    before = streamlit_logger.get_logger("streamlit.before_this_test")
    use_our_log()
    log("json")
    for logger in (
        before,
        streamlit_logger.get_logger("streamlit.after"),
        logging.getLogger("uvicorn.error"),
    ):
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            logger.exception("a page failed")
    written = [json.loads(line) for line in log("json")]
    assert [line["message"] for line in written] == ["a page failed"] * 3
    assert "HOSTILE" not in str(written)


def test_the_format_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENTSCRIBE_LOG", "json")
    assert LogSettings.load().log == "json"
    monkeypatch.setenv("INCIDENTSCRIBE_LOG", "xml")
    with pytest.raises(ConfigurationError, match="INCIDENTSCRIBE_LOG"):
        LogSettings.load()


@pytest.mark.parametrize("named", [None, "elsewhere.env", ""])
def test_secrets_that_stand_in_the_file_only_are_hidden_too(
    named: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("KESTRA_PASSWORD=Of-the-usual-file\n")
    (tmp_path / "elsewhere.env").write_text("kestra_password='Of-another-file'\nGEMINI_API_KEY\n")
    # An empty setting is none: the file's is in force, and hidden.
    monkeypatch.setenv("KESTRA_PASSWORD", "")
    if named is None:
        monkeypatch.delenv("INCIDENTSCRIBE_ENV_FILE", raising=False)
    else:
        monkeypatch.setenv("INCIDENTSCRIBE_ENV_FILE", named)
    in_force = {None: "Of-the-usual-file", "elsewhere.env": "Of-another-file"}.get(named)
    set_up: dict[str, Any] = {}
    monkeypatch.setattr(logging, "basicConfig", lambda **options: set_up.update(options))
    logs.set_up(LogSettings(log="text"))
    record = logging.LogRecord(
        "one", logging.INFO, __file__, 1, "Of-the-usual-file Of-another-file", (), None
    )
    said = set_up["handlers"][0].format(record)
    assert said.count("[hidden]") == (1 if in_force else 0)
    if in_force:
        assert KestraSettings.load().kestra_password.get_secret_value() == in_force
        assert in_force not in said


def test_secrets_are_known_by_the_names_of_their_settings() -> None:
    found = logs.secrets_of(
        {
            "KESTRA_PASSWORD": "long-enough",
            "INCIDENTSCRIBE_SLACK_WEBHOOK_URL": "https://hooks.example/T0/B0/x",
            "KESTRA_URL": "http://127.0.0.1:8080",
            "GEMINI_API_KEY": "short",
            "PATH": "/usr/bin:/bin",
        }
    )
    assert found == ("https://hooks.example/T0/B0/x", "long-enough")
