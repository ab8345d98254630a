"""The front of a store: it never raises, it leaves a broken store alone for a while, and says so once."""

import logging
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend.cache import cache as module
from backend.cache.cache import Cache, open_cache
from backend.contract.settings import Settings
from tests.helpers.cache_stores import MemoryStore


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_what_is_kept_is_found(store: MemoryStore) -> None:
    cache = Cache(store)
    assert cache.find("key") is None
    cache.keep("key", {"a": 1}, [b"part"])
    assert cache.find("key") == ({"a": 1}, [b"part"])


def test_a_broken_entry_is_a_miss(store: MemoryStore) -> None:
    cache = Cache(store)
    cache.keep("key", {"a": 1}, [b"part"])
    store.entries["key"] = store.entries["key"][:-1]
    assert cache.find("key") is None
    cache.keep("key", {"a": 1}, [b"part"])
    assert cache.find("key") is not None


def test_what_is_too_large_is_not_kept(store: MemoryStore) -> None:
    Cache(store).keep("key", {}, [bytes(store.largest_bytes), b"!"])
    assert store.entries == {}


def test_a_broken_store_is_a_miss_and_left_alone_longer_each_time(store: MemoryStore, clock: Clock) -> None:
    cache, store.broken = Cache(store), True
    asked_at: list[float] = []
    while clock.now < 1300:
        before = store.asked
        assert cache.find("key") is None
        cache.keep("key", {}, [])
        asked_at += [clock.now] * (store.asked - before)
        clock.now += 0.5
    rests = [later - earlier for earlier, later in pairwise(asked_at)]
    assert rests == sorted(rests)
    assert rests[0] == 1
    assert rests[-1] == 60
    store.broken = False
    clock.now += 61
    cache.keep("key", {}, [])
    assert cache.find("key") is not None
    store.broken = True
    cache.find("key")
    store.broken, clock.now = False, clock.now + 1.5  # once it has worked, it is trusted as before
    assert cache.find("key") is not None


def test_a_failure_is_logged_once_and_told_while_it_lasts(
    store: MemoryStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cache, store.broken = Cache(store), True
    assert cache.describe() == {"store": "memory", "why": ""}
    with caplog.at_level(logging.WARNING, "mattemesh"):
        for _ in range(20):
            cache.find("key")
            clock.now += 2
    assert len(caplog.records) == 1
    assert "cannot be used" in cache.describe()["why"]
    store.broken, clock.now = False, clock.now + 61
    cache.find("key")
    assert cache.describe()["why"] == ""


def test_hits_and_misses_are_counted_by_name(store: MemoryStore) -> None:
    cache = Cache(store)
    cache.count({"result": "miss", "segment": "hit"})
    cache.count({"result": "miss"})
    assert cache.counts == {("result", "miss"): 2, ("segment", "hit"): 1}


def test_the_settings_say_where_the_cache_is(tmp_path: Path) -> None:
    assert open_cache(Settings(cache_bytes=0)) is None
    assert open_cache(Settings(cache_bytes=0, cache_url=SecretStr("redis://127.0.0.1:1"))) is None
    disk = open_cache(Settings(cache_bytes=10_000_000, data_dir=tmp_path))
    redis = open_cache(Settings(cache_bytes=10_000_000, cache_url=SecretStr("redis://:secret@127.0.0.1:1")))
    assert disk is not None
    assert redis is not None
    assert (disk.describe()["store"], redis.describe()["store"]) == ("disk", "redis")
    assert list(tmp_path.iterdir()) == []  # nothing is made before something is kept
    assert "secret" not in repr(Settings(cache_url=SecretStr("redis://:secret@127.0.0.1:1")))
