"""Format of a cached entry: a mark, a keyed digest, a JSON header and raw bytes.

An entry that is damaged, or that someone without the secret has written, reads as a miss.
"""

import hashlib
import hmac
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

MARK = b"MMCACHE2"  # the last digit is the version of the format
_LENGTH = struct.Struct(">I")
_DIGEST_AT = len(MARK)
_BODY_AT = _DIGEST_AT + hashlib.sha256().digest_size


def seal(secret: bytes, key: str, header: Mapping[str, Any], parts: Sequence[bytes | memoryview]) -> bytes:
    """Return one entry with `header`, which has to be JSON, and `parts`; it is valid under `key` only."""
    text = json.dumps({"sizes": [len(part) for part in parts], **header}, separators=(",", ":")).encode()
    body = b"".join([_LENGTH.pack(len(text)), text, *parts])
    return MARK + _digest(secret, key, body) + body


def unseal(secret: bytes, key: str, data: bytes) -> tuple[dict[str, Any], list[memoryview]] | None:
    """Return the header and the parts of an entry; None when it is truncated, changed, or of another key or secret."""
    body = memoryview(data)[_BODY_AT:]
    if data[:_DIGEST_AT] != MARK or not hmac.compare_digest(data[_DIGEST_AT:_BODY_AT], _digest(secret, key, body)):
        return None
    (length,) = _LENGTH.unpack_from(body)
    header = json.loads(bytes(body[_LENGTH.size : _LENGTH.size + length]))
    parts, at = [], _LENGTH.size + length
    for size in header.pop("sizes"):
        parts.append(body[at : at + size])
        at += size
    return header, parts


def _digest(secret: bytes, key: str, body: bytes | memoryview) -> bytes:
    digest = hmac.new(secret, key.encode() + b"\0", hashlib.sha256)
    digest.update(body)
    return digest.digest()
