"""The log: to stderr and to `backend.log` in the logs folder, rotated at 5 MiB with five backups.

A line is text, or one JSON object (`LOG_FORMAT=json`).
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
LIBRARIES = ("uvicorn", "asyncio")  # their errors go to the same handlers, in the same format
FACTS = ("request_id", "method", "path", "status", "code", "seconds", "stages", "client")  # keys of `extra`


def set_up_logging(folder: Path, level: str, log_format: LogFormat = "text") -> None:
    """Send our log and that of `LIBRARIES` to stderr and `folder`/backend.log. A second call changes level and format.

    If the folder cannot be written, the service runs without the file.
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
        logging.getLogger(name).handlers = [*logger.handlers]
    # It logs a warning for every malformed form; the response reports that already.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


class _LogFile(RotatingFileHandler):
    """A log file that reports a full disk once instead of a traceback per line on stderr."""

    _failing = False

    def emit(self, record: logging.LogRecord) -> None:
        self._failed = False
        super().emit(record)
        self._failing = self._failed

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        self._failed = True
        if not self._failing:
            sys.stderr.write(f"backend.log cannot be written ({sys.exc_info()[1]}); logging to stderr only\n")


def formatter(log_format: LogFormat) -> logging.Formatter:
    """Return the formatter for `log_format`; worker processes use it too."""
    return JsonFormatter() if log_format == "json" else logging.Formatter(LINE)


class JsonFormatter(logging.Formatter):
    """One ASCII JSON object per line: client input cannot break out of its string or its line."""

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
