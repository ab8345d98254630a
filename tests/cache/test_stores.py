"""The store on Redis, against a real server: bytes only, for a limited time, with errors that name no secret."""

import pickle
import socket
import threading
from pathlib import Path

import pytest
import redis

from backend.cache import cache as cache_module
from backend.cache.cache import Cache
from backend.cache.stores import NAMESPACE, RedisStore, StoreError
from tests.helpers.cache_stores import SECRET, RedisServer
from tests.helpers.waiting import until


def test_bytes_come_back_as_they_were(redis_server: RedisServer) -> None:
    store, other = RedisStore(redis_server.url, 60), RedisStore(redis_server.url, 60)
    assert store.get("key") is None
    for data in (b"", b"\x00\xff" * 50, bytes(5_000_000)):
        store.put("key", data)
        assert other.get("key") == data


def test_entries_have_an_expiry_and_a_namespace(redis_server: RedisServer) -> None:
    RedisStore(redis_server.url, 3600).put("key", b"data")
    client = redis.Redis.from_url(redis_server.url)
    assert client.keys() == [(NAMESPACE + "key").encode()]
    assert 0 < client.ttl(NAMESPACE + "key") <= 3600
    brief = RedisStore(redis_server.url, 0.05)
    brief.put("brief", b"data")
    until(lambda: brief.get("brief") is None)


def test_a_planted_pickle_or_another_type_is_a_miss(redis_server: RedisServer, tmp_path: Path) -> None:
    client = redis.Redis.from_url(redis_server.url)
    cache = Cache(RedisStore(redis_server.url, 60), lambda: SECRET)
    client.set(NAMESPACE + "pickle", pickle.dumps({"a": 1}))
    client.lpush(NAMESPACE + "list", "a")
    assert cache.find("pickle") is None
    assert cache.find("list") is None


def test_a_killed_server_is_a_store_error_until_it_is_back(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url, 60)
    store.put("key", b"data")
    redis_server.kill()
    with pytest.raises(StoreError):
        store.get("key")
    with pytest.raises(StoreError):
        store.put("key", b"data")
    redis_server.start()
    assert store.get("key") is None
    store.put("key", b"data")
    assert store.get("key") == b"data"


def test_a_full_server_is_a_store_error(redis_server: RedisServer) -> None:
    redis.Redis.from_url(redis_server.url).config_set("maxmemory", "1mb")
    with pytest.raises(StoreError):
        RedisStore(redis_server.url, 60).put("key", bytes(3_000_000))


def test_a_server_that_does_not_answer_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MIN_PAUSE_S", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = Cache(RedisStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", 60), lambda: SECRET)
        assert [cache.find("key") for _ in range(50)] == [None] * 50
        silent.setblocking(False)
        silent.accept()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_an_error_does_not_contain_the_password() -> None:
    store = RedisStore("redis://:hunter2@127.0.0.1:1/0", 60)
    with pytest.raises(StoreError) as raised:
        store.get("key")
    assert "hunter2" not in str(raised.value)


def test_another_url_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="redis"):
        RedisStore("http://127.0.0.1/", 60)


def test_threads_share_a_store(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url, 60)
    wrong: list[int] = []

    def use(number: int) -> None:
        for turn in range(50):
            store.put(f"{number}", bytes([number, turn]) * 1000)
            if store.get(f"{number}") != bytes([number, turn]) * 1000:
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
