"""The middleware around the whole service: it covers every route, and no option takes an address to fetch."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount
from starlette.testclient import TestClient

from backend.api.middleware.paths import is_open
from backend.contract.settings import Settings
from backend.contract.work import Done, File, OnStage, Stage, Work
from backend.main import create_app
from tests.helpers.in_process import InProcessRunner

KEY = "the key"


def perform(work: Work, on_stage: OnStage) -> Done:
    on_stage("segment")
    return Done((File("mask.png", "image/png", b"mask"),), (Stage("segment", 0.1, "cpu"),))


def service(folder: Path, **changes: Any) -> FastAPI:
    settings = Settings(
        checkpoints_dir=folder / "checkpoints", logs_dir=folder / "logs", data_dir=folder / "data", **changes
    )
    return create_app(settings, InProcessRunner(settings, perform))


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(service(tmp_path_factory.mktemp("locked"), api_key=KEY)) as client:
        yield client


def routes(client: TestClient) -> set[tuple[str, str]]:
    """Return the method and a path of every route."""
    app = client.app
    assert isinstance(app, FastAPI)
    found = set()
    for path, operations in app.openapi()["paths"].items():
        found |= {(method.upper(), re.sub(r"\{\w+\}", "x", path)) for method in operations}
    for route in app.routes:
        if isinstance(route, APIRoute):
            found |= {(method, re.sub(r"\{\w+\}", "x", route.path)) for method in route.methods}
        elif isinstance(route, Mount):
            found.add(("GET", route.path + "/x"))
    return found


def test_every_route_that_is_not_meant_to_be_open_asks_for_the_key(locked: TestClient) -> None:
    closed = {(method, path) for method, path in routes(locked) if not is_open(path)}
    assert {("POST", "/remove-bg"), ("POST", "/jobs"), ("GET", "/metrics"), ("DELETE", "/jobs/x")} <= closed
    for method, path in closed:
        answer = locked.request(method, path)
        if path.startswith("/v1.0/"):  # remove.bg's form of an error
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "auth_failed"), (method, path)
        else:
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), (method, path)
        allowed = locked.request(method, path, headers={"X-API-Key": KEY})
        assert allowed.status_code not in (401, 403), (method, path)


def test_what_is_open_only_gives(locked: TestClient) -> None:
    open_routes = {(method, path) for method, path in routes(locked) if is_open(path)}
    assert ("GET", "/healthz") in open_routes
    assert {method for method, _ in open_routes} <= {"GET", "HEAD"}


def test_no_option_and_no_file_is_an_address_to_fetch(locked: TestClient) -> None:
    document = json.dumps(locked.get("/openapi.json").json()["paths"])
    assert not re.search(r'"format": "(uri|url|iri)', document)
    assert not re.search(r'"(url|uri|href|src|link)": \{', document)
    for part in ("file", "mask", "background"):
        answer = locked.post("/remove-bg", data={part: "http://127.0.0.1:1/photo.jpg"}, headers={"X-API-Key": KEY})
        assert answer.status_code == 422


def test_metrics_cover_work_jobs_and_caches(tmp_path: Path) -> None:
    with TestClient(service(tmp_path, cache_bytes=10**8)) as client:
        for _ in range(2):
            assert client.post("/remove-bg", files={"file": b"photo"}).status_code == 200
        client.get("/jobs/nowhere")
        text = client.get("/metrics").text
    assert 'mattemesh_http_requests_total{method="POST",route="/remove-bg",status="200"} 2.0' in text
    assert 'route="/jobs/{job_id}",status="404"' in text
    assert 'mattemesh_stage_seconds_count{stage="segment"}' in text
    assert 'mattemesh_work_total{kind="remove-bg",outcome="ok"} 1.0' in text
    assert 'mattemesh_cache_requests_total{cache="result",outcome="miss"} 1.0' in text
    assert 'mattemesh_cache_requests_total{cache="result",outcome="hit"} 1.0' in text
    assert 'mattemesh_jobs{state="queued"} 0.0' in text
    assert "nowhere" not in text
