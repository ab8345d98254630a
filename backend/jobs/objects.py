"""The photos and results of jobs in a bucket (S3 and what speaks like it), for services on several machines.

Objects are `inputs/ID/NAME` and `results/ID/NAME`; they are put before a row says so. Keys and address come from the
environment, as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from backend.contract.errors import StorageFailedError
from backend.contract.spool import SpooledFile
from backend.contract.work import File, check_result
from backend.jobs.records import StoredFile, made_at

if TYPE_CHECKING:
    from obstore.store import ObjectStore

UNREACHED = "The files of jobs cannot be read or written; try again soon."
RETRY_S = 20.0  # in which an operation is tried again by the library
PIECE_BYTES = 1024 * 1024  # of a file that is read
WHOLE_BYTES = 8 * 1024 * 1024  # of a file that is sent in one request


@dataclass(frozen=True)
class BucketFile:
    """One finished file in the bucket."""

    store: "ObjectStore"
    key: str

    def size(self) -> int:
        import obstore

        with _translated():
            return int(obstore.head(self.store, self.key)["size"])

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        import obstore

        for at in range(start, end, PIECE_BYTES):
            with _translated():
                yield bytes(obstore.get_range(self.store, self.key, start=at, end=min(at + PIECE_BYTES, end)))


class JobObjects:
    """The files under `url`, as s3://bucket/folder. All methods raise StorageFailedError."""

    def __init__(self, url: str) -> None:
        from obstore.store import from_url

        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:")
        self._store: ObjectStore = from_url(
            url,
            client_options={"allow_http": plain},
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=RETRY_S)},
        )

    def reserve(self) -> None:
        """A bucket has room for a removal."""

    def use_reserve(self) -> None:
        """A bucket has room for a removal."""

    def keep_inputs(self, job_id: str, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            self._put(f"inputs/{job_id}/{name}", data)

    def keep_results(self, job_id: str, files: Sequence[File | SpooledFile]) -> None:
        for file in files:
            check_result(file.name, file.media_type)
        for file in files:
            # What is small is one request, what is large is sent as it is read.
            data = b"".join(file.pieces()) if file.size <= WHOLE_BYTES else file.pieces()
            self._put(f"results/{job_id}/{file.name}", data)

    def inputs(self, job_id: str) -> dict[str, bytes] | None:
        import obstore

        found = {}
        try:
            for key in self._keys(f"inputs/{job_id}/"):
                with _translated():
                    found[key.rsplit("/", 1)[1]] = bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:  # cancelled while they were read
            return None
        return found or None

    def result(self, job_id: str, file: StoredFile) -> BucketFile:
        check_result(file.name, file.media_type)
        return BucketFile(self._store, f"results/{job_id}/{file.name}")

    def remove_inputs(self, job_id: str) -> None:
        self._remove(f"inputs/{job_id}/")

    def remove(self, job_id: str) -> None:
        self.remove_inputs(job_id)
        self._remove(f"results/{job_id}/")

    def stored_ids(self, place: Literal["inputs", "results"]) -> set[str]:
        """Return the ids of all jobs that have files in `place`."""
        found = {key.split("/")[1] for key in self._keys(f"{place}/")}
        return {job_id for job_id in found if made_at(job_id) is not None}

    def _put(self, key: str, data: "bytes | Iterator[bytes]") -> None:
        import obstore

        with _translated():
            obstore.put(self._store, key, data, use_multipart=not isinstance(data, bytes))

    def _keys(self, prefix: str) -> Iterator[str]:
        import obstore

        with _translated():
            for rows in obstore.list(self._store, prefix):
                for row in rows:
                    yield str(row["path"])

    def _remove(self, prefix: str) -> None:
        import obstore

        keys = list(self._keys(prefix))
        if keys:
            with _translated():
                obstore.delete(self._store, keys)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what goes wrong as FileNotFoundError or StorageFailedError."""
    from obstore.exceptions import BaseError, NotFoundError

    try:
        yield
    except (FileNotFoundError, NotFoundError):
        raise FileNotFoundError from None
    except (BaseError, OSError) as error:
        raise StorageFailedError(UNREACHED) from error
