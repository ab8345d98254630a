"""A file that is still arriving: what of it is on disk, of which version, and how it becomes the whole file.

What has come so far lies in `<file>.part`; `<file>.part.etag` holds the server's name for that version of the file,
so that the rest is only ever added to the same version.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from backend.contract.errors import ModelUnavailableError, StorageFullError, is_disk_full
from backend.weights.digests import record_digest, remember_digest


@dataclass(frozen=True)
class PartialFile:
    """The not yet whole form of the file `target`."""

    target: Path

    @property
    def part(self) -> Path:
        """Where the bytes lie until they are all there."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def _version(self) -> Path:
        return self.target.with_name(self.target.name + ".part.etag")

    def size(self) -> int:
        """Return how many bytes are there."""
        return self.part.stat().st_size if self.part.exists() else 0

    def resume_point(self) -> tuple[int, str]:
        """Return how many bytes can be kept and the ETag that they are of; (0, "") where nothing can."""
        try:
            etag = self._version.read_text(encoding="ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return 0, ""
        return (self.size(), etag) if self.size() and etag else (0, "")

    def remember_version(self, etag: str) -> None:
        """Write down of which version the bytes are that now begin to arrive."""
        if etag.startswith('"') and etag.isascii():  # a weak tag may not be used to resume (RFC 9110, 13.1.5)
            self._version.write_text(etag, encoding="ascii")
        else:
            self._version.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove what has come."""
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)

    def forget_if_full(self, error: OSError) -> None:
        """Remove what has come if the disk is full: half a file must not stop the rest of the service."""
        if is_disk_full(error):
            self.forget()

    def put_in_place(self, sha256: str) -> None:
        """Write the digest down beside the target and give the whole part the target's name, safe from a power cut."""
        record_digest(self.target, sha256)
        self.part.replace(self.target)
        self._version.unlink(missing_ok=True)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the renames themselves
        finally:
            os.close(folder)
        remember_digest(self.target, sha256)


def disk_error(error: OSError, title: str) -> ModelUnavailableError | StorageFullError:
    """Return how an error of the disk is told."""
    if is_disk_full(error):
        return StorageFullError(f"The disk is full, so the weights of {title} could not be kept.")
    return ModelUnavailableError("The checkpoints folder cannot be written to.", model=title)
