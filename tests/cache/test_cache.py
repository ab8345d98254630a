"""The fail-open cache: it never raises, it pauses a failing store with back-off, and it logs that once."""

import logging
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from backend.cache import cache as module
from backend.cache.cache import Cache, open_cache
from backend.contract.settings import Settings
from tests.helpers.cache_stores import SECRET, MemoryStore


class Clock:
    """A clock that the test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))  # of this module alone


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_kept_entry_is_found(store: MemoryStore) -> None:
    cache = Cache(store, lambda: SECRET)
    assert cache.find("key") is None
    cache.keep("key", {"a": 1}, [b"part"])
    assert cache.find("key") == ({"a": 1}, [b"part"])


def test_a_broken_entry_is_a_miss(store: MemoryStore) -> None:
    cache = Cache(store, lambda: SECRET)
    cache.keep("key", {"a": 1}, [b"part"])
    store.entries["key"] = store.entries["key"][:-1]
    assert cache.find("key") is None
    cache.keep("key", {"a": 1}, [b"part"])
    assert cache.find("key") is not None


def test_an_entry_over_the_size_limit_is_not_kept(store: MemoryStore) -> None:
    Cache(store, lambda: SECRET).keep("key", {}, [bytes(store.max_entry_bytes), b"!"])
    assert store.entries == {}


def test_a_failing_store_is_a_miss_and_is_paused_twice_as_long_each_time(store: MemoryStore, clock: Clock) -> None:
    cache, store.broken = Cache(store, lambda: SECRET), True
    used_at: list[float] = []
    while clock.now < 1300:
        before = store.uses
        assert cache.find("key") is None
        cache.keep("key", {}, [])
        used_at += [clock.now] * (store.uses - before)
        clock.now += 0.5
    pauses = [later - earlier for earlier, later in pairwise(used_at)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 1
    assert pauses[-1] == 60
    store.broken = False
    clock.now += 61
    cache.keep("key", {}, [])
    assert cache.find("key") is not None
    store.broken = True
    cache.find("key")
    store.broken, clock.now = False, clock.now + 1.5  # one success resets the pause
    assert cache.find("key") is not None


def test_a_failure_is_logged_once_and_shown_while_it_lasts(
    store: MemoryStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cache, store.broken = Cache(store, lambda: SECRET), True
    assert cache.describe() == {"store": "memory", "why": ""}
    with caplog.at_level(logging.WARNING, "mattemesh"):
        for _ in range(20):
            cache.find("key")
            clock.now += 2
    logged = [record for record in caplog.records if record.getMessage().startswith("working without the cache")]
    assert len(logged) == 1  # other lines come from what earlier tests of this process leave to the garbage collector
    assert "cannot be used" in cache.describe()["why"]
    store.broken, clock.now = False, clock.now + 61
    cache.find("key")
    assert cache.describe()["why"] == ""


def test_tidying_reaches_every_store_and_never_raises(store: MemoryStore) -> None:
    cache = Cache(store, lambda: SECRET)
    cache.tidy()
    assert store.tidied == 1
    store.broken = True
    cache.tidy()
    assert "cannot be used" in cache.describe()["why"]


def test_hits_and_misses_are_counted_by_name(store: MemoryStore) -> None:
    cache = Cache(store, lambda: SECRET)
    cache.count({"result": "miss", "segment": "hit"})
    cache.count({"result": "miss"})
    assert cache.counts == {("result", "miss"): 2, ("segment", "hit"): 1}


def test_the_settings_choose_the_store(tmp_path: Path) -> None:
    assert open_cache(Settings(cache_bytes=0)) is None
    assert open_cache(Settings(cache_bytes=0, cache_url=SecretStr("redis://127.0.0.1:1"))) is None
    disk = open_cache(Settings(cache_bytes=10_000_000, data_dir=tmp_path))
    redis = open_cache(Settings(cache_bytes=10_000_000, cache_url=SecretStr("redis://:hunter2@127.0.0.1:1")))
    assert disk is not None
    assert redis is not None
    assert (disk.describe()["store"], redis.describe()["store"]) == ("disk", "redis")
    assert list(tmp_path.iterdir()) == []  # nothing is created before something is kept
    assert "hunter2" not in repr(Settings(cache_url=SecretStr("redis://:hunter2@127.0.0.1:1")))
