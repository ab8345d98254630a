"""Files that are whole or not there at all, and the disk's errors in one sentence."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.contract.errors import InvalidParameterError, StorageFullError, is_disk_full


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to a hidden draft beside `path`, flush it to the disk, and only then give it the name `path`.

    A failure, Ctrl-C included, leaves no draft and keeps the file that was there. Raises OSError.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with draft.open("xb") as file:  # x: never through a link that lies there already
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


@contextmanager
def translate_write_errors(what: object) -> Iterator[None]:
    """Re-raise an OSError of the body as StorageFullError or InvalidParameterError: `what` cannot be written."""
    try:
        yield
    except OSError as error:
        kind = StorageFullError if is_disk_full(error) else InvalidParameterError
        raise kind(f"{what} cannot be written: {error.strerror}.") from error
