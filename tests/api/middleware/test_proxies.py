"""The proxies that are trusted with the client's address."""

import pytest

from tests.helpers.guarded import guarded

PROXY = "192.0.2.7"


def left(client_header: str | None, peer: str, times: int = 1) -> list[int]:
    """Return the statuses of requests that come from `peer`, which forwards clients by that header."""
    client = guarded(client=peer, trusted_proxies=f"{PROXY}, 10.0.0.0/8", rate_limit="1/hour", allowed_hosts="*")
    headers = {} if client_header is None else {"X-Forwarded-For": client_header}
    statuses = [client.get("/jobs", headers=headers).status_code for _ in range(times)]
    other = client.get("/jobs", headers={"X-Forwarded-For": "198.51.100.1"})
    return [*statuses, other.status_code]


@pytest.mark.parametrize("peer", [PROXY, "10.1.2.3"])
def test_each_client_of_a_trusted_proxy_counts_on_its_own(peer: str) -> None:
    assert left("203.0.113.5", peer, 2) == [200, 429, 200]


def test_only_trusted_proxies_are_believed() -> None:
    assert left("203.0.113.5", "192.0.2.8", 2) == [200, 429, 429]


def test_what_a_client_adds_before_the_proxys_own_word_counts_for_nothing() -> None:
    client = guarded(client=PROXY, trusted_proxies=PROXY, rate_limit="1/hour", allowed_hosts="*")
    for number, status in enumerate((200, 429)):
        forwarded = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.5"}
        assert client.get("/jobs", headers=forwarded).status_code == status
