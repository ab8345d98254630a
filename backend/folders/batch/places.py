"""What a run needs from the place of its pictures and from that of its results, a folder or a bucket."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from backend.folders.batch.inputs import Inputs


class Source(Protocol):
    """Where the pictures are; they are only read."""

    @property
    def title(self) -> str:
        """What to call it in a report."""
        ...

    def find(self) -> "Inputs":
        """Return the pictures in it. Raises InvalidParameterError and StorageFailedError when it cannot be listed."""
        ...

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return the first `max_bytes` of a picture. Raises OSError for one that cannot be read, StorageFailedError
        where none can."""
        ...


class ManifestLog(Protocol):
    """The stored lines of a manifest. All methods raise InvalidParameterError, StorageFullError, StorageFailedError."""

    def files(self) -> Iterator[BinaryIO]:
        """Yield what there is to read, in order."""
        ...

    def append(self, line: bytes, sync: bool) -> None:
        """Append a whole line or nothing; `sync`: it matters to the next run."""
        ...

    def flush(self) -> None:
        """Make sure that a killed process leaves what was appended with `sync`."""
        ...

    def close(self, lines: Iterator[bytes]) -> None:
        """End the writing; `lines` are the records of all pictures."""
        ...


class Out(Protocol):
    """Where the results go; `backend.folders.batch.out_folder.OutFolder` describes each method. All raise
    InvalidParameterError, StorageFullError and StorageFailedError."""

    def open_manifest(self) -> ManifestLog: ...
    def write(self, name: str, data: bytes) -> None: ...
    def write_report(self, page: bytes) -> None: ...
    def remove(self, name: str) -> None: ...
    def move(self, name: str, to: str) -> None: ...
    def size_of(self, name: str) -> int | None: ...
    def taken(self, name: str) -> bool: ...
    def read_thumbnail(self, digest: str, key: str) -> bytes: ...
    def address(self, name: str) -> str: ...
    def close(self) -> None: ...
