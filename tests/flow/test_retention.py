"""What RETENTION_DAYS means for incidents that ended long ago, with a worker at work."""

import pytest

from dashboard.worker.loop import Worker
from tests.flow.case import Case
from tests.flow.handler import Handler
from tests.support.until import until

pytestmark = pytest.mark.engine


def test_a_worker_empties_what_ended_before_the_days_that_are_kept(handler: Handler) -> None:
    old, young = Case(handler), Case(handler)
    for case, days in ((old, 31), (young, 29)):
        case.file("HIGH")
        case.reaches()
        # The end's time is the database's own, so it is moved afterwards.
        ended = "update incidents set status = 'resolved' where id = %s returning id"
        moved = "update incidents set resolved_at = now() - %s * interval '1 day' where id = %s returning id"
        incident = case.incident["id"]
        case.desk.rows(ended, incident)
        case.desk.rows(moved, days, incident)
    old.desk.rows("insert into system_config (key, value) values ('RETENTION_DAYS', '30') returning key")
    try:
        with Worker(handler.worker_settings) as worker:
            worker.start()
            until(lambda: old.incident["logs"] == [], "the worker has emptied the old one")
    finally:
        old.desk.rows("delete from system_config where key = 'RETENTION_DAYS' returning key")
    assert young.incident["logs"] != []
    assert old.analysis["root_cause"] == young.analysis["root_cause"] is not None
