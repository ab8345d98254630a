"""The format of entries: contents survive, and any changed byte makes a miss."""

import pytest

from backend.cache.frame import MARK, seal, unseal
from tests.helpers.cache_stores import SECRET

HEADER = {"name": "mask.png", "notes": ["ä note"]}
PARTS = [b"first", b"", bytes(range(256))]


def test_a_sealed_entry_is_read_back() -> None:
    found = unseal(SECRET, "key", seal(SECRET, "key", HEADER, PARTS))
    assert found is not None
    assert found[0] == HEADER
    assert [bytes(part) for part in found[1]] == PARTS


def test_an_entry_may_have_no_parts() -> None:
    assert unseal(SECRET, "key", seal(SECRET, "key", {}, [])) == ({}, [])


def test_every_truncation_is_a_miss() -> None:
    data = seal(SECRET, "key", HEADER, PARTS)
    assert [length for length in range(len(data)) if unseal(SECRET, "key", data[:length]) is not None] == []


def test_every_flipped_bit_is_a_miss() -> None:
    data = seal(SECRET, "key", HEADER, PARTS)
    for at in range(len(data)):
        spoilt = bytearray(data)
        spoilt[at] ^= 1 << at % 8
        assert unseal(SECRET, "key", bytes(spoilt)) is None


def test_an_entry_is_valid_under_its_own_key_only() -> None:
    assert unseal(SECRET, "other", seal(SECRET, "key", HEADER, PARTS)) is None


@pytest.mark.parametrize("data", [b"", b"MMCACHE", MARK, b"<html>404</html>", b"\x80\x04}." * 40, b"\0" * 100])
def test_foreign_bytes_are_a_miss(data: bytes) -> None:
    assert unseal(SECRET, "key", data) is None


def test_the_layout_has_a_version() -> None:
    data = seal(SECRET, "key", HEADER, PARTS)
    assert unseal(SECRET, "key", b"MMCACHE0" + data[len(MARK) :]) is None
