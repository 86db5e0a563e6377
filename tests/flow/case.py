"""One incident that meets one adversity, beside many others on the same engine."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from dashboard.seed.catalogue import restart_action
from tests.flow.handler import TERMINAL, Handler, Json
from tests.support.relay import FOR_EVER, Outage
from tests.support.until import until

AT_ONCE = 8
FEW = 5
SECONDS = 300
# Each look costs the engine some milliseconds, and many stories look at once.
_LOOK_EVERY = 0.5


class Case:
    """What is told to go wrong goes wrong for this incident only: everybody knows it by its name."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.desk = handler.desk
        self.name = f"CASE-{uuid.uuid4().hex[:10]}"
        self.service = f"svc-{self.name.lower()}"
        self.execution = ""
        # What the run and the incident said when it had failed, of a story that goes on after that.
        self.failed_with = ("", "")
        # The execution before this one, and what it had done.
        self.first = ""
        self.actions_before: list[Json] = []
        self.alarm: Json = {}
        self.policy_before: Json = {}

    @property
    def _in_prompts(self) -> str:
        # The name alone may stand in the prompts of others, as a related alert.
        return f'"external_id":"{self.name}"'

    # What goes wrong ----------------------------------------------------------------------------------------

    def model(self, how: str, step: str | None = None, times: int = 99) -> None:
        self.handler.misbehave(self.handler.model_url, how, times, match=self._in_prompts, step=step)

    def action(self, how: str, times: int = 99, acts: bool = False) -> None:
        self.handler.misbehave(self.handler.service_url, how, times, match=self.service, acts=acts)

    def supabase(self, path: str = "", *texts: str, how: str = "drop", times: int = FOR_EVER) -> Outage:
        """Supabase is down for what this run asks at addresses with that end.

        Before `file` that is its claim, which has the incident's name.
        """
        return self.handler.relay.down(path, self.execution or self.name, *texts, how=how, times=times)

    # The story ----------------------------------------------------------------------------------------------

    def catalogue(
        self, url: str | None = None, verify: Json | None = None, program: str = "payment-api", **service: Any
    ) -> None:
        """A service of its own with a restart; `url` and parts of `verify` stand for the catalogue's.

        `program` is what is restarted: cases that restart the same one at once must want the same of it.
        """
        action = restart_action(program, self.handler.service_url)
        request = action["request"]
        request["url"] = (url or request["url"]) + f"?case={self.service}"
        self.desk.new_service(self.service, **service)
        self.desk.new_action(
            self.service, **{**action, "request": request, "verify": {**action["verify"], **(verify or {})}}
        )

    def payload(self, severity: Any, **more: Any) -> Json:
        return self.handler.payload(severity, **{"id": self.name, "service": self.service} | more)

    def file(self, severity: Any, prepare: Callable[[], object] | None = None, **more: Any) -> str:
        """Posts the incident; `prepare` is called when the execution has its id and before it has claimed."""
        held = self.supabase("rpc/open_run", how="hold", times=1) if prepare else None
        self.execution = self.handler.post(self.payload(severity, **more))
        if prepare and held:
            prepare()
            held.over()
        return self.execution

    def file_and_hold(self, severity: Any, path: str, *texts: str) -> Outage:
        """Posts the incident; what it asks at that address is held until the outage is `over`."""
        held: list[Outage] = []
        self.file(severity, lambda: held.append(self.supabase(path, *texts, how="hold")))
        return held[0]

    def started(self, submitted: Json) -> str:
        """Waits until the worker has started the run of a submitted incident and it has claimed."""
        query = "select kestra_execution_id from executions where run_id = %s and owns"

        def claimed() -> str | None:
            found = self.desk.rows(query, submitted["run_id"])
            return str(found[0]["kestra_execution_id"]) if found else None

        self.execution = until(claimed, f"{self.name} has claimed", SECONDS, _LOOK_EVERY)
        return self.execution

    def reaches(self, *states: str) -> str:
        """The state, once it is one of these (default: any end) and, at an end, reported."""
        wanted = set(states) or TERMINAL

        def reached() -> str | None:
            state = self.handler.state(self.execution)
            assert state not in TERMINAL or state in wanted, (
                f"{state}: {self.handler.problem(self.execution)}"
            )
            return state if state in wanted else None

        state = until(reached, f"{self.execution} is {' or '.join(sorted(wanted))}", SECONDS, _LOOK_EVERY)
        if state in TERMINAL:
            self.is_reported(state)
        return state

    def is_reported(self, state: str) -> None:
        """Waits until the desk knows this end."""

        def known() -> bool:
            query = "select state from executions where kestra_execution_id = %s and ended_at is not null"
            return [row["state"] for row in self.desk.rows(query, self.execution)] == [state]

        until(known, f"{self.execution} is reported as {state}", SECONDS, _LOOK_EVERY)

    def restarted(self) -> None:
        """Restarts a failed run in Kestra and waits until it has gone through."""
        self.handler.restart(self.execution)
        self.reaches("SUCCESS")

    def at(self, step: str) -> None:
        """Waits until the run has begun this task."""
        until(
            lambda: step in self.handler.tasks(self.execution),
            f"{self.execution} is at {step}",
            SECONDS,
            _LOOK_EVERY,
        )

    def decided(self, decision: str = "approved") -> None:
        """Waits for the pause and decides; the worker delivers."""
        self.reaches("PAUSED")
        self.desk.decide(self.desk.ana, self.approval, decision)

    # What came of it ----------------------------------------------------------------------------------------

    @property
    def row(self) -> Json:
        return self.handler.execution(self.execution)

    @property
    def incident(self) -> Json:
        return self.handler.incident(self.execution)

    @property
    def analysis(self) -> Json:
        return self.handler.analysis(self.execution)

    @property
    def approval(self) -> Json:
        return self.handler.approval(self.execution)

    @property
    def could_not_be_read(self) -> list[str]:
        """What the evidence says is missing in it."""
        told = [one["text"] for one in self.analysis["evidence"] if one["source"] == "aggregate_data_sources"]
        return [text.split(" could not be read")[0] for text in told]

    @property
    def actions(self) -> list[Json]:
        return self.handler.action_runs(self.execution)

    @property
    def incidents(self) -> int:
        """How many incidents its service has."""
        query = "select count(*) as n from incidents where service = %s"
        return int(self.desk.row(query, self.service)["n"])

    @property
    def owners(self) -> int:
        """Executions that have the incident's run."""
        query = "select count(*) as n from executions where incident_id = %s and owns"
        return int(self.desk.row(query, self.incident["id"])["n"])

    @property
    def escalations(self) -> list[str]:
        return self.handler.escalations(self.execution)

    @property
    def why(self) -> str:
        """What the incident says a person is needed for."""
        return str(self.incident["needs_human_reason"])

    @property
    def reported_by(self) -> list[str]:
        """Who reported the end of the run."""
        query = (
            "select actor_name from incident_events where kind = 'run_ended'"
            " and detail ->> 'kestra_execution_id' = %s"
        )
        return [row["actor_name"] for row in self.desk.rows(query, self.execution)]

    @property
    def effects(self) -> int:
        """How often the demo service really restarted for this case."""
        told = httpx.get(f"{self.handler.service_url}/test-hooks/effects", trust_env=False).json()
        return sum(f"case={self.service}" in one["url"] for one in told)

    def prompts(self, step: str) -> list[Json]:
        """The data the model got for a step, each as parsed JSON."""
        told = httpx.get(f"{self.handler.model_url}/test-hooks/prompts", trust_env=False).json()
        mine = [one["prompt"] for one in told if one["step"] == step and self._in_prompts in one["prompt"]]
        return [json.loads(prompt[prompt.rindex("\n{") :]) for prompt in mine]


Story = Callable[[Case], Any]


class Batch:
    """Stories that run at the same time; each test asks for the outcome of its own."""

    def __init__(self, begin: Callable[[str], "Future[Case]"]) -> None:
        self._begin = begin
        self._begun: dict[str, Future[Case]] = {}

    def begin(self, *names: str) -> None:
        for name in names:
            if name not in self._begun:
                self._begun[name] = self._begin(name)

    def __getitem__(self, name: str) -> Case:
        """The case of a story that has come to its end; raises what went wrong in it."""
        self.begin(name)
        return self._begun[name].result()


def _play(handler: Handler, story: Story) -> Case:
    case = Case(handler)
    story(case)
    return case


@contextmanager
def batch(handler: Handler, stories: dict[str, Story], request: pytest.FixtureRequest) -> Iterator[Batch]:
    """Begins all stories, a few at a time; if only a few tests of the module run, those they ask for."""
    asking = sum(getattr(item, "module", None) is request.module for item in request.session.items)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="story") as pool:
        running = Batch(lambda name: pool.submit(_play, handler, stories[name]))
        if asking > FEW:
            running.begin(*stories)
        try:
            yield running
        finally:
            pool.shutdown(cancel_futures=True)
