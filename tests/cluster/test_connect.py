"""What is said before a process joins a cluster: a wrong address, nobody there, no Ray."""

import socket
import sys

import pytest

from backend.cluster import connect as module
from backend.cluster.connect import connect
from backend.contract.errors import InvalidParameterError, NotReadyError


def test_without_ray_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InvalidParameterError, match=r"requirements-cluster\.txt"):
        connect("auto")


@pytest.mark.parametrize("address", ["", "head", "head:", ":6379", "head:port", "head:0", "head:70000", "ray://head:x"])
def test_a_wrong_address_is_refused(address: str) -> None:
    pytest.importorskip("ray", reason="ray is not installed; requirements-cluster.txt has it")
    with pytest.raises(InvalidParameterError, match="HOST:PORT"):
        connect(address)


def test_a_head_that_is_not_there_is_told_at_once() -> None:
    pytest.importorskip("ray", reason="ray is not installed; requirements-cluster.txt has it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotReadyError, match=f"No Ray cluster answers at 127.0.0.1:{port}"):
        connect(f"127.0.0.1:{port}")


def test_auto_where_no_ray_runs_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="ray is not installed; requirements-cluster.txt has it")
    from ray._private import services

    def none_runs(address: str) -> str:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(services, "canonicalize_bootstrap_address", none_runs)
    with pytest.raises(NotReadyError, match="ray start --head"):
        connect("auto")


@pytest.mark.parametrize(
    ("error", "said"), [("AuthenticationError", "wants another token"), ("RpcError", "though something listens")]
)
def test_a_head_that_refuses_is_asked_once(error: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed; requirements-cluster.txt has it")
    asked: list[str] = []

    def refuse(address: str) -> None:
        asked.append(address)
        raise getattr(ray.exceptions, error)("no")

    monkeypatch.setattr("ray._private.services.GcsClient", refuse)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray would try it for 20 s"))
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with pytest.raises(NotReadyError, match=said):
            connect(address)
    assert asked == [address]


def test_usage_is_reported_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="ray is not installed; requirements-cluster.txt has it")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    with pytest.raises(InvalidParameterError):
        connect("nowhere")
    from ray._common.usage.usage_lib import usage_stats_enabled

    assert not usage_stats_enabled() and "ray" in sys.modules
