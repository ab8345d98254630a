"""Our own clients against the service, and both against its /openapi.json."""

import asyncio
import base64
import inspect
import io
import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.contract.settings import REPOSITORY, Settings
from backend.main import create_app
from mattemesh import MaskOptions, MeshOptions, client
from mattemesh.client import Answer, ApiError, AsyncClient, Client
from tests.helpers.drawn import encoded, iou, toy
from tests.helpers.in_process import InProcessRunner
from tests.helpers.on_a_socket import on_a_socket

JAVASCRIPT = REPOSITORY / "clients" / "javascript"
PHOTO = encoded(toy()[0])
MESH = MeshOptions(model="border", engine="relief", format="stl")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("service")
    folders = {"checkpoints_dir": folder / "checkpoints", "logs_dir": folder / "logs", "data_dir": folder / "data"}
    settings = Settings(**folders)
    return create_app(settings, InProcessRunner(settings))


@pytest.fixture(scope="module")
def address(app: Any) -> Iterator[str]:
    with on_a_socket(app) as address:
        yield address


def is_the_toy(answer: Answer) -> bool:
    picture = Image.open(io.BytesIO(answer.data))
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else picture.convert("L")
    return iou(np.asarray(alpha) > 127, toy()[1]) > 0.9


def test_a_mask_comes_with_its_report_and_is_saved(address: str, tmp_path: Path) -> None:
    photo = tmp_path / "toy.png"
    photo.write_bytes(PHOTO)
    with Client(address) as ours:
        cutout = ours.remove_bg(photo, MaskOptions(output="cutout", output_format="webp", crop=False))
    cutout.save(tmp_path / "cut.webp")
    assert (cutout.name, cutout.media_type) == ("cutout.webp", "image/webp")
    assert is_the_toy(cutout) and cutout.report["mask"]["found"]
    assert (tmp_path / "cut.webp").read_bytes() == cutout.data


def test_a_job_is_followed_to_its_end_and_a_repeat_makes_no_second_one(address: str) -> None:
    with Client(address) as ours:
        job = ours.submit("generate-mesh", PHOTO, MESH, idempotency_key="order-1")
        assert ours.submit("generate-mesh", PHOTO, MESH, idempotency_key="order-1")["id"] == job["id"]
        events = list(ours.events(job["id"]))
        assert events[-1].name == "done" and events[-1].data["state"] == "succeeded"
        assert "stage" in {event.name for event in events}
        result = ours.result(job["id"])
        assert (result.name, len(result.data) > 1000) == ("model.stl", True)
        assert is_the_toy(ours.file(job["id"], "mask.png"))
        assert ours.job(job["id"])["report"]["mesh"]["faces"] > 10
        ours.remove(job["id"])
        with pytest.raises(ApiError) as gone:
            ours.job(job["id"])
        assert (gone.value.status, gone.value.code) == (404, "not-found")


def test_the_awaited_calls_do_the_same(address: str) -> None:
    async def run() -> tuple[Answer, list[str], Answer]:
        async with AsyncClient(address) as ours:
            mask = await ours.remove_bg(PHOTO, mask=encoded((toy()[1] * 255).astype(np.uint8)))
            job = await ours.submit("remove-bg", PHOTO, MaskOptions(points=[{"x": 1, "y": 2, "mode": "keep"}]))
            names = [event.name async for event in ours.events(job["id"])]
            return mask, names, await ours.result(job["id"])

    mask, names, result = asyncio.run(run())
    assert is_the_toy(mask) and is_the_toy(result) and names[-1] == "done"
    assert mask.report["segmenter"]["name"] == "own-mask"


def test_a_refusal_has_its_code_and_its_sentence(address: str) -> None:
    with Client(address) as ours, pytest.raises(ApiError, match=r"PNG") as refused:
        ours.remove_bg(b"no picture at all")
    assert (refused.value.status, refused.value.code) == (415, "unsupported-image-type")


def test_a_busy_service_and_a_lost_connection_are_tried_again_under_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    seen: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["idempotency-key"])
        if len(seen) == 1:
            raise httpx.ConnectError("no server")
        if len(seen) == 2:
            return httpx.Response(503, headers={"Retry-After": "1"}, json={"detail": "Busy.", "code": "overloaded"})
        return httpx.Response(202, json={"id": "x"})

    with Client(transport=httpx.MockTransport(answers)) as ours:
        assert ours.submit("remove-bg", PHOTO) == {"id": "x"}
    assert len(seen) == 3 and len(set(seen)) == 1


def test_a_service_that_stays_busy_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    busy = httpx.MockTransport(lambda _: httpx.Response(503, json={"detail": "Busy.", "code": "overloaded"}))
    with Client(transport=busy, retries=2) as ours, pytest.raises(ApiError, match="Busy"):
        ours.remove_bg(PHOTO)


def test_a_stream_that_breaks_is_taken_up_after_its_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    asked: list[str | None] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        first = 'id: 1\r\nevent: state\r\ndata: {"state": "running"}\r\n\r\n: ping\r\n\r\n'
        rest = 'id: 2\nevent: done\ndata: {"state":\ndata: "succeeded"}\n\n'
        return httpx.Response(200, text=rest if asked[1:] else first)

    with Client(transport=httpx.MockTransport(answers)) as ours:
        events = list(ours.events("x"))
    assert [event.data["state"] for event in events] == ["running", "succeeded"]
    assert asked == [None, "1"]


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(call).parameters)
            for name, call in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert calls(Client) == calls(AsyncClient)


@pytest.mark.parametrize("source", [Path(client.__file__), JAVASCRIPT / "mattemesh.js"], ids=["python", "javascript"])
def test_every_path_that_a_client_asks_for_is_in_openapi(app: Any, source: Path) -> None:
    known = {re.sub(r"\{\w+\}", "{}", path) for path in app.openapi()["paths"]}
    asked = set(re.findall(r'["`](/(?:jobs|remove-bg|generate-mesh)[^"`]*)["`]', source.read_text()))
    asked = {re.sub(r"\$?\{\w+\}", "{}", path) for path in asked}
    if source.suffix == ".py":
        asked = (asked - {"/{}"}) | {f"/{kind}" for kind in ("remove-bg", "generate-mesh")}
    assert {"/remove-bg", "/generate-mesh", "/jobs", "/jobs/{}/events", "/jobs/{}/files/{}"} <= asked <= known


def test_the_types_of_the_javascript_client_are_those_of_openapi(app: Any) -> None:
    made = runpy.run_path(str(JAVASCRIPT / "make_types.py"))["types_of"](app.openapi()).splitlines()
    written = (JAVASCRIPT / "mattemesh.d.ts").read_text().splitlines()
    # What is new in the service may be missing; what the client offers has to be there, as it says.
    assert not set(written) - set(made), "run python clients/javascript/make_types.py"
    assert len(written) > 60


SCRIPT = """
const [address, code, photo] = process.argv.slice(1);
const { Client, ApiError } = await import(code);
const client = new Client(address);
const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
const cut = await client.removeBg(bytes, { output: "cutout", crop: true });
const options = { model: "border", engine: "relief", format: "stl" };
const job = await client.submit("generate-mesh", bytes, options, { idempotencyKey: "js-1" });
const again = await client.submit("generate-mesh", bytes, options, { idempotencyKey: "js-1" });
const events = [];
for await (const event of client.events(job.id)) events.push(event.name);
const mesh = await client.result(job.id);
const refused = await client.removeBg(new Uint8Array([1, 2, 3])).catch((error) => error);
console.log(JSON.stringify({
  name: cut.name, type: cut.mediaType, grade: cut.report.mask.grade, same: job.id === again.id, events,
  mesh: [mesh.name, mesh.data.length > 1000], refused: [refused instanceof ApiError, refused.status, refused.code],
}));
"""


def test_the_javascript_client_does_the_same_in_node(address: str) -> None:
    program = shutil.which("node")
    if program is None:
        pytest.skip("no Node here")
    code = (JAVASCRIPT / "mattemesh.js").as_uri()
    command = [program, "--input-type=module", "-e", SCRIPT, "--", address, code, base64.b64encode(PHOTO).decode()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["type"], told["same"]) == ("cutout.png", "image/png", True)
    assert told["events"][-1] == "done" and told["mesh"] == ["model.stl", True]
    assert told["refused"] == [True, 415, "unsupported-image-type"]
