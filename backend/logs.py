"""Where the log goes: stderr, and `backend.log` in the logs folder, which turns over at 5 MiB and keeps five."""

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logging(folder: Path, level: str) -> None:
    """Send the `mattemesh` logger to stderr and to `folder`/backend.log; calling it again changes the level only.

    A folder that cannot be written costs the file, not the service.
    """
    logger = logging.getLogger("mattemesh")
    logger.setLevel(level)
    logger.propagate = False
    if logger.handlers:
        return
    formatter = logging.Formatter(LINE)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handlers.append(RotatingFileHandler(folder / "backend.log", maxBytes=5 * 2**20, backupCount=5, delay=True))
    except OSError as error:
        logger.warning("no log file: %s", error.strerror)
    for handler in handlers:
        handler.setFormatter(formatter)
        logger.addHandler(handler)


def printable(text: str, limit: int = 200) -> str:
    """Return `text` from a stranger in a form that cannot break a log line."""
    return text.encode("unicode_escape").decode("ascii")[:limit]
