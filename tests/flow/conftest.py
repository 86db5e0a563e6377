"""Every test of the flow meets well-behaved parts."""

import pytest

from tests.flow.handler import Handler


@pytest.fixture(autouse=True)
def _behave(handler: Handler) -> None:
    """Every test begins with parts that do what they should."""
    handler.misbehave(handler.model_url, "500", times=0)
    handler.misbehave(handler.service_url, "500", times=0)
