"""A process is killed at a named point and another one goes on: nothing is lost and nothing is done twice.

`make test` tries the points of `FEW`, `make faults` all of them (FAULTS=all), FAULTS=name,name those named.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from tests.contract.test_notices import Received, serving
from tests.faults.points import ALL, FEW, Point
from tests.faults.stories import Story, Workers
from tests.flow.handler import Handler
from tests.flow.parts import JWT_SECRET
from tests.support.relay import relay

pytestmark = pytest.mark.engine

_WANTED = os.environ.get("FAULTS", "")
POINTS = ALL if _WANTED == "all" else [Point.parse(name) for name in _WANTED.split(",") if name] or FEW
AT_ONCE = 5


@pytest.fixture(scope="module")
def slack() -> Iterator[Received]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def stories(
    handler: Handler, slack: Received, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Point, Future[Story]]]:
    """All of them at the same time, each on an incident of its own; only one worker dies at a time."""
    desk = handler.desk
    desk.by(desk.ada, "apply_notices", payload=[{"event": "decided", "channel": "slack"}])
    settings = handler.worker_settings.model_copy(update={"slack_webhook_url": SecretStr(slack.url)})
    workers = Workers(settings, tmp_path_factory.mktemp("faults") / "workers.log")
    workers.start()
    with relay(handler.service_url) as service, ThreadPoolExecutor(AT_ONCE) as pool:

        def tell(point: Point) -> Story:
            return Story(handler, workers, service, point, JWT_SECRET).tell()

        told = {point: pool.submit(tell, point) for point in POINTS}
        yield told
        for future in told.values():
            future.cancel()
    workers.stop()
    desk.by(desk.ada, "apply_notices", payload=[])


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_the_story_goes_on(point: Point, stories: dict[Point, Future[Story]]) -> None:
    story = stories[point].result(timeout=900)
    assert story.case.incidents == 1
    assert story.case.owners == 1
    assert story.case.effects <= 1
    match point.phase:
        case "kill":
            assert (story.case.row["state"], story.case.effects) == ("KILLED", 0)
        case "expiry":
            assert (story.case.approval["status"], story.case.effects) == ("expired", 0)
        case "act":
            _the_act_tells_the_truth(story)
        case _:
            assert (story.outcome, story.case.effects) == ("acted", 1)
            assert story.case.incident["status"] == "resolved"
    if story.case.approval["status"] != "cancelled":
        assert story.case.approval["delivered_at"] is not None


def _the_act_tells_the_truth(story: Story) -> None:
    """What happened is never called not happened, nor the other way round."""
    if story.case.effects:
        assert story.outcome in ("unknown", "acted")
    else:
        assert story.outcome in ("unknown", "failed", "not_carried_out")
    if story.point == Point("act", "finish_action", "after"):
        # Its report arrived before it died.
        assert (story.outcome, story.case.incident["status"]) == ("acted", "resolved")
        return
    assert story.case.incident["status"] != "resolved"
    assert story.case.incident["needs_human"]
    if story.outcome == "unknown":
        assert "may or may not" in story.case.why or story.begun == 1


def test_the_sums_are_right(stories: dict[Point, Future[Story]], capsys: pytest.CaptureFixture[str]) -> None:
    told = [future.result(timeout=900) for future in stories.values()]
    decided = [story for story in told if story.case.approval["status"] == "approved"]
    delivered = [story for story in decided if story.case.approval["delivered_at"]]
    acted = [story for story in told if story.begun]
    doubled = [story for story in told if story.case.effects > 1 or story.case.owners > 1]
    lost = [story for story in decided if story.case.approval["outcome"] is None]
    sums = {
        "crash points": len(told),
        "decisions": len(decided),
        "deliveries": len(delivered),
        "executions that began to act": len(acted),
        "effects": sum(story.case.effects for story in told),
        "lost": len(lost),
        "doubled": len(doubled),
    }
    with capsys.disabled():
        sys.stdout.write("\n" + ", ".join(f"{name} {n}" for name, n in sums.items()) + "\n")
    assert len(delivered) == len(decided)
    assert lost == []
    assert doubled == []
