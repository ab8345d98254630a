"""Fixtures of the cache tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.cache import results
from tests.helpers.cache_stores import MemoryStore, RedisServer


@pytest.fixture(autouse=True)
def no_store_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine even a store in memory may take longer than the service would wait."""
    monkeypatch.setattr(results, "STORE_TIMEOUT_S", 60.0)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed; Debian's package redis-server has it")
    server = RedisServer(tmp_path)
    yield server
    server.kill()
