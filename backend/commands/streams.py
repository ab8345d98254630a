"""`-` as a file name: the picture comes from stdin, and stdout gets the result and nothing else."""

import os
import sys
from pathlib import Path

from backend.contract.errors import InvalidParameterError
from backend.contract.files import translate_write_errors

STREAM = Path("-")


def read_picture_argument(path: Path, limit: int) -> Path | bytes:
    """Return `path`, or for `-` the bytes of stdin, at most one more than `limit`, which is refused later."""
    if path != STREAM:
        return path
    try:
        return sys.stdin.buffer.read(limit + 1)
    except OSError as error:
        raise InvalidParameterError(f"stdin cannot be read: {error.strerror}.", parameter="picture") from error


def check_result_argument(path: Path) -> None:
    """Raise InvalidParameterError where a result would land on a terminal."""
    if path == STREAM and sys.stdout.isatty():
        raise InvalidParameterError("The result is not text: redirect it with > or |.", parameter="out")


def write_stdout(data: bytes) -> None:
    """Write all of `data` to stdout. Raises StorageFullError or InvalidParameterError, also for a closed pipe."""
    with translate_write_errors("stdout"):
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest must not fail again at exit
            raise
