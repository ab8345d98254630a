"""stdin, stdout and stderr as a command uses them, also where they are closed or cannot be written.

`-` as a file name: the picture comes from stdin, and stdout gets the result and nothing else.
"""

import argparse
import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from backend.contract.errors import InvalidParameterError
from backend.contract.files import translate_write_errors, write_atomically

STREAM = Path("-")


def protect_streams() -> None:
    """Let what cannot be written to stdout raise a MattemeshError, once, and what cannot be written to stderr be lost.

    Closed descriptors are occupied first: the next file that is opened would become stdout.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):  # a read-only 1 fails as a closed
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest free number
    if sys.platform == "win32":  # its console is not a file
        sys.stdout, sys.stderr = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
    else:
        sys.stdout = _text(_Stdout(1, "w", closefd=False), sys.stdout)
        sys.stderr = _text(_Stderr(2, "w", closefd=False), sys.stderr, line_buffering=True, errors="backslashreplace")


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w")  # for the rest of the process


def _text(raw: io.FileIO, before: TextIO | None, line_buffering: bool = False, errors: str = "strict") -> TextIO:
    """Return a text stream over `raw` with the encoding of `before`, which is None for a closed one."""
    if isinstance(before, io.TextIOWrapper):
        encoding, errors, through = before.encoding, before.errors or errors, before.write_through
    else:
        encoding, through = "utf-8", False
    line_buffering = line_buffering or raw.isatty()
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding, errors, line_buffering=line_buffering, write_through=through)


class _Stdout(io.FileIO):
    """The first failure is raised; what follows is dropped, so that it is not reported again at exit."""

    _failed = False

    def write(self, data: Any, /) -> int:
        if self._failed:
            return len(data)
        try:
            with translate_write_errors("stdout"):
                return super().write(data)
        except BaseException:
            self._failed = True
            raise


class _Stderr(io.FileIO):
    """There is nowhere to report a failure."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def read_picture_argument(path: Path, limit: int) -> Path | bytes:
    """Return `path`, or for `-` the bytes of stdin, at most one more than `limit`, which is refused later."""
    if path != STREAM:
        return path
    if sys.stdin is None:
        raise InvalidParameterError("stdin is closed.", parameter="picture")
    try:
        return sys.stdin.buffer.read(limit + 1)
    except OSError as error:
        raise InvalidParameterError(f"stdin cannot be read: {error.strerror}.", parameter="picture") from error


def check_result_argument(path: Path) -> None:
    """Raise InvalidParameterError where a result would land on a terminal."""
    if path == STREAM and sys.stdout.isatty():
        raise InvalidParameterError("The result is not text: redirect it with > or |.", parameter="out")


def check_overwrites(parsed: argparse.Namespace) -> None:
    """Raise InvalidParameterError where the result or its report would replace an input.

    A mask alone is replaced where -o names it: that is how one is refined in its place.
    """
    kept = [getattr(parsed, name, None) for name in ("picture", "mesh")] + [
        path for path, _ in getattr(parsed, "view", ())
    ]
    mask = getattr(parsed, "mask", None)
    written = {"out": parsed.out or parsed.default_out, "report": parsed.report}
    for parameter, path in written.items():
        for given in kept if parameter == "out" and parsed.out else [*kept, mask]:
            if path is None or given is None or STREAM in (path, given) or not path.exists() or not given.exists():
                continue
            if path.samefile(given):
                raise InvalidParameterError(
                    f"{path} is your own file and would be replaced; name another with "
                    + ("-o." if parameter == "out" else "--report."),
                    parameter=parameter,
                )


def write_stdout(data: bytes) -> None:
    """Write all of `data` to stdout. Raises StorageFullError or InvalidParameterError, also for a closed pipe."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def write_result(path: Path, data: bytes) -> None:
    """Write a result or a report to `path`. Raises StorageFullError or InvalidParameterError."""
    with translate_write_errors(path):
        if path.exists() and not path.is_file():  # a device or a pipe is never replaced by a file
            path.write_bytes(data)
        else:
            write_atomically(path, data)
