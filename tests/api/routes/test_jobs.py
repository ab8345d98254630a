"""`/jobs` as a client sees it: the pipeline on the embedded engines, and a runner that does what a test says."""

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from backend.api.job_documents import JobDocument
from backend.contract.errors import NoSubjectError
from backend.contract.settings import Settings
from backend.contract.work import Done, OnStage, Work
from backend.jobs.records import JOB_KINDS
from backend.main import create_app
from tests.helpers.drawn import encoded, toy
from tests.helpers.in_process import InProcessRunner
from tests.helpers.scripted_runner import RESULT, ScriptedRunner, done, endless, two_stages

Body = dict[str, Any]
PHOTO = encoded(toy()[0])
UNKNOWN = "0" * 26


@contextmanager
def service(folder: Path, runner: Any = None, **limits: Any) -> Iterator[TestClient]:
    settings = Settings(
        data_dir=folder / "data", checkpoints_dir=folder / "checkpoints", logs_dir=folder / "logs", **limits
    )
    app = create_app(settings, runner or InProcessRunner(settings))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with service(tmp_path_factory.mktemp("jobs")) as client:
        yield client


@pytest.fixture
def script(tmp_path: Path) -> Iterator[tuple[TestClient, ScriptedRunner]]:
    runner = ScriptedRunner()
    with service(tmp_path, runner, stop_deadline_s=0) as client:
        yield client, runner


def hand_in(client: TestClient, kind: str = "remove-bg", photo: bytes = PHOTO, **options: str) -> Body:
    answer = client.post("/jobs", files={"file": photo}, data={"kind": kind, **options})
    assert answer.status_code == 202, answer.text
    return until(client, answer.json(), lambda job: job["state"] in ("succeeded", "failed"))


def until(client: TestClient, job: Body, ready: Callable[[Body], bool]) -> Body:
    end = time.monotonic() + 30
    while not ready(job):
        assert time.monotonic() < end, job
        time.sleep(0.01)
        job = client.get(job["links"]["self"]).json()
    return job


def problem(answer: Any, status: int, code: str) -> Body:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["code"] == code
    return dict(answer.json())


def stream(client: TestClient, job: Body, after: int | None = None) -> list[tuple[int, str, Body]]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    answer = client.get(job["links"]["events"], headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    sent = []
    for block in re.split(r"(?:\r?\n){2}", answer.text.strip()):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        sent.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return sent


def fetched(client: TestClient, job: Body) -> dict[str, bytes]:
    files = {}
    for file in job["files"]:
        answer = client.get(file["href"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, file["media_type"])
        assert len(answer.content) == file["bytes"] == int(answer.headers["content-length"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        files[file["name"]] = answer.content
    return files


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_mask_job_gives_what_the_direct_route_gives_and_the_cutout_beside_it(client: TestClient) -> None:
    job = hand_in(client)
    JobDocument.model_validate(job)
    files = fetched(client, job)
    assert list(files) == ["mask.png", "cutout.png", "report.json"]
    direct = client.post("/remove-bg", files={"file": PHOTO}).content
    assert files["mask.png"] == direct == client.get(job["links"]["result"]).content
    cutout = client.post("/remove-bg", files={"file": PHOTO}, data={"output": "cutout"}).content
    assert files["cutout.png"] == cutout
    assert json.loads(files["report.json"])["segmenter"] == job["report"]["segmenter"]
    assert job["problem"] is None and job["progress"]["fraction"] == 1.0
    assert {"decode", "segment", "encode"} <= {stage["name"] for stage in job["progress"]["stages"]}


def test_a_cropped_cutout_job_shows_the_same_part_in_both(client: TestClient) -> None:
    job = hand_in(client, output="cutout", crop="true")
    files = fetched(client, job)
    assert list(files)[:2] == ["cutout.png", "mask.png"]
    cutout, mask = picture(files["cutout.png"]), picture(files["mask.png"])
    assert mask.size == cutout.size < (160, 120)
    assert (np.asarray(cutout)[..., 3] == np.asarray(mask)).all()
    assert job["options"]["crop"] is True and job["options"]["quality"] == "balanced"


def test_a_mesh_job_has_its_views_and_its_matte_in_full_size(client: TestClient) -> None:
    job = hand_in(client, "generate-mesh", debug="true")
    files = fetched(client, job)
    assert files["model.glb"][:4] == b"glTF" and job["files"][0]["name"] == "model.glb"
    views = [picture(data) for name, data in files.items() if name.startswith("view-")]
    assert len(views) == 8 and len({view.size for view in views}) == 1
    assert picture(files["preview.png"]).size == (4 * views[0].width, views[0].height)
    assert picture(files["mask.png"]).size == picture(files["cutout.png"]).size == (160, 120)
    assert picture(files["cutout.png"]).mode == "RGBA"
    bundle = zipfile.ZipFile(io.BytesIO(files["debug.zip"])).namelist()
    assert {"model.glb", "report.json", "overview.png"} <= set(bundle)
    front, behind = (np.asarray(views[step]).astype(int) for step in (0, 4))
    assert (np.abs(front - front[0, 0]).sum(axis=-1) > 30).mean() > 0.05  # there is something to see
    assert (np.abs(behind - behind[0, 0]).sum(axis=-1) > 30).mean() > 0.05


def test_an_own_mask_is_taken_in_a_job_too(client: TestClient) -> None:
    own = np.zeros((120, 160), np.uint8)
    own[20:60, 30:90] = 255
    answer = client.post("/jobs?kind=remove-bg", files={"file": PHOTO, "mask": encoded(own)})
    assert answer.status_code == 202
    job = until(client, answer.json(), lambda job: job["state"] == "succeeded")
    assert (np.asarray(picture(fetched(client, job)["mask.png"])) == own).all()


def test_a_broken_picture_fails_its_job_with_the_problem_of_the_direct_route(client: TestClient) -> None:
    job = hand_in(client, photo=PHOTO[:200])
    assert job["state"] == "failed" and job["files"] == []
    direct = client.post("/remove-bg", files={"file": PHOTO[:200]}).json()
    sent = problem(client.get(job["links"]["result"]), direct["status"], direct["code"])
    assert sent == job["problem"]
    assert {**sent, "instance": ""} == {**direct, "instance": ""}


def test_the_job_is_answered_at_once_with_its_address(script: tuple[TestClient, ScriptedRunner]) -> None:
    client, runner = script
    runner.script = endless
    answer = client.post("/jobs", files={"file": PHOTO}, data={"kind": "remove-bg", "quality": "fast"})
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{body['id']}" == body["links"]["self"]
    assert (body["state"], body["attempts"], body["files"]) == ("queued", 0, [])
    assert body["created_at"].endswith("Z") and body["finished_at"] is body["expires_at"] is None
    running = until(client, body, lambda job: job["progress"]["stage"] == "decode")
    assert (running["state"], running["attempts"]) == ("running", 1)
    problem(client.get(body["links"]["result"]), 409, "not-finished")
    problem(client.get(f"/jobs/{body['id']}/files/mask.png"), 404, "not-found")


def test_events_tell_the_whole_story_and_go_on_after_the_last_one_heard(
    script: tuple[TestClient, ScriptedRunner],
) -> None:
    client, _ = script
    job = hand_in(client)
    sent = stream(client, job)
    assert [(number, event) for number, event, _ in sent] == [
        (1, "state"),
        (2, "state"),
        (3, "stage"),
        (4, "stage"),
        (5, "state"),
        (6, "done"),
    ]
    assert sent[2][2] == {"name": "decode", "index": 0, "fraction": 0.0, "seconds_left": None}
    assert sent[-1][2] == client.get(job["links"]["self"]).json()
    assert stream(client, job, after=4) == sent[4:]
    assert client.get(job["links"]["events"], headers={"Last-Event-ID": "6"}).status_code == 204
    problem(client.get(job["links"]["events"], headers={"Last-Event-ID": "all"}), 422, "invalid-parameter")


def test_pages_lead_from_the_newest_to_the_oldest(script: tuple[TestClient, ScriptedRunner]) -> None:
    client, _ = script
    made = [hand_in(client)["id"] for _ in range(5)]
    seen: list[str] = []
    query = "?limit=2"
    for _ in range(3):
        page = client.get(f"/jobs{query}").json()
        seen += [job["id"] for job in page["jobs"]]
        query = f"?limit=2&before={page['next']}"
    assert seen == made[::-1] and page["next"] is None
    for wrong in ("limit=0", "limit=101", "limit=x", "before=../../etc", "before="):
        problem(client.get(f"/jobs?{wrong}"), 422, "invalid-parameter")


def test_a_key_makes_a_retry_safe(script: tuple[TestClient, ScriptedRunner]) -> None:
    client, _ = script

    def send(key: str, **data: str) -> Any:
        headers = {"Idempotency-Key": key}
        return client.post("/jobs", files={"file": PHOTO}, data={"kind": "remove-bg", **data}, headers=headers)

    first, again = send("order 7"), send("order 7")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    problem(send("order 7", quality="best"), 409, "idempotency-conflict")
    for wrong in ("", "x" * 256, "tab\tinside"):
        assert problem(send(wrong), 422, "invalid-parameter")["parameter"] == "Idempotency-Key"
    assert len(client.get("/jobs").json()["jobs"]) == 1


def test_deleting_cancels_what_runs_and_then_removes_it(script: tuple[TestClient, ScriptedRunner]) -> None:
    client, runner = script
    runner.script = endless
    job = client.post("/jobs", files={"file": PHOTO}, data={"kind": "remove-bg"}).json()
    until(client, job, lambda job: job["state"] == "running")
    assert client.delete(job["links"]["self"]).status_code == 204
    cancelled = client.get(job["links"]["self"]).json()
    assert cancelled["state"] == "cancelled" and cancelled["expires_at"] is not None
    problem(client.get(job["links"]["result"]), 409, "cancelled")
    assert [event for _, event, _ in stream(client, job)][-1] == "done"
    assert client.delete(job["links"]["self"]).status_code == 204
    for answer in (client.get(job["links"]["self"]), client.delete(job["links"]["self"])):
        problem(answer, 404, "not-found")


def test_a_removed_job_takes_its_files_along(script: tuple[TestClient, ScriptedRunner], tmp_path: Path) -> None:
    client, _ = script
    job = hand_in(client)
    assert client.get(job["files"][0]["href"]).content == RESULT
    client.delete(job["links"]["self"])
    problem(client.get(job["files"][0]["href"]), 404, "not-found")
    assert not [path for path in (tmp_path / "data" / "jobs").rglob("*") if path.name in (job["id"], "mask.png")]


def test_a_file_is_fetched_again_only_when_it_is_needed(script: tuple[TestClient, ScriptedRunner]) -> None:
    client, _ = script
    href = hand_in(client)["files"][0]["href"]
    first = client.get(href)
    tag = first.headers["etag"]
    assert first.headers["content-disposition"] == 'inline; filename="mask.png"'
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        again = client.get(href, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(href, headers={"If-None-Match": '"other"'}).content == RESULT


def test_one_range_gives_that_part_and_any_other_word_for_one_the_whole_file(
    script: tuple[TestClient, ScriptedRunner],
) -> None:
    client, _ = script
    href = hand_in(client)["links"]["result"]

    def asked(header: str, **others: str) -> tuple[int, bytes]:
        answer = client.get(href, headers={"Range": header, **others})
        return answer.status_code, answer.content

    assert asked("bytes=2-3") == (206, RESULT[2:4])
    assert asked("bytes=2-") == (206, RESULT[2:])
    assert asked("bytes=-2") == (206, RESULT[-2:])
    assert asked("bytes=0-99999999999999") == (206, RESULT)
    for odd in ("bytes=3-2", "bytes=", "bytes=a-b", "bytes=0-1,2-3", "lines=1-2", "=", "bytes=1-" + "9" * 5000):
        assert asked(odd) == (200, RESULT)
    assert asked("bytes=2-3", **{"If-Range": '"another file"'}) == (200, RESULT)
    beyond = client.get(href, headers={"Range": f"bytes={len(RESULT)}-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "out-of-range")
    assert beyond.headers["content-range"] == f"bytes */{len(RESULT)}"
    assert asked("bytes=-0")[0] == 416


@pytest.mark.parametrize(
    "name",
    ["../../jobs.sqlite3", "..%2f..%2fjobs.sqlite3", "%2e%2e/%2e%2e/lock", "file", "photo.png", "mask.png%00", "."],
)
def test_only_files_of_the_jobs_own_list_can_be_fetched(script: tuple[TestClient, ScriptedRunner], name: str) -> None:
    client, _ = script
    answer = client.get(f"/jobs/{hand_in(client)['id']}/files/{name}")
    assert answer.status_code in (404, 405), answer.text
    assert b"SQLite" not in answer.content


@pytest.mark.parametrize("path", ["", "/events", "/result", "/files/mask.png"])
@pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense", "%2e%2e", "' OR 1=1 --", "a" * 5000])
def test_an_unknown_job_is_not_found(script: tuple[TestClient, ScriptedRunner], job_id: str, path: str) -> None:
    assert script[0].get(f"/jobs/{job_id}{path}").status_code == 404


@pytest.mark.parametrize(
    ("files", "data", "code", "parameter"),
    [
        ({"file": PHOTO}, {}, "invalid-parameter", "kind"),
        ({"file": PHOTO}, {"kind": "edit-mask"}, "invalid-parameter", "kind"),
        ({"file": PHOTO}, {"kind": ["remove-bg", "remove-bg"]}, "invalid-parameter", "kind"),
        ({"file": PHOTO, "kind": b"remove-bg"}, {}, "invalid-parameter", "kind"),
        ({"file": PHOTO}, {"kind": "remove-bg", "engine": "relief"}, "invalid-parameter", "engine"),
        ({"file": PHOTO}, {"kind": "remove-bg", "margin": "nan"}, "invalid-parameter", "margin"),
        ({"mask": PHOTO}, {"kind": "remove-bg"}, "missing-file", "file"),
        ({"file": PHOTO, "background": PHOTO}, {"kind": "remove-bg"}, "too-many-files", "background"),
    ],
)
def test_what_cannot_be_a_job_is_refused_at_once(
    script: tuple[TestClient, ScriptedRunner], files: Any, data: Any, code: str, parameter: str
) -> None:
    client, _ = script
    answer = client.post("/jobs", files=files, data=data)
    assert problem(answer, 422, code)["parameter"] == parameter
    assert client.get("/jobs").json() == {"jobs": [], "next": None}


def test_a_job_that_finds_no_object_says_so(script: tuple[TestClient, ScriptedRunner]) -> None:
    client, runner = script

    async def nothing(work: Work, on_stage: OnStage) -> Done:
        on_stage("start")
        raise NoSubjectError("There is nothing in the picture to make a mesh of.")

    runner.script = nothing
    job = hand_in(client, "generate-mesh")
    assert job["problem"]["code"] == "no-subject"
    assert stream(client, job)[-1][2]["problem"] == job["problem"]


def test_a_hit_of_the_cache_is_reported(script: tuple[TestClient, ScriptedRunner]) -> None:
    client, runner = script

    async def hit(work: Work, on_stage: OnStage) -> Done:
        return Done(done().files, cache="hit")

    assert hand_in(client)["cache"] is None
    runner.script = hit
    job = hand_in(client)
    assert (job["state"], job["cache"]) == ("succeeded", "hit")
    runner.script = two_stages


def test_everything_is_documented(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["JobDocument"]["properties"]["kind"]["enum"] == [*JOB_KINDS]
    reports = [each["$ref"] for each in schemas["JobDocument"]["properties"]["report"]["anyOf"] if "$ref" in each]
    assert len(reports) == len(JOB_KINDS) and {name.rpartition("/")[2] for name in reports} <= set(schemas)
    paths = document["paths"]
    assert set(paths["/jobs"]["post"]["responses"]) >= {"200", "202", "409", "422", "413", "503", "507"}
    form = paths["/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["kind"]["enum"] == ["remove-bg", "generate-mesh"]
    assert form["required"] == ["kind", "file"]
    assert {"file", "mask", "crop", "resolution"} <= set(form["properties"])
    assert "text/event-stream" in paths["/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    assert set(paths["/jobs/{job_id}"]) == {"get", "delete"}
