"""The front of a store: sealed entries in, sealed entries out, and no trouble for whoever asks.

A store that fails is left alone for a while, longer each time; meanwhile every look-up is a miss and nothing is kept.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from backend.cache.disk_store import DiskStore
from backend.cache.frame import seal, unseal
from backend.cache.stores import ByteStore, RedisStore, StoreError
from backend.contract.settings import Settings
from backend.contract.work import CacheOutcome

FIRST_REST_S, LONGEST_REST_S = 1.0, 60.0
SILENCE_S = 600.0  # between two lines in the log about the same cache
logger = logging.getLogger("mattemesh")


class Cache:
    """What was computed before, by key; safe to share between threads. It never raises for what a store does.

    `counts` is for `/metrics`: how often each named cache ("result", "segment", "depth", …) hit or missed, as far as
    this process was told; the service's own process hears of the workers' stages through `Done.stage_caches`.
    """

    def __init__(self, store: ByteStore) -> None:
        self._store = store
        self.counts: Counter[tuple[str, CacheOutcome]] = Counter()
        self._lock = threading.Lock()
        self._rests_until = 0.0
        self._rest_s = FIRST_REST_S
        self._told_at = -SILENCE_S
        self._why = ""

    def find(self, key: str) -> tuple[dict[str, Any], list[memoryview]] | None:
        """Return the header and the parts kept under `key`, or None."""
        if self._rests():
            return None
        try:
            data = self._store.get(key)
        except StoreError as error:
            self._failed(error)
            return None
        self._worked()
        return None if data is None else unseal(key, data)

    def keep(self, key: str, header: Mapping[str, Any], parts: Sequence[bytes | memoryview]) -> None:
        """Keep `header` and `parts` under `key` if the store will have them."""
        if self._rests() or sum(len(part) for part in parts) > self._store.largest_bytes:
            return
        try:
            self._store.put(key, seal(key, header, parts))
        except StoreError as error:
            self._failed(error)
        else:
            self._worked()

    def count(self, outcomes: Mapping[str, CacheOutcome]) -> None:
        """Add what the named caches did for one piece of work."""
        with self._lock:
            self.counts.update(outcomes.items())

    def tidy(self) -> None:
        """Remove what was left behind; for the start of the service. Takes some ten milliseconds a thousand files."""
        if isinstance(self._store, DiskStore):
            try:
                self._store.tidy()
            except StoreError as error:
                self._failed(error)

    def describe(self) -> dict[str, str]:
        """Return where entries lie and, when the store does not work, why, for `/health`."""
        return {"store": self._store.name, "why": self._why}

    def _rests(self) -> bool:
        return time.monotonic() < self._rests_until

    def _worked(self) -> None:
        with self._lock:
            self._rest_s, self._why = FIRST_REST_S, ""

    def _failed(self, error: StoreError) -> None:
        now = time.monotonic()
        with self._lock:
            self._rests_until = now + self._rest_s
            self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
            self._why = f"{error}; the work is done without it"
            tell = now - self._told_at >= SILENCE_S
            if tell:
                self._told_at = now
        if tell:
            logger.warning("the cache is left out: %s", error)


def open_cache(settings: Settings) -> Cache | None:
    """Return the cache that the settings describe, or None where there is none. Nothing is opened yet.

    Raises ValueError for a CACHE_URL that is no Redis URL.
    """
    if not settings.cache_bytes:
        return None
    if settings.cache_url is not None:
        return Cache(RedisStore(settings.cache_url.get_secret_value(), settings.cache_ttl_s))
    return Cache(DiskStore(settings.data_dir / "cache", settings.cache_bytes, settings.cache_ttl_s))
