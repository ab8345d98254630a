"""A download under way: the bytes on disk, the version that they belong to, and the step to the finished file.

The bytes are in `<file>.part`; `<file>.part.etag` holds the server's ETag, so that the rest is only added to the same
version of the file.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from backend.contract.errors import ModelUnavailableError, StorageFullError, is_disk_full
from backend.weights.digests import record_digest, remember_digest


@dataclass(frozen=True)
class PartialFile:
    """The unfinished download of the file `target`."""

    target: Path

    @property
    def part(self) -> Path:
        """The path of the bytes until they are complete."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def _version(self) -> Path:
        return self.target.with_name(self.target.name + ".part.etag")

    def size(self) -> int:
        """Return the number of bytes on disk."""
        return self.part.stat().st_size if self.part.exists() else 0

    def resume_point(self) -> tuple[int, str]:
        """Return the number of bytes to keep and the ETag of their version; (0, "") where the download starts again."""
        try:
            etag = self._version.read_text(encoding="ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return 0, ""
        return (self.size(), etag) if self.size() and etag else (0, "")

    def remember_version(self, etag: str) -> None:
        """Record the version of the bytes that now begin to arrive."""
        if etag.startswith('"') and etag.isascii():  # a weak tag may not be used to resume (RFC 9110, 13.1.5)
            self._version.write_text(etag, encoding="ascii")
        else:
            self._version.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the part."""
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)

    def forget_if_full(self, error: OSError) -> None:
        """Remove the part if the disk is full: half a file must not stop the rest of the service."""
        if is_disk_full(error):
            self.forget()

    def put_in_place(self, sha256: str) -> None:
        """Record the digest and give the whole part the target's name, safe from a power cut."""
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
    """Return the error that a caller gets for an error of the disk."""
    if is_disk_full(error):
        return StorageFullError(f"The disk is full, so the weights of {title} could not be kept.")
    return ModelUnavailableError("The checkpoints folder cannot be written to.", model=title)
