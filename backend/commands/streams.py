"""`-` in place of a file's name: the picture comes from stdin, the result goes to stdout and nothing else does."""

import os
import sys
from pathlib import Path

from backend.contract.errors import InvalidParameterError
from backend.contract.files import translate_write_errors

STREAM = Path("-")


def read_picture_argument(path: Path, limit: int) -> Path | bytes:
    """Return `path`, or for `-` what stdin gives, but no more than one byte over `limit`, which is then refused."""
    if path != STREAM:
        return path
    try:
        return sys.stdin.buffer.read(limit + 1)
    except OSError as error:
        raise InvalidParameterError(f"stdin cannot be read: {error.strerror}.", parameter="picture") from error


def check_result_argument(path: Path) -> None:
    """Raise InvalidParameterError where a result would land on a terminal."""
    if path == STREAM and sys.stdout.isatty():
        raise InvalidParameterError("The result is no text for a terminal; send it on with > or |.", parameter="out")


def write_stdout(data: bytes) -> None:
    """Write all of `data` to stdout. Raises StorageFullError or InvalidParameterError, also when nobody reads it."""
    with translate_write_errors("stdout"):
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left must not fail at exit again
            raise
