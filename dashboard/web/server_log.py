"""One log: what the server and Streamlit say goes where ours goes, in the same form."""

from __future__ import annotations

import logging


def use_own_log() -> None:
    """Take off the handlers that Streamlit gives its own loggers and the server's; it may do so again.

    They would write every request with its address, and so the words that somebody searched for.
    """
    logging.getLogger("uvicorn.access").disabled = True
    for name in tuple(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        handler = getattr(logger, "streamlit_console_handler", None)
        if isinstance(handler, logging.Handler):
            logger.removeHandler(handler)
            logger.propagate = True
