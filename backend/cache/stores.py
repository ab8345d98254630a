"""The interface of a cache store, and the store on a Redis server; the one on disk is in `disk_store.py`.

Bytes go in and the same bytes come out; nothing from a store is ever unpickled. A store that cannot work raises
`StoreError`, which `Cache` turns into a miss.
"""

from typing import Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

NAMESPACE = "mattemesh:1:"  # prefix of every key, since others may use the same Redis
REDIS_TIMEOUT_S = 1.0  # of one command, and of connecting
REDIS_MAX_ENTRY_BYTES = 32 * 1024 * 1024  # 1 Gbit/s carries them well within the timeout


class StoreError(Exception):
    """The store cannot be used now. Its message is safe to log: no path, address or password."""


class ByteStore(Protocol):
    """Bytes by key, for a limited time. A store may forget any entry at any time; threads may share one."""

    @property
    def name(self) -> str: ...

    @property
    def max_entry_bytes(self) -> int:
        """The size above which an entry is not kept."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`, or None. Raises StoreError."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`. Raises StoreError."""
        ...

    def tidy(self) -> None:
        """Remove what expired entries and killed processes left over. Raises StoreError."""
        ...


class RedisStore:
    """A Redis server. Its own `maxmemory` settings decide how much it keeps and what it drops."""

    name = "redis"
    max_entry_bytes = REDIS_MAX_ENTRY_BYTES

    def __init__(self, url: str, ttl_s: float) -> None:
        """The connection opens at the first use. Raises ValueError for a URL that is not a Redis URL."""
        self._ttl_ms = max(1, round(1000 * ttl_s))
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # a retry would wait for the timeout again
        )

    def get(self, key: str) -> bytes | None:
        try:
            data = self._client.get(NAMESPACE + key)
        except (redis.RedisError, OSError) as error:
            raise StoreError(f"Redis cannot be read ({type(error).__name__})") from error
        return data if isinstance(data, bytes) else None

    def put(self, key: str, data: bytes) -> None:
        try:
            self._client.set(NAMESPACE + key, data, px=self._ttl_ms)
        except (redis.RedisError, OSError) as error:
            raise StoreError(f"Redis cannot be written ({type(error).__name__})") from error

    def tidy(self) -> None:
        """Do nothing: Redis removes expired entries itself."""
