"""Rate limit per client, whatever identity it claims."""

import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from backend.api.middleware import rate_limit
from backend.api.middleware.rate_limit import RateLimit
from backend.contract.settings import Settings
from tests.helpers.cache_stores import RedisServer
from tests.helpers.guarded import guarded

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not here")


def codes(client: TestClient, count: int, **headers: str) -> list[int]:
    return [client.get("/jobs", headers=headers).status_code for _ in range(count)]


def test_off_by_default() -> None:
    answer = guarded().get("/jobs")
    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


def test_a_request_above_the_rate_gets_a_retry_after() -> None:
    client = guarded(rate_limit="3/minute")
    assert codes(client, 3) == [200, 200, 200]
    refused = client.get("/jobs")
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate-limited"
    assert refused.json()["limit"] == 3
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert refused.headers["ratelimit"].startswith('"default";r=0;t=')


def test_every_answer_counts_down_what_is_left() -> None:
    client = guarded(rate_limit="3/minute")
    left = [client.get("/jobs").headers["ratelimit"].split(";")[1] for _ in range(3)]
    assert left == ["r=2", "r=1", "r=0"]


def test_the_window_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    client = guarded(rate_limit="1/second")
    now = 1_700_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    assert codes(client, 2) == [200, 429]
    now += 1.5
    assert codes(client, 2) == [200, 429]


def test_each_address_is_a_client() -> None:
    app = guarded(rate_limit="1/minute").app
    here, there = (TestClient(app, client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2"))
    assert codes(here, 2) == [200, 429]
    assert codes(there, 2) == [200, 429]


def test_the_addresses_of_one_ipv6_subscriber_are_one_client() -> None:
    app = guarded(rate_limit="2/minute").app
    addresses = ("2001:db8::1", "2001:db8::2", "2001:db8::ffff:3", "2001:db8:0:1::1")
    assert [TestClient(app, client=(a, 1)).get("/jobs").status_code for a in addresses] == [200, 200, 429, 200]


def test_clients_with_a_key_are_counted_by_key_wherever_they_are() -> None:
    app = guarded(api_key="one,two", rate_limit="1/minute").app
    here, there = (TestClient(app, client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2"))
    assert codes(here, 1, **{"X-API-Key": "one"}) == [200]
    assert codes(there, 1, **{"X-API-Key": "one"}) == [429]
    assert codes(here, 1, **{"X-API-Key": "two"}) == [200]


@pytest.mark.parametrize("api_key", [None, "the key"])
def test_a_new_invented_key_a_request_is_no_way_round(api_key: str | None) -> None:
    client = guarded(api_key=api_key, rate_limit="2/minute")
    statuses = [client.get("/jobs", headers={"X-API-Key": f"guess {i}"}).status_code for i in range(4)]
    assert statuses[2:] == [429, 429]
    assert statuses[0] == (200 if api_key is None else 401)


def test_an_address_in_a_header_is_not_believed() -> None:
    client = guarded(rate_limit="1/minute")
    assert codes(client, 1, **{"X-Forwarded-For": "203.0.113.1"}) == [200]
    assert codes(client, 1, **{"X-Forwarded-For": "203.0.113.2", "Forwarded": "for=203.0.113.3"}) == [429]


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/", "/static/page.en.js"])
def test_what_costs_nothing_is_not_counted(path: str) -> None:
    client = guarded(rate_limit="1/minute")
    assert {client.get(path).status_code for _ in range(5)} == {200}
    assert codes(client, 1) == [200]


def test_the_tightest_of_several_rates_is_reported() -> None:
    client = guarded(rate_limit="2/second;3/hour")
    assert client.get("/jobs").headers["ratelimit-policy"] == '"default";q=2;w=1'


def test_many_addresses_do_not_fill_the_memory() -> None:
    limit = RateLimit(app=None, rate="5/hour", keys=[], max_clients=50)  # type: ignore[arg-type]
    for i in range(500):
        limit._touch(f"client {i}")
        limit._limiter.hit(limit.rates[0], f"client {i}")
    assert len(limit._clients) == 50
    assert len(limit._limiter.storage.storage) <= 51


@pytest.mark.parametrize("rate", ["60", "60/fortnight", "-1/minute", "lots"])
def test_a_rate_that_is_none_is_refused_at_the_start(rate: str) -> None:
    with pytest.raises(ValueError, match="rate_limit"):
        Settings(rate_limit=rate)


@needs_redis
def test_services_that_share_a_redis_allow_the_rate_once_and_each_counts_while_it_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "REDIS_TIMEOUT_S", 60.0)  # a busy machine may be slower than requests would wait
    redis = RedisServer(tmp_path)
    try:
        one, two = (guarded(rate_limit="3/minute", rate_limit_url=redis.url) for _ in range(2))
        with one, two:
            assert codes(one, 2) + codes(two, 2) == [200, 200, 200, 429]
            answer = one.get("/jobs")
            assert answer.status_code == 429
            assert answer.headers["ratelimit-policy"] == '"default";q=3;w=60'
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            redis.kill()
            assert codes(one, 4) == [200, 200, 200, 429]
            assert codes(two, 1) == [200]
    finally:
        redis.kill()


def test_a_redis_that_was_never_there_is_logged_once_and_refuses_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with guarded(rate_limit="2/minute", rate_limit_url="redis://:hunter2@127.0.0.1:1/0") as client:
        assert codes(client, 3) == [200, 200, 429]
    said = [record.getMessage() for record in caplog.records if "RATE_LIMIT_URL" in record.getMessage()]
    assert len(said) == 1
    assert "hunter2" not in caplog.text
