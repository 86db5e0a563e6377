"""Lists whose rows are links: what goes to the browser, and that nothing in it can act there."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import dashboard.ui
from dashboard.domain.clock import parse_instant
from dashboard.ui import rows

_SCRIPTS = sorted(Path(dashboard.ui.__file__).parent.glob("*.js"))
NOW = parse_instant("2026-11-24T12:00:00Z")


def drawn(app: AppTest) -> dict[str, Any]:
    [component] = [
        part for part in app.get("bidi_component") if part.proto.component_name.endswith("desk_rows")
    ]
    data: dict[str, Any] = json.loads(component.proto.json)
    return data


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda script: script.name)
def test_no_script_of_ours_makes_markup_of_text(script: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert not re.search(forbidden, script.read_text(encoding="utf-8"))


def test_foreign_text_goes_to_the_browser_as_one_line_of_plain_text() -> None:
    part = rows.link("<img src=x>\n\u202e[Approve](https://evil.example)")
    assert part == {"kind": "link", "text": "<img src=x> [Approve](https://evil.example)"}


def test_a_moment_is_said_in_full_beside_the_words_that_go_on() -> None:
    part = rows.countdown(NOW + timedelta(minutes=1))
    assert part["text"] == "2026-11-24 12:01:00 UTC"
    assert part["at"] - NOW.timestamp() * 1000 == 60_000


def test_a_row_leads_to_its_own_page_by_id() -> None:
    def page() -> None:
        from dashboard.domain.clock import parse_instant
        from dashboard.routes import INCIDENT
        from dashboard.ui.rows import Column, Row, link, render_rows

        some = [Row("a", INCIDENT, [[link("One")]], {"id": "a&b"})]
        render_rows("some", "Some", [Column("What", "titled")], some, parse_instant("2026-11-24T12:00:00Z"))

    data = drawn(AppTest.from_function(page, default_timeout=20).run())
    assert data["rows"][0]["href"] == "/incident?id=a%26b"
    assert data["now"] == NOW.timestamp() * 1000


def test_a_row_cannot_be_led_outside_the_desk() -> None:
    from dashboard.routes import INCIDENT

    with pytest.raises(ValueError, match="takes no parameter"):
        INCIDENT.link(next="https://evil.example")
