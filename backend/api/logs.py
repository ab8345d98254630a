"""Where the log goes: stderr, and `backend.log` in the logs folder, which turns over at 5 MiB and keeps five.

A line is text for people, or one JSON object for machines (`LOG_FORMAT=json`).
"""

import json
import logging
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

LogFormat = Literal["text", "json"]
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LIBRARIES = ("uvicorn", "asyncio")  # a fault that they meet is told where ours are, in the same form
FACTS = ("request_id", "method", "path", "status", "code", "seconds", "stages", "client")  # what `extra` may hold


def set_up_logging(folder: Path, level: str, log_format: LogFormat = "text") -> None:
    """Send our log, and what the server's libraries report, to stderr and to `folder`/backend.log; calling it again
    changes level and format.

    A folder that cannot be written costs the file, not the service.
    """
    logger = logging.getLogger("mattemesh")
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stderr))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            logger.addHandler(_LogFile(folder / "backend.log", maxBytes=5 * 2**20, backupCount=5, delay=True))
        except OSError as error:
            logger.warning("no log file: %s", error.strerror)
    for handler in logger.handlers:
        handler.setFormatter(formatter(log_format))
    for name in LIBRARIES:
        logging.getLogger(name).handlers = logger.handlers
    # It warns of every form that cannot be read, on stderr as it likes: nonsense that the answer tells already.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


class _LogFile(RotatingFileHandler):
    """A file that may fail: a full disk must not add a trace to every line on stderr."""

    _failing = False

    def emit(self, record: logging.LogRecord) -> None:
        self._failed = False
        super().emit(record)
        self._failing = self._failed

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        self._failed = True
        if not self._failing:
            sys.stderr.write(f"backend.log cannot be written ({sys.exc_info()[1]}); lines go to stderr alone\n")


def formatter(log_format: LogFormat) -> logging.Formatter:
    """Return what makes lines of records; also for the log of a worker process."""
    return JsonFormatter() if log_format == "json" else logging.Formatter(LINE)


class JsonFormatter(logging.Formatter):
    """One object a line, ASCII alone: whatever a stranger sends, it stays in its string and on its line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: getattr(record, name) for name in FACTS if hasattr(record, name)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def printable(text: str) -> str:
    """Return a client's `text` in a form that cannot break a log line: escaped ASCII, at most 200 characters."""
    return text.encode("unicode_escape").decode("ascii")[:200]
