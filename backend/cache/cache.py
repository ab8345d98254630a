"""Fail-open cache: a store error counts as a miss and pauses the store with exponential back-off.

During a pause every look-up is a miss and nothing is kept. Another kind of store is a `ByteStore` and a line in
`open_cache`.
"""

import functools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backend.cache.disk_store import DiskStore
from backend.cache.frame import seal, unseal
from backend.cache.secret import cache_secret
from backend.cache.stores import ByteStore, RedisStore, StoreError
from backend.contract.settings import Settings
from backend.contract.work import CacheOutcome

MIN_PAUSE_S, MAX_PAUSE_S = 1.0, 60.0  # of a failing store; doubles with each failure in a row
LOG_INTERVAL_S = 600.0  # at most one log line about a failing store in this time
logger = logging.getLogger("mattemesh")


class Cache:
    """Earlier results by key. Threads may share one; a store's errors never reach the caller.

    `counts` is for `/metrics`: the hits and misses of each named cache ("result", "segment", "depth", …) that were
    reported to this process. `Done.stage_caches` carries those of the workers' stages to the service's process.
    """

    def __init__(self, store: ByteStore, secret: Callable[[], bytes]) -> None:
        """`secret` is asked at the first use; an entry that another one has sealed is a miss."""
        self._store, self._secret = store, functools.cache(secret)
        self.counts: Counter[tuple[str, CacheOutcome]] = Counter()
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._pause_s = MIN_PAUSE_S
        self._logged_at = -LOG_INTERVAL_S
        self._why = ""

    @property
    def max_entry_bytes(self) -> int:
        """The size above which nothing is kept."""
        return self._store.max_entry_bytes

    def find(self, key: str) -> tuple[dict[str, Any], list[memoryview]] | None:
        """Return the header and the parts that are kept under `key`, or None."""
        if self._is_paused():
            return None
        try:
            data = self._store.get(key)
        except StoreError as error:
            self._failed(error)
            return None
        self._worked()
        return None if data is None else unseal(self._secret(), key, data)

    def keep(self, key: str, header: Mapping[str, Any], parts: Sequence[bytes | memoryview]) -> None:
        """Keep `header` and `parts` under `key`, unless the entry is too large or the store fails."""
        if self._is_paused() or sum(len(part) for part in parts) > self._store.max_entry_bytes:
            return
        try:
            self._store.put(key, seal(self._secret(), key, header, parts))
        except StoreError as error:
            self._failed(error)
        else:
            self._worked()

    def count(self, outcomes: Mapping[str, CacheOutcome]) -> None:
        """Add the hits and misses of one piece of work."""
        with self._lock:
            self.counts.update(outcomes.items())

    def tidy(self) -> None:
        """Let the store remove what is left over; for the start of the service, about 10 ms per thousand files."""
        try:
            self._store.tidy()
        except StoreError as error:
            self._failed(error)

    def describe(self) -> dict[str, str]:
        """Return the store's name and, while it fails, the reason, for `/health`."""
        return {"store": self._store.name, "why": self._why}

    def _is_paused(self) -> bool:
        return time.monotonic() < self._paused_until

    def _worked(self) -> None:
        with self._lock:
            self._pause_s, self._why = MIN_PAUSE_S, ""

    def _failed(self, error: StoreError) -> None:
        now = time.monotonic()
        with self._lock:
            self._paused_until = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
            self._why = f"{error}; the service works without it"
            is_due = now - self._logged_at >= LOG_INTERVAL_S
            if is_due:
                self._logged_at = now
        if is_due:
            logger.warning("working without the cache: %s", error)


def open_cache(settings: Settings) -> Cache | None:
    """Return the cache that the settings describe, or None for CACHE_BYTES=0. The store opens at the first use.

    Raises ValueError for a CACHE_URL that is not a Redis URL.
    """
    if not settings.cache_bytes:
        return None
    secret = functools.partial(cache_secret, settings)
    if settings.cache_url is not None:
        return Cache(RedisStore(settings.cache_url.get_secret_value(), settings.cache_ttl_s), secret)
    return Cache(DiskStore(settings.data_dir / "cache", settings.cache_bytes, settings.cache_ttl_s), secret)
