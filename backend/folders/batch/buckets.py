"""Pictures in a bucket, and results in one: the same names and records as in a folder.

Only names tell what is a picture: to look into other files would cost a request each. A picture whose size and stamp
(ETag) are those of the last run is not read again.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import BinaryIO

from backend.contract.confined_folder import parts_of
from backend.contract.errors import InvalidParameterError
from backend.folders.batch.inputs import Inputs
from backend.folders.batch.manifest import is_header
from backend.folders.batch.out_folder import (
    MANIFEST,
    MAX_THUMBNAIL_BYTES,
    OUTLIERS,
    OWN,
    REPORT,
    REVIEW,
    thumbnail_name,
)
from backend.folders.bucket import Bucket
from backend.folders.datasets.file_kind import kind_by_name
from backend.folders.spilled import Spilled

PARTS = f"{OWN}/manifest"
PART_NAME = re.compile(rf"{PARTS}/(\d{{6,}})\.jsonl")
PART_EVERY_S = 5.0  # records of this time may be lost with the run
PART_BYTES = 1024 * 1024


class BucketSource:
    """The pictures below one part of a bucket; what is below `leave_out`, relative to it, are results."""

    def __init__(self, bucket: Bucket, leave_out: str = "") -> None:
        self._bucket, self._leave_out = bucket, leave_out
        self.title = bucket.url

    def find(self) -> Inputs:
        """Return the pictures by their names, without what is hidden and without any run's results."""
        stamps = Spilled()
        found, results = Inputs(stamps=stamps), set[str]()
        for each in self._bucket.listed():
            name = each.name
            if self._leave_out and name.startswith(f"{self._leave_out}/"):
                continue
            if name.endswith(f"/{MANIFEST}") and is_header(self._bucket.read(name, 200)):
                results.add(name.removesuffix(MANIFEST))
            if any(part.startswith(".") for part in name.split("/")):
                found.hidden += 1
            elif kind_by_name(name) is None:
                found.others += 1
            elif _is_name(name):
                found.pictures.append(name)
                stamps[name] = f"{each.size}-{each.stamp}"[:300].encode()
            else:
                found.skipped[name] = "No file can have its name."
        found.skipped |= dict.fromkeys(sorted(results), "It holds the results of another run.")
        if results:
            found.pictures = [
                name for name in found.pictures if results.isdisjoint(f"{up}/" for up in PurePosixPath(name).parents)
            ]
        return found

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return the first `max_bytes` of a picture. Raises OSError for one that is gone or that the keys do not open,
        StorageFailedError where the bucket is out of reach."""
        try:
            return self._bucket.read(name, max_bytes)
        except InvalidParameterError as error:
            raise PermissionError(13, "The bucket refuses it") from error


class OutBucket:
    """The results in one part of a bucket. What is there is listed once; `backend.folders.batch.out_folder.OutFolder`
    describes the methods."""

    def __init__(self, bucket: Bucket, joins: bool = False) -> None:
        """`joins`: this process writes for the one that lists."""
        self._bucket = bucket
        self._sizes: Spilled | None = None
        if not joins:
            self._sizes = Spilled()
            for each in bucket.listed():
                if not each.name.startswith(f"{OWN}/"):
                    self._sizes[each.name] = b"%d" % each.size

    def close(self) -> None:
        """Nothing is held."""

    def open_manifest(self) -> "ManifestParts":
        """Return the manifest, to read and append to."""
        return ManifestParts(self._bucket)

    def write(self, name: str, data: bytes) -> None:
        """Write the object `name`, whole or not at all."""
        self._bucket.write(name, data)
        if self._sizes is not None:
            self._sizes[name] = b"%d" % len(data)

    def write_report(self, page: bytes) -> None:
        """Write the report."""
        self.write(REPORT, page)

    def remove(self, name: str) -> None:
        """Remove the object `name`, if it is there."""
        self._bucket.remove(name)
        if self._sizes is not None:
            self._sizes.pop(name, None)

    def move(self, name: str, to: str) -> None:
        """Move the object `name`, if it is there."""
        with suppress(FileNotFoundError):
            self._bucket.move(name, to)
        if self._sizes is not None and name in self._sizes:
            self._sizes[to] = self._sizes.pop(name)

    def size_of(self, name: str) -> int | None:
        """Return the bytes of the object `name`, None when there is none."""
        if self._sizes is None:
            return self._bucket.size_of(name)
        size = self._sizes.get(name)
        return None if size is None else int(size)

    def taken(self, name: str) -> bool:
        """Whether an object called `name` is in any part of the bucket."""
        return any(self.size_of(f"{part}{name}") is not None for part in ("", f"{REVIEW}/", f"{OUTLIERS}/"))

    def read_thumbnail(self, digest: str, key: str) -> bytes:
        """Return the thumbnail of one result as WebP, b"" when it cannot be read."""
        try:
            return self._bucket.read(thumbnail_name(digest, key), MAX_THUMBNAIL_BYTES)
        except OSError:
            return b""

    def address(self, name: str) -> str:
        """Return where the object `name` is, for a person."""
        return f"{self._bucket.url}/{name}"


class ManifestParts:
    """The manifest in a bucket, where nothing can be appended to: parts, put together when a run ends.

    manifest.jsonl says in its header up to which part it holds everything, so that a part that could not be removed
    does no harm. A part is only created, never replaced: two runs at once cannot lose each other's records.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._merged = 0  # parts up to this number are in manifest.jsonl
        self._number = 0  # of the last part
        self._lines: list[bytes] = []
        self._stored = time.monotonic()

    def files(self) -> Iterator[BinaryIO]:
        """Yield manifest.jsonl and the parts that it does not hold."""
        if self._bucket.size_of(MANIFEST):
            with self._bucket.opened(MANIFEST) as file:
                self._merged = _merged_in(file.peek(200))
                yield file
        self._number = self._merged
        for number in sorted(self._parts()):
            if number > self._merged:
                self._number = number
                with self._bucket.opened(_part_name(number)) as file:
                    yield file

    def append(self, line: bytes, sync: bool) -> None:
        """Keep `line` for the next part; without `sync` it is left out."""
        if not sync:
            return
        self._lines.append(line)
        if time.monotonic() - self._stored > PART_EVERY_S or sum(map(len, self._lines)) > PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Store the next part, if there is one."""
        if not self._lines:
            return
        self._number += 1
        if not self._bucket.create(_part_name(self._number), b"".join(self._lines)):
            raise InvalidParameterError(f"Another run is writing to {self._bucket.url}.", parameter="out")
        self._lines.clear()
        self._stored = time.monotonic()

    def close(self, lines: Iterator[bytes]) -> None:
        """Store what is left, write `lines` as manifest.jsonl and remove the parts."""
        self.flush()
        if self._number == self._merged:
            return
        header = {"manifest": "mattemesh batch", "version": 1, "parts": self._number}
        self._bucket.write(MANIFEST, _joined(json.dumps(header).encode() + b"\n", lines))
        self._merged = self._number
        self._bucket.remove([_part_name(number) for number in self._parts() if number <= self._number])

    def _parts(self) -> list[int]:
        names = (PART_NAME.fullmatch(each.name) for each in self._bucket.listed(f"{PARTS}/"))
        return [int(match[1]) for match in names if match]


def _part_name(number: int) -> str:
    return f"{PARTS}/{number:06d}.jsonl"


def _merged_in(head: bytes) -> int:
    """Return the number of the last part that a manifest which begins with `head` holds."""
    match = re.search(rb'"parts": (\d{1,9})\}\n', head)
    return int(match[1]) if match else 0


def _joined(header: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines in pieces of some size."""
    piece = bytearray(header)
    for line in lines:
        piece += line
        if len(piece) > PART_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _is_name(name: str) -> bool:
    try:
        parts_of(name)
    except ValueError:
        return False
    return True
