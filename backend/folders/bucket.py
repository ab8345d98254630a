"""A bucket, or a part of it, as s3://bucket/part, gs://… or abfs://…: listed as a stream, read, written whole.

Keys and addresses come from the environment, under the names that the clouds' own programs read: AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME and so on.
"""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from backend.contract.errors import InvalidParameterError, StorageFailedError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "gs", "abfs", "abfss")
RETRY_S = 60.0  # in which the library repeats an operation
PIECE_BYTES = 4 * 1024 * 1024
WHOLE_BYTES = 16 * 1024 * 1024  # of a file that is sent in one request
LISTED_AT_ONCE = 1000


@dataclass(frozen=True)
class Listed:
    """One object of a listing."""

    name: str  # relative to the part of the bucket
    size: int
    stamp: str  # changes with the content


class Bucket:
    """The objects below `url`. Methods raise StorageFailedError while the bucket is out of reach, InvalidParameterError
    for one that does not exist or may not be used, and FileNotFoundError for an object that is not there."""

    def __init__(self, url: str) -> None:
        """Raise InvalidParameterError for an address that is not one of a bucket."""
        self.url = url.rstrip("/")
        scheme, _, rest = self.url.partition("://")
        if scheme not in SCHEMES or not rest.split("/")[0]:
            raise InvalidParameterError(
                f"{url} is no folder and no bucket; buckets are s3://…, gs://… and abfs://…", parameter="folder"
            )
        if find_spec("obstore") is None:
            raise InvalidParameterError(
                "Buckets need obstore: pip install -c constraints.txt -r requirements-cluster.txt", parameter="folder"
            )
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        plain = any(os.environ.get(name, "").startswith("http:") for name in ("AWS_ENDPOINT_URL", "AZURE_ENDPOINT_URL"))
        try:
            self._store: ObjectStore = from_url(
                self.url,
                client_options={"allow_http": plain},
                retry_config={"max_retries": 8, "retry_timeout": timedelta(seconds=RETRY_S)},
            )
        except (BaseError, ValueError) as error:
            raise InvalidParameterError(f"{url} cannot be used: {_first_line(error)}", parameter="folder") from error

    def listed(self, prefix: str = "") -> Iterator[Listed]:
        """Yield the objects whose names begin with the folder `prefix`; no more than a page of them is in memory."""
        import obstore

        with self._translated():
            for rows in obstore.list(self._store, prefix or None, chunk_size=LISTED_AT_ONCE):
                for row in rows:
                    stamp = row["e_tag"] or str(row["last_modified"])
                    yield Listed(str(row["path"]), int(row["size"]), stamp)

    def read(self, name: str, max_bytes: int | None = None) -> bytes:
        """Return the object's bytes, at most the first `max_bytes`."""
        import obstore

        with self._translated():
            found = obstore.get(self._store, name)
            if max_bytes is None or found.meta["size"] <= max_bytes:
                return bytes(found.bytes())
            return bytes(obstore.get_range(self._store, name, start=0, length=max_bytes))

    def opened(self, name: str) -> io.BufferedReader:
        """Return the object to read in pieces."""
        return io.BufferedReader(_Reader(self, name), PIECE_BYTES)

    def size_of(self, name: str) -> int | None:
        """Return the object's bytes, None when there is none of that name."""
        import obstore

        try:
            with self._translated():
                return int(obstore.head(self._store, name)["size"])
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes | Iterator[bytes]) -> None:
        """Write the object, whole or not at all, over what is there."""
        import obstore

        whole = isinstance(data, bytes) and len(data) <= WHOLE_BYTES
        with self._translated():
            obstore.put(self._store, name, data, use_multipart=not whole)

    def create(self, name: str, data: bytes) -> bool:
        """Write the object; return False where another one has the name."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            with self._translated():
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return self.read(name) == data  # it was written, only the answer was lost
        return True

    def move(self, name: str, to: str) -> None:
        """Copy the object to the name `to`, then remove it."""
        import obstore

        with self._translated():
            obstore.copy(self._store, name, to)
            obstore.delete(self._store, name)

    def remove(self, names: str | list[str]) -> None:
        """Remove the objects; those that are not there count as removed."""
        import obstore

        try:
            with self._translated():
                obstore.delete(self._store, names)
        except FileNotFoundError:
            pass

    def piece(self, name: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes of the object from `start` on; `start` lies inside."""
        import obstore

        with self._translated():
            return bytes(obstore.get_range(self._store, name, start=start, length=length))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore import exceptions as errors

        try:
            yield
        except errors.AlreadyExistsError:
            raise
        except (errors.BaseError, OSError) as error:
            # The library has no kind of its own for what goes wrong in a listing.
            said = str(error)
            if "NoSuchBucket" in said or "ContainerNotFound" in said:
                raise InvalidParameterError(f"There is no bucket {self.url}.", parameter="folder") from None
            if isinstance(error, FileNotFoundError | errors.NotFoundError):
                raise FileNotFoundError(errno.ENOENT, "There is no such object") from None
            refused = isinstance(error, PermissionError | errors.PermissionDeniedError | errors.UnauthenticatedError)
            if refused or "status code: 401" in said or "status code: 403" in said:
                raise InvalidParameterError(
                    f"{self.url} refuses these keys: {_first_line(error)}", parameter="folder"
                ) from error
            raise StorageFailedError(f"{self.url} cannot be used: {_first_line(error)}") from error


class _Reader(io.RawIOBase):
    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket, self._name, self._at = bucket, name, 0
        self._size = bucket.size_of(name) or 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        data = self._bucket.piece(self._name, self._at, length)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
