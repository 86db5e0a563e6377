"""What docs/customize.md says of changed flows, each snippet taken from there and run on the real engine."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from dashboard.administration import read_descriptions
from dashboard.domain.steps import StepStatus, timeline
from dashboard.kestra_api.client import KestraApi
from tests.flow.handler import FLOW, NAMESPACE, Handler, Json, impatient
from tests.flow.parts import MODEL_KEY, SERVICE_TOKEN
from tests.support.flow_file import FLOW_FILE
from tests.support.postgres import ROOT
from tests.support.until import until

pytestmark = pytest.mark.engine

DOCS = ROOT / "docs"
SECONDS = 180
GUIDE, OURS = "incident-handler-guide", "incident-handler-ours"
# What a title must not be able to do: end the text it stands in, and say something else.
HOSTILE = 'Errors", "text": "All clear, go to bed'
BROKEN = 'Errors in "checkout"'


def snippets(heading: str) -> list[Any]:
    """The YAML blocks of a section of docs/customize.md, read."""
    section = (DOCS / "customize.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]


def changed(flow_id: str, change: Callable[[Json], None]) -> str:
    """The flow's file under another id, changed; `change` is given the whole flow."""
    flow = yaml.safe_load(impatient(FLOW_FILE.read_text()))
    flow["id"] = flow_id
    change(flow)
    return yaml.safe_dump(flow, sort_keys=False, allow_unicode=True, width=10_000)


def behind(flow: Json, task_id: str, task: Json) -> None:
    """Puts a task behind another of those that follow the claim."""
    then = next(task for task in flow["tasks"] if task["id"] == "handle")["then"]
    place = [each["id"] for each in then].index(task_id)
    then.insert(place + 1, task)


def branch(flow: Json) -> Json:
    then = next(task for task in flow["tasks"] if task["id"] == "handle")["then"]
    found: Json = next(each for each in then if each["id"] == "ai_agent_decision_branch")
    return found


class Slack:
    """Receives as Slack does: what is no JSON is refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.messages: list[Json] = []

    def about(self, text: str) -> Json:
        """The one message about an incident."""
        [message] = [each for each in self.messages if text in each["text"] or text in str(each)]
        return message


@pytest.fixture(scope="module")
def slack() -> Iterator[Slack]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                receiving.messages.append(json.loads(body))
            except ValueError:
                self.send_error(400, "invalid_payload")
                return
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        receiving = Slack(f"http://127.0.0.1:{server.server_port}/services/T0/B0/secret")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiving
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def flows(handler: Handler, slack: Slack) -> None:
    """Two copies of the flow: with the guide's own snippets, and with ours."""
    handler.put_value("SLACK_WEBHOOK_URL", slack.url)
    agents, messages = snippets("Another AI agent"), snippets("Word to Slack")
    [low], [more] = snippets("Another way for a severity"), snippets("More time")

    def as_in_the_guide(flow: Json) -> None:
        [agent], [message] = agents[0], messages[0]
        agent["uri"] = agent["uri"].replace("https://generativelanguage.googleapis.com", handler.model_url)
        behind(flow, "ai_agent_decision_branch", agent)
        behind(flow, "keep_analysis", message)

    def as_we_do(flow: Json) -> None:
        [agent], [message] = agents[1], messages[1]
        behind(flow, "ai_agent_decision_branch", agent | more)
        behind(flow, "keep_analysis", message)
        branch(flow)["cases"] |= low

    handler.save(changed(GUIDE, as_in_the_guide))
    handler.save(changed(OURS, as_we_do))


def steps(handler: Handler, execution: str) -> dict[str, tuple[StepStatus, str | None]]:
    """The timeline as the desk draws it, in its order."""
    with KestraApi(handler.worker_settings) as kestra:
        drawn = timeline(kestra.get_execution(execution))
    return {step.task_id: (step.status, step.state) for step in drawn}


def agent_outputs(handler: Handler, execution: str) -> str:
    """What Kestra keeps of the added agent."""
    with KestraApi(handler.worker_settings) as kestra:
        return json.dumps(kestra.get_task_outputs(kestra.get_execution(execution), "ai_agent_custom"))


def is_saved(handler: Handler, execution: str) -> None:
    analysis = handler.analysis(execution)
    assert (analysis["problem"], analysis["completed_at"] is not None) == (None, True)


@pytest.fixture(scope="module")
def runs(handler: Handler, flows: None) -> dict[str, str]:
    """One incident per story, all at once; the name stands in each id."""
    filed = {
        "guide": handler.post(handler.payload("HIGH", id="GUIDE-plain"), GUIDE),
        "guide says": handler.post(handler.payload("HIGH", id="GUIDE-says", title=HOSTILE), GUIDE),
        "guide breaks": handler.post(handler.payload("HIGH", id="GUIDE-breaks", title=BROKEN), GUIDE),
        "ours": handler.post(handler.payload("HIGH", id="OURS-says", title=HOSTILE + " <!channel>"), OURS),
        "ours low": handler.post(handler.payload("LOW", id="OURS-low"), OURS),
    }
    for execution in filed.values():
        handler.wait(execution, "SUCCESS", "FAILED", seconds=SECONDS)
    return filed


class TestAnotherAgent:
    @pytest.mark.parametrize("name", ["guide", "ours"])
    def test_it_runs_after_the_branch_the_results_are_saved_and_the_desk_shows_it(
        self, handler: Handler, runs: dict[str, str], name: str
    ) -> None:
        assert handler.state(runs[name]) == "SUCCESS", handler.problem(runs[name])
        is_saved(handler, runs[name])
        shown = steps(handler, runs[name])
        assert shown["ai_agent_custom"] == (StepStatus.ENDED, "SUCCESS")
        order = list(shown)
        assert order.index("escalate_high") < order.index("ai_agent_custom") < order.index("save_to_supabase")

    def test_a_key_in_the_address_is_shown_to_all_who_see_the_execution_and_one_in_a_header_is_not(
        self, handler: Handler, runs: dict[str, str]
    ) -> None:
        assert MODEL_KEY in agent_outputs(handler, runs["guide"])
        assert MODEL_KEY not in agent_outputs(handler, runs["ours"])


class TestSlack:
    def test_the_guides_own_message_arrives(self, runs: dict[str, str], slack: Slack) -> None:
        assert slack.about("GUIDE-plain")["text"] == "Incident GUIDE-plain analyzed"

    def test_a_title_rewrites_it_or_ends_the_run_before_anybody_is_told(
        self, handler: Handler, runs: dict[str, str], slack: Slack
    ) -> None:
        assert slack.about("GUIDE-says")["attachments"][0]["title"] == "Errors"
        assert handler.state(runs["guide breaks"]) == "FAILED"
        assert handler.escalations(runs["guide breaks"]) == []
        incident = handler.incident(runs["guide breaks"])
        assert (incident["needs_human"], incident["status"]) == (True, "investigating")

    def test_as_a_map_a_title_is_a_title_and_calls_nobody(
        self, handler: Handler, runs: dict[str, str], slack: Slack
    ) -> None:
        message = slack.about("OURS-says")
        assert message["text"] == "Incident OURS-says analyzed"
        assert message["attachments"][0] == {
            "color": "danger",
            "title": HOSTILE + " &lt;!channel&gt;",
            "text": "AI analysis complete. Check the desk for details.",
        }
        assert handler.escalations(runs["ours"]) == ["The severity is HIGH: a person decides what is done."]


class TestAnotherWayForASeverity:
    def test_the_branch_is_taken_nothing_acts_and_the_incident_asks_for_a_person(
        self, handler: Handler, runs: dict[str, str]
    ) -> None:
        low = runs["ours low"]
        assert handler.state(low) == "SUCCESS"
        is_saved(handler, low)
        shown = steps(handler, low)
        assert shown["handle_low"] == (StepStatus.ENDED, "SUCCESS")
        assert shown["auto_remediate_low"] == (StepStatus.NOT_TAKEN, None)
        assert shown["escalate_high"] == (StepStatus.NOT_TAKEN, None)
        assert handler.action_runs(low) == []
        incident = handler.incident(low)
        assert (incident["status"], incident["needs_human"]) == ("investigating", True)


class TestMoreTime:
    def test_a_task_gets_two_hours(self, flows: None, handler: Handler, runs: dict[str, str]) -> None:
        assert "timeout: PT2H" in handler.source(OURS)
        assert steps(handler, runs["ours"])["ai_agent_custom"][1] == "SUCCESS"


@pytest.fixture(scope="module")
def catalogue(handler: Handler) -> None:
    [described] = read_descriptions(DOCS / "examples" / "services.yml")
    handler.desk.by(handler.desk.ada, "apply_service", payload=described)
    for action in read_descriptions(DOCS / "examples" / "catalogue.yml"):
        text = json.dumps(action).replace("https://ops.example.com", handler.service_url)
        text = text.replace("https://kestra.example.com", handler.worker_settings.kestra_url)
        handler.desk.by(handler.desk.ada, "apply_action", payload=json.loads(text))
    handler.save((DOCS / "examples" / "restart-service.yml").read_text())
    handler.put_value("OPS_URL", handler.service_url)
    handler.put_value("ACTION_OPS_TOKEN", SERVICE_TOKEN)
    handler.put_value("ACTION_FLOW_TOKEN", "token-of-the-flow")


class TestAnActionByAnotherFlow:
    """docs/examples: an approved incident starts the flow that restarts the service."""

    def test_it_is_started_once_and_the_incident_is_resolved_by_its_effect(
        self, handler: Handler, catalogue: None
    ) -> None:
        execution = handler.file("MEDIUM", service="checkout-web")
        handler.wait(execution, "PAUSED", seconds=SECONDS)
        text = handler.approval(execution)["proposal_text"]
        assert "/webhook/incident.response/restart-service/restart-service" in text
        assert "token-of-the-flow" not in text
        assert handler.executions("restart-service") == []
        handler.decide(handler.desk.ana, execution, "approved")
        assert handler.wait(execution, seconds=SECONDS) == "SUCCESS"
        [run] = handler.action_runs(execution)
        assert (run["action_key"], run["status"], run["verified"]) == ("restart_service", "acted", True)
        assert handler.incident(execution)["status"] == "resolved"
        [started] = handler.executions("restart-service")
        until(lambda: handler.state(started) == "SUCCESS", "the other flow has ended")
        assert "restart" in handler.tasks(started)

    def test_without_the_token_it_does_nothing(self, handler: Handler, catalogue: None) -> None:
        before = handler.executions("restart-service")
        handler.call_webhook(
            "restart-service", "restart-service", {"service": "checkout-web", "instances": 1}
        )
        until(lambda: len(handler.executions("restart-service")) == len(before) + 1, "it has begun")
        [started] = set(handler.executions("restart-service")) - set(before)
        until(lambda: handler.state(started) == "SUCCESS", "the other flow has ended")
        assert "restart" not in handler.tasks(started)


def test_the_examples_name_the_flow_and_keys_they_need() -> None:
    flow = yaml.safe_load((DOCS / "examples" / "restart-service.yml").read_text())
    address = f"/webhook/{NAMESPACE}/{flow['id']}/{flow['triggers'][0]['key']}"
    by_key = {each["key"]: each for each in read_descriptions(DOCS / "examples" / "catalogue.yml")}
    assert by_key["restart_service"]["request"]["url"].endswith(address)
    assert flow["id"] != FLOW
