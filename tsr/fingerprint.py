"""A file's sha256, written down beside it once and compared at every later load.

Weights are gigabytes that lie on disks for years: a flipped bit or a half-written copy must be told, not computed with.
"""

import hashlib
import logging
import re
from pathlib import Path

from tsr.errors import CheckpointError

log = logging.getLogger(__name__)


def sha256_of(path: Path) -> str:
    """Return the file's sha256 in lower-case hexadecimal; memory stays small whatever the file's size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_of(path: Path) -> Path:
    """Return where the sha256 of `path` is written down: `model.ckpt.sha256` beside `model.ckpt`."""
    return path.with_name(f"{path.name}.sha256")


def check_fingerprint(path: Path) -> str:
    """Return the file's sha256. Raises CheckpointError when it is not the one written down."""
    record = record_of(path)
    digest = sha256_of(path)
    if not record.exists():
        return digest
    written = re.match(r"[0-9a-fA-F]{64}\b", record.read_text(encoding="ascii", errors="replace"))
    if written is None:
        raise CheckpointError(f"{record.name} holds no sha256; delete it if {path.name} is known to be good")
    if written.group().lower() != digest:
        raise CheckpointError(
            f"{path.name} is not the file it was when its sha256 was written down: fetch it again, or delete "
            f"{record.name} if it was replaced on purpose"
        )
    return digest


def write_fingerprint(path: Path, digest: str) -> None:
    """Write `digest` down beside `path`, unless that has been done; call it once the file has proved good."""
    record = record_of(path)
    if record.exists():
        return
    fresh = record.with_name(f"{record.name}.part")
    try:
        fresh.write_text(f"{digest}  {path.name}\n", encoding="ascii")  # as sha256sum writes and reads it
        fresh.replace(record)
    except OSError as reason:
        log.warning("the sha256 of %s cannot be written down: %s", path.name, reason.strerror)
