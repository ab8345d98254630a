"""`POST /models/NAME/fetch`: who may ask for it, and what comes of it. Nothing leaves the machine."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.contract.settings import Settings
from backend.main import create_app
from backend.weights.catalogue import CATALOGUE, ModelFile
from tests.helpers.in_process import InProcessRunner
from tests.helpers.waiting import until
from tests.helpers.weights_server import WeightsServer, serving

WEIGHTS = bytes(range(256)) * 400
LOCAL = {"client": ("127.0.0.1", 50_000), "base_url": "http://localhost"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightsServer]:
    with serving() as served:
        served.files = {"/u2netp.onnx": WEIGHTS}
        file = ModelFile("u2netp.onnx", "releases", "u2netp.onnx", len(WEIGHTS), sha256(WEIGHTS).hexdigest())
        monkeypatch.setitem(CATALOGUE, "u2netp", replace(CATALOGUE["u2netp"], files=(file,)))
        monkeypatch.setenv("MODEL_MIRROR", served.address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield served


def service(folder: Path, **settings: Any) -> Any:
    chosen = Settings(checkpoints_dir=folder / "c", logs_dir=folder / "l", data_dir=folder / "d", **settings)
    return create_app(chosen, InProcessRunner(chosen))


def test_a_model_is_fetched_for_whoever_sits_at_the_machine(server: WeightsServer, tmp_path: Path) -> None:
    with TestClient(service(tmp_path), **LOCAL) as client:
        assert client.get("/health").json()["may_fetch"] is True
        answer = client.post("/models/u2netp/fetch")
        assert answer.status_code == 202
        assert answer.json()["bytes_total"] == len(WEIGHTS)
        until(lambda: client.get("/health").json()["fetching"]["u2netp"]["state"] == "complete")
        rows = {row["name"]: row["state"] for row in client.get("/models").json()}
        assert rows["u2netp"] == "complete"


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        ({"client": ("192.168.1.7", 50_000), "base_url": "http://localhost"}, {}),
        (LOCAL, {"X-Forwarded-For": "203.0.113.9"}),
        (LOCAL, {"Forwarded": "for=203.0.113.9"}),
        (LOCAL, {"Origin": "https://shop.example"}),
        (LOCAL, {"Sec-Fetch-Site": "cross-site"}),
        ({"client": ("127.0.0.1", 50_000), "base_url": "http://cutouts.example"}, {}),
    ],
)
def test_everybody_else_is_refused_and_nothing_is_fetched(
    origin: dict[str, Any], headers: dict[str, str], server: WeightsServer, tmp_path: Path
) -> None:
    app = service(tmp_path, cors_origins="*", allowed_hosts="*")  # also where other pages may use the service
    with TestClient(app, **origin) as client:
        answer = client.post("/models/u2netp/fetch", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "owner-only")
        assert client.get("/health", headers=headers).json()["may_fetch"] is False
    assert server.requests == []


def test_with_keys_a_key_is_needed_and_enough(server: WeightsServer, tmp_path: Path) -> None:
    app = service(tmp_path, api_key="secret-key-of-the-owner")
    with TestClient(app, client=("192.168.1.7", 50_000)) as client:
        assert client.post("/models/u2netp/fetch").status_code == 401
        key = {"X-API-Key": "secret-key-of-the-owner"}
        assert client.post("/models/u2netp/fetch", headers=key).status_code == 202
        until(lambda: client.get("/health", headers=key).json()["fetching"]["u2netp"]["state"] == "complete")


@pytest.mark.parametrize(("name", "code"), [("nothing", "invalid-parameter"), ("bria-rmbg", "model-unavailable")])
def test_what_cannot_be_fetched_says_why(name: str, code: str, server: WeightsServer, tmp_path: Path) -> None:
    with TestClient(service(tmp_path), **LOCAL) as client:
        assert client.post(f"/models/{name}/fetch").json()["code"] == code
        assert client.get("/health").json()["fetching"] == {}
