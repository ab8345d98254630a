"""Where cached bytes lie: a folder that every process of the service shares, or a Redis server.

Bytes go in and the same bytes come out; nothing that lies there is ever unpickled. Whatever keeps a store from working
is raised as `StoreError`, which `backend.cache.cache` turns into a miss.
"""

from typing import Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

NAMESPACE = "mattemesh:1:"  # of every key in a Redis that others may use too
REDIS_TIMEOUT_S = 1.0  # for one command, and for connecting
REDIS_LARGEST_BYTES = 32 * 1024 * 1024  # what a network of 1 Gbit/s carries well within the timeout


class StoreError(Exception):
    """The store cannot be used at the moment; the message may be logged, it names no path, address or password."""


class ByteStore(Protocol):
    """Bytes by key, for a limited time; both may forget whatever they like. Threads may share one."""

    @property
    def name(self) -> str: ...

    @property
    def largest_bytes(self) -> int:
        """What is larger is not worth its room."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return what was put under `key`, or None. Raises StoreError."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`. Raises StoreError."""
        ...


class RedisStore:
    """A Redis server, by its URL; how much it keeps and what it drops is its own setting (`maxmemory`)."""

    name = "redis"
    largest_bytes = REDIS_LARGEST_BYTES

    def __init__(self, url: str, ttl_s: float) -> None:
        """Connect at the first use. Raises ValueError for a URL that is none."""
        self._ttl_ms = max(1, round(1000 * ttl_s))
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # a second try would cost a second second
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
