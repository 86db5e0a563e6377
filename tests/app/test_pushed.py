"""What a run that came by push reads again, and what it does not."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from dashboard.live.board import board
from dashboard.live.topics import Kind, Topic


def page() -> None:
    """Reads a value twice, as two blocks of a page do; a person's press runs it too."""
    import streamlit as st

    from dashboard.live.topics import Kind, Topic
    from dashboard.ui.known import read
    from dashboard.ui.pushed import pushed_run, remember_organization

    remember_organization(Topic(Kind.ORGANIZATION, st.session_state.get("organization", "of-this-test")))
    reads = st.session_state.setdefault("reads", [])
    with pushed_run(st.session_state.get("by_push", False)):
        for _ in range(2):
            read("counted", lambda: reads.append("counted"), news_tells=True)
            read("other", lambda: reads.append("other"))


def test_by_push_it_is_read_once_for_each_news_and_by_a_person_every_time() -> None:
    topic = Topic(Kind.ORGANIZATION, "of-this-test")
    board.publish(topic)
    app = AppTest.from_function(page).run()

    def read_in_next_run() -> tuple[int, int]:
        app.session_state["reads"].clear()
        app.run()
        assert not app.exception
        return app.session_state["reads"].count("counted"), app.session_state["reads"].count("other")

    assert read_in_next_run() == (2, 2), "a person wants to see what they did"
    app.session_state["by_push"] = True
    assert read_in_next_run() == (0, 2), "nothing changed; what news() does not count is read all the same"
    board.publish(topic)
    assert read_in_next_run() == (1, 2)
    assert read_in_next_run() == (0, 2)
    app.session_state["by_push"] = False
    assert read_in_next_run() == (2, 2)


def test_where_no_news_is_heard_everything_is_read() -> None:
    app = AppTest.from_function(page)
    app.session_state["by_push"] = True
    app.session_state["organization"] = "nobody-watches-this-one"
    app.run()
    app.session_state["reads"].clear()
    app.run()
    assert app.session_state["reads"].count("counted") == 2
