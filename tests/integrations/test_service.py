"""What Blender and ComfyUI ask the service with: jobs, refusals, a cancel, an outage."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers import fake_service
from tests.helpers.drawn import encoded, toy
from tests.helpers.fake_service import answer, cut_off
from tests.helpers.on_a_socket import on_a_socket
from tests.helpers.packed import service_module
from tests.helpers.scripted_runner import ScriptedRunner, endless
from tests.helpers.waiting import until

PHOTO = encoded(toy()[0])
QUICK = {"model": "border", "quality": "fast"}
ours = service_module()


def unheard(fraction: float, stage: str) -> None:
    pass


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_S", "FIRST_PAUSE_S"):
        monkeypatch.setattr(ours, name, 0.001)


def test_a_job_is_followed_and_removed_once_its_files_are_here(address: str) -> None:
    heard: list[tuple[float, str]] = []
    service = ours.Service(address, "secret")
    with service.job("remove-bg", PHOTO, QUICK, lambda *progress: heard.append(progress)) as job:
        assert service.file(job, "mask.png").startswith(b"\x89PNG") and job["report"]["mask"]["found"]
        assert service.file(job) == service.file(job, job["files"][0]["name"])
    assert heard and all(0 <= fraction <= 1 and stage for fraction, stage in heard)
    assert httpx.get(f"{address}/jobs", headers={"X-API-Key": "secret"}).json()["jobs"] == []


def test_an_own_mask_is_what_counts(address: str) -> None:
    service = ours.Service(address, "secret")
    with service.job("remove-bg", PHOTO, {}, unheard, mask=encoded(toy()[1].astype("uint8") * 255)) as job:
        assert job["report"]["segmenter"]["name"] == "own-mask"


@pytest.mark.parametrize(
    ("photo", "options", "key", "sentence"),
    [
        (b"no picture", QUICK, "secret", "not a JPEG, PNG"),
        (PHOTO, {"model": "nothing-like-it"}, "secret", "no model of that name"),
        (PHOTO, {"quality": "none"}, "secret", "quality"),
        (PHOTO, QUICK, "", "key"),
        (PHOTO, QUICK, "wrong", "key"),
    ],
)
def test_a_refusal_is_the_services_own_sentence(
    address: str, photo: bytes, options: dict[str, str], key: str, sentence: str
) -> None:
    service = ours.Service(address, key)
    with pytest.raises(ours.ServiceError, match=sentence), service.job("remove-bg", photo, options, unheard):
        pass


@pytest.mark.parametrize(
    "address", ["", "ftp://host", "http://", "http://host:port", "https://host:99999", "http://[::", "::"]
)
def test_what_is_no_address_is_said_before_anything_is_sent(address: str) -> None:
    with pytest.raises(ours.ServiceError, match=r"is not an address"):
        ours.Service(address)


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_a_key_that_no_header_takes_is_said(key: str) -> None:
    with pytest.raises(ours.ServiceError, match="key"):
        ours.Service("localhost", key)


def test_no_service_is_said_at_once() -> None:
    with pytest.raises(ours.ServiceError, match=r"No service answers at 127\.0\.0\.1:1 "):
        ours.Service("127.0.0.1:1")._ask("POST", "/jobs")


@pytest.mark.parametrize("other", [answer(404, b"<p>"), answer(200, b"<p>"), answer(200, b"[]"), answer(302)])
def test_another_server_is_not_taken_for_the_service(other: Any) -> None:
    with fake_service.running() as fake:
        fake.acts = [other]
        service = ours.Service(f"127.0.0.1:{fake.port}")
        with pytest.raises(ours.ServiceError, match="not a Mattemesh service"):
            service.job("remove-bg", PHOTO, {}, unheard).__enter__()


def test_what_on_progress_raises_cancels_the_job(tmp_path: Path) -> None:
    class NotWantedError(Exception):
        pass

    def stop(fraction: float, stage: str) -> None:
        if stage == "decode":
            raise NotWantedError

    app = create_app(Settings(data_dir=tmp_path), ScriptedRunner(endless))
    with on_a_socket(app) as address:
        with pytest.raises(NotWantedError), ours.Service(address).job("remove-bg", PHOTO, {}, stop):
            pass
        until(lambda: [job["state"] for job in httpx.get(f"{address}/jobs").json()["jobs"]] == ["cancelled"])


def document(state: str, **fields: Any) -> bytes:
    ended = None if state in ("queued", "running") else "now"
    told = {"id": "7", "state": state, "finished_at": ended, "progress": {"fraction": 0.5, "stage": "edges"}}
    return json.dumps({**told, "problem": None, **fields}).encode()


@pytest.mark.usefixtures("quick")
def test_an_outage_while_the_job_runs_is_waited_for() -> None:
    with fake_service.running() as fake:
        fake.acts = [
            answer(503, b"{}", Retry_After="0"),
            answer(202, document("queued")),
            cut_off(1000, b"{"),
            answer(503, b"{}"),
            answer(200, document("running")),
            answer(200, document("succeeded")),
            cut_off(1000, b"half"),
            answer(200, b"whole"),
        ]
        service = ours.Service(f"http://127.0.0.1:{fake.port}/base/")
        with service.job("remove-bg", PHOTO, {}, unheard) as job:
            assert service.file(job) == b"whole"
    assert {request.url for request in fake.heard} == {"/base/jobs", "/base/jobs/7", "/base/jobs/7/result"}
    first, again = fake.heard[:2]
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] and first.body == again.body


@pytest.mark.usefixtures("quick")
def test_a_job_that_fails_says_why() -> None:
    with fake_service.running() as fake:
        fake.acts = [answer(202, document("failed", problem={"detail": "Nothing is in front."}))]
        service = ours.Service(f"127.0.0.1:{fake.port}")
        with pytest.raises(ours.ServiceError, match="Nothing is in front"):
            service.job("generate-mesh", PHOTO, {}, unheard).__enter__()


@pytest.mark.usefixtures("quick")
def test_a_cancel_is_heard_while_the_service_is_away() -> None:
    def stop(fraction: float, stage: str) -> None:
        raise KeyboardInterrupt

    with fake_service.running() as fake:
        fake.acts = [answer(503, b"{}", Retry_After="3600")]
        with pytest.raises(KeyboardInterrupt):
            ours.Service(f"127.0.0.1:{fake.port}").job("remove-bg", PHOTO, {}, stop).__enter__()
    assert len(fake.heard) == 1
