"""What the tests of the caches ask for."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.cache_stores import MemoryStore, RedisServer


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
