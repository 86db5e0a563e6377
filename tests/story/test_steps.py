"""The steps of `make smoke`, each a test, in a sandbox that other tests use too."""

from collections.abc import Callable

import pytest

from tests.smoke import RESTARTS, STEPS, Story
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def story(sandbox: RunningSandbox) -> Story:
    return Story(sandbox)


@pytest.fixture(scope="module")
def restarts_before(sandbox: RunningSandbox) -> dict[str, int]:
    return sandbox.restarts()


@pytest.mark.parametrize("step", [step for _, step in STEPS], ids=[name for name, _ in STEPS])
def test_step(restarts_before: dict[str, int], story: Story, step: Callable[[Story], str]) -> None:
    story.postmortem(step(story))


def test_the_service_restarted_exactly_as_often_as_it_should(
    restarts_before: dict[str, int], sandbox: RunningSandbox
) -> None:
    now = sandbox.restarts()
    more = {name: count - restarts_before.get(name, 0) for name, count in now.items()}
    assert {name: count for name, count in more.items() if count} == RESTARTS
