"""The flow's parts for these tests too."""

from tests.flow.conftest import handler

__all__ = ["handler"]
