"""A dictionary on the disk does what one in memory does, and does not grow with what is in it."""

import tracemalloc

import pytest

from backend.contract.errors import StorageFullError
from backend.folders.spilled import AT_ONCE, Spilled


def test_it_is_a_dictionary_that_keeps_its_order() -> None:
    here, plain = Spilled(), dict[str, bytes]()
    for each in (here, plain):
        each.update({"b": b"1", "a": b"", "lat\udce9": b"\0", "日本\ud800": b"2"})
        each["b"] = b"3"
        del each["a"]
        each["a"] = b"4"
    assert list(here.entries()) == list(plain.items()) and list(here) == list(plain) and here == plain
    assert len(here) == 4 and "b" in here and "c" not in here and 3 not in here
    assert here.get("c") is None
    with pytest.raises(KeyError):
        here["c"]
    with pytest.raises(KeyError):
        del here["c"]


def test_what_comes_and_goes_while_it_is_read_skips_and_repeats_nothing() -> None:
    here = Spilled()
    here.update((str(number), b"") for number in range(2 * AT_ONCE + 3))
    seen = []
    for name in here:
        seen.append(name)
        if name in here and int(name) % 2:
            del here[name]
        here["0"] = b"again"
    assert seen == [str(number) for number in range(2 * AT_ONCE + 3)]
    assert len(here) == AT_ONCE + 2


def test_python_keeps_nothing_of_an_entry() -> None:
    here = Spilled()
    here["first"] = b""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(5000):
            here[str(number)] = b"%d" % number * 100
        assert sum(len(value) for _, value in here.entries()) > 10**6
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 500_000  # bytes; the values have 1,900,000


def test_after_a_full_disk_nobody_takes_what_is_there_for_all() -> None:
    here = Spilled()
    here["first"] = b""
    here._rows.execute("PRAGMA max_page_count = 10")  # what SQLite says of it is what it says of a full disk
    with pytest.raises(StorageFullError, match="TMPDIR"):
        here.update((str(number), bytes(4096)) for number in range(100))
    with pytest.raises(StorageFullError, match="TMPDIR"):
        list(here.entries())
