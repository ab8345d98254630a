"""Digests of files on disk, read once while a file stays untouched.

`<file>.sha256` is the digest that the file had when it was fetched or first proved good, as `sha256sum` writes it.
`<file>.stamp` remembers the digests of the last reading with size, modification time and inode, so that no other
process reads gigabytes again. A stamp that cannot be written costs a reading in the next process and nothing else.
"""

import hashlib
import json
import re
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Literal

from backend.contract.files import write_atomically

Algorithm = Literal["sha256", "md5"]
_Digests = dict[str, str]

_known: dict[Path, tuple[list[int], _Digests]] = {}  # what this process has read
_reading: dict[Path, threading.Lock] = defaultdict(threading.Lock)  # two threads that need one file read it once


def digest_of(path: Path, algorithm: Algorithm = "sha256") -> str:
    """Return the file's digest in hexadecimal, without reading it where its stamp still fits. Raises OSError."""
    with _reading[path]:
        digests = known_digests(path)
        if algorithm not in digests:
            stamp = _stamp(path)
            with path.open("rb") as stream:
                digests = {**digests, algorithm: hashlib.file_digest(stream, algorithm).hexdigest()}
            _remember(path, stamp, digests)
        return digests[algorithm]


def known_digests(path: Path) -> _Digests:
    """Return the digests that are known of the file as it is now, by algorithm, without reading it."""
    stamp = _stamp(path)
    known = _known.get(path)
    if known is None or known[0] != stamp:
        known = _read_stamp(path)
        if known is None or known[0] != stamp:
            return {}
        _known[path] = known
    return known[1]


def forget_digests(path: Path) -> None:
    """Have the next call read the file, whatever its stamp says."""
    with _reading[path]:
        _known.pop(path, None)
        _stamp_file(path).unlink(missing_ok=True)


def remember_digest(path: Path, sha256: str) -> None:
    """Note the sha256 of a file that has just been read or written, so that it is not read for it."""
    with _reading[path]:
        _remember(path, _stamp(path), {"sha256": sha256})


def recorded_digest(path: Path) -> str | None:
    """Return the sha256 that is written down beside the file, in lower case, or None."""
    try:
        text = record_of(path).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    found = re.match(r"[0-9a-fA-F]{64}\b", text)
    return None if found is None else found.group().lower()


def record_of(path: Path) -> Path:
    """Return where the sha256 of `path` is written down: `model.ckpt.sha256` beside `model.ckpt`."""
    return path.with_name(f"{path.name}.sha256")


def record_digest(path: Path, sha256: str) -> None:
    """Write the digest down beside the file, whole or not at all and safe from a power cut. Raises OSError."""
    write_atomically(record_of(path), f"{sha256}  {path.name}\n".encode("ascii"))


def _remember(path: Path, stamp: list[int], digests: _Digests) -> None:
    _known[path] = stamp, digests
    with suppress(OSError):  # a folder that cannot be written to, or a full disk
        write_atomically(_stamp_file(path), json.dumps({"stamp": stamp, **digests}).encode("ascii"))


def _read_stamp(path: Path) -> tuple[list[int], _Digests] | None:
    try:
        stored = json.loads(_stamp_file(path).read_text(encoding="ascii"))
        return stored.pop("stamp"), {str(name): str(digest) for name, digest in stored.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):  # absent, or not as it was written
        return None


def _stamp_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.stamp")


def _stamp(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino]
