"""Streamlit's lines of the log go where ours go, in the same form.

By itself Streamlit 1.67 gives each of its loggers, and uvicorn's, a handler of its own that writes whatever
an exception says.
"""

from __future__ import annotations

import logging

from streamlit import logger as streamlit_logger


def use_our_log() -> None:
    """For loggers that are there and those to come."""
    streamlit_logger.setup_formatter = _hand_on
    streamlit_logger.update_formatter()
    # Requests are not written: their addresses have the words that somebody searched for.
    logging.getLogger("uvicorn.access").disabled = True


def _hand_on(logger: logging.Logger) -> None:
    handler = logger.__dict__.pop("streamlit_console_handler", None)
    if handler is not None:
        logger.removeHandler(handler)
    logger.propagate = True
