"""Files that are whole or not there at all, and the disk's errors in one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.contract.errors import InvalidParameterError, StorageFullError, is_disk_full


def write_atomically(path: Path, data: bytes, draft: Path | None = None) -> None:
    """Write `data` to a draft, flush it to the disk, and only then give it the name `path`.

    `draft` has to be on the same file system; by default it is a hidden file beside `path`. A failure, Ctrl-C included,
    leaves no draft and keeps the file that was there. Raises OSError.
    """
    draft = draft or path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
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
