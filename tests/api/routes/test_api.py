"""The service as a client sees it, on the embedded engines."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from starlette.testclient import TestClient

from backend.contract.settings import Settings
from backend.main import create_app
from backend.mesh.obj import obj_files
from tests.helpers.drawn import encoded, iou, toy
from tests.helpers.in_process import InProcessRunner


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("service")
    settings = Settings(checkpoints_dir=folder / "checkpoints", logs_dir=folder / "logs")
    with TestClient(create_app(settings, InProcessRunner(settings)), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def photo() -> bytes:
    return encoded(toy()[0])


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_photo_becomes_a_grey_mask_of_its_own_size(client: TestClient, photo: bytes) -> None:
    answer = client.post("/remove-bg", files={"file": photo})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    mask = opened(answer.content)
    assert (mask.mode, mask.size) == ("L", (160, 120))
    assert iou(np.asarray(mask) > 127, toy()[1]) > 0.9


def test_every_result_has_its_times_its_id_and_its_engine(client: TestClient, photo: bytes) -> None:
    answer = client.post("/remove-bg", files={"file": photo}, headers={"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    for stage in ("decode", "segment", "encode"):
        assert f"{stage};dur=" in answer.headers["server-timing"]
    assert "border" in answer.headers["x-notes"]
    assert "models fetch u2net" in answer.headers["x-notes"]


def test_an_unsafe_request_id_is_replaced(client: TestClient) -> None:
    given = client.get("/healthz", headers={"X-Request-ID": "../../etc"}).headers["x-request-id"]
    assert given.isalnum()


def test_a_cutout_has_the_objects_colour_and_nothing_of_the_ground(client: TestClient, photo: bytes) -> None:
    cutout = opened(client.post("/remove-bg", files={"file": photo}, data={"output": "cutout"}).content)
    assert (cutout.mode, cutout.size) == ("RGBA", (160, 120))
    pixels = np.asarray(cutout)
    assert (pixels[pixels[..., 3] == 0] == 0).all()
    visible = pixels[pixels[..., 3] > 20][:, :3].astype(int)
    assert np.abs(visible - np.median(visible, axis=0)).max() < 80  # the ground is 150 away in green and blue


def test_a_background_colour_lies_behind_the_cutout(client: TestClient, photo: bytes) -> None:
    picture = opened(client.post("/remove-bg", files={"file": photo}, data={"background": "#00ff00"}).content)
    assert picture.mode == "RGB"
    assert picture.getpixel((2, 2)) == (0, 255, 0)


def test_a_crop_holds_the_object_and_its_margin(client: TestClient, photo: bytes) -> None:
    tight = opened(client.post("/remove-bg", files={"file": photo}, data={"crop": "true"}).content)
    wide = opened(client.post("/remove-bg", files={"file": photo}, data={"crop": "true", "margin": "0.1"}).content)
    assert tight.width < wide.width < 160
    assert np.asarray(tight)[:, 0].max() > 0


def test_json_holds_the_report_and_the_file(client: TestClient, photo: bytes) -> None:
    answer = client.post("/remove-bg", files={"file": photo}, headers={"Accept": "application/json"})
    body = answer.json()
    assert opened(base64.b64decode(body["result"]["base64"])).size == (160, 120)
    report = body["report"]
    assert report["segmenter"]["name"] == "border"
    assert report["image"]["width"] == 160
    assert report["mask"]["grade"] in "ABCDE"
    assert {"id": "border", "licence": "MIT", "commercial_use": True} in report["models"]
    assert {stage["name"] for stage in report["stages"]} >= {"decode", "segment", "encode"}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json, text/plain, */*", "application/json"),
        ("image/png;q=0.5, application/json;q=0.9", "application/json"),
        ("text/html, application/json;q=0.9", "application/json"),
        ("application/json;q=0", "image/png"),
        ("application/json;q=0.1, */*;q=0.5", "image/png"),
        ("application/json;q=nonsense,", "application/json"),
        ("application/*", "image/png"),
        ("", "image/png"),
    ],
)
def test_the_weights_of_an_accept_header_are_followed(
    client: TestClient, photo: bytes, accept: str, media_type: str
) -> None:
    answer = client.post("/remove-bg", files={"file": photo}, headers={"Accept": accept})
    assert answer.headers["content-type"] == media_type


def test_the_debug_zip_holds_the_result_the_report_and_the_intermediates(client: TestClient, photo: bytes) -> None:
    answer = client.post("/generate-mesh", files={"file": photo}, data={"debug": "true"})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert {"model.glb", "report.json", "overview.png", "01-photo.png"} <= set(names)
        assert any(name.endswith("-saliency.png") for name in names)
        assert any(name.endswith("-mesh.png") for name in names)
        assert json.loads(archive.read("report.json"))["engine"]["name"] == "form"


def test_a_photo_becomes_a_closed_mesh_that_looks_like_its_mask(client: TestClient, photo: bytes) -> None:
    answer = client.post("/generate-mesh", files={"file": photo}, headers={"Accept": "application/json"})
    report = answer.json()["report"]
    assert report["mesh"]["watertight"]
    assert report["mesh"]["silhouette_iou"] > 0.95
    assert report["fusion"]["strategy"] == "segmentation"
    assert report["fusion"]["reasons"]
    assert answer.json()["result"]["media_type"] == "model/gltf-binary"


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("glb", "model/gltf-binary"),
        ("obj", "application/zip"),
        ("ply", "application/octet-stream"),
        ("stl", "model/stl"),
    ],
)
def test_every_format_opens_again_and_stands_upright(
    client: TestClient, photo: bytes, kind: str, media_type: str
) -> None:
    answer = client.post("/generate-mesh", files={"file": photo}, data={"format": kind})
    assert answer.headers["content-type"].split(";")[0] == media_type
    data = obj_files(answer.content, "toy")["toy.obj"] if kind == "obj" else answer.content
    mesh = trimesh.load(io.BytesIO(data), file_type=kind, force="mesh")
    assert len(mesh.faces) > 500
    x, y, z = mesh.extents
    assert x > y > z  # the toy with its handle is wider than tall, and flatter than both


@pytest.mark.parametrize("route", ["/remove-bg", "/generate-mesh"])
def test_an_own_mask_is_used_as_it_is(client: TestClient, photo: bytes, route: str) -> None:
    own = np.zeros((120, 160), np.uint8)
    own[30:90, 40:100] = 255
    answer = client.post(route, files={"file": photo, "mask": encoded(own)}, headers={"Accept": "application/json"})
    report = answer.json()["report"]
    assert report["segmenter"]["name"] == "own-mask"
    if route == "/remove-bg":
        assert np.array_equal(np.asarray(opened(base64.b64decode(answer.json()["result"]["base64"]))), own)


def test_a_mask_of_another_shape_is_refused_and_one_of_another_size_is_fitted(client: TestClient, photo: bytes) -> None:
    half = np.full((60, 80), 255, np.uint8)
    assert client.post("/remove-bg", files={"file": photo, "mask": encoded(half)}).status_code == 200
    square = np.full((60, 60), 255, np.uint8)
    answer = client.post("/remove-bg", files={"file": photo, "mask": encoded(square)})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter")


def test_real_transparency_is_the_mask_unless_switched_off(client: TestClient) -> None:
    image, mask = toy()
    half = np.where(mask & (np.arange(mask.shape[1]) < mask.shape[1] // 2), 255, 0).astype(np.uint8)
    cutout = encoded(np.dstack([image, half]))
    own = np.asarray(opened(client.post("/remove-bg", files={"file": cutout}).content))
    assert half.any() and np.array_equal(own, half)
    fresh = np.asarray(opened(client.post("/remove-bg", files={"file": cutout}, data={"use_alpha": "false"}).content))
    assert iou(fresh > 127, mask) > 0.9


def test_the_mask_has_the_size_of_the_upright_photo(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    answer = client.post("/remove-bg", files={"file": encoded(toy()[0], "JPEG", exif=exif.tobytes())})
    assert opened(answer.content).size == (120, 160)


@pytest.mark.parametrize(
    ("route", "file", "data", "status", "code"),
    [
        ("/remove-bg", b"", {}, 422, "empty-file"),
        ("/remove-bg", b"8BPS" + b"\0" * 40, {}, 415, "unsupported-image-type"),
        ("/remove-bg", encoded(toy()[0])[:500], {}, 422, "image-corrupt"),
        ("/remove-bg", encoded(toy()[0]), {"model": "u2net"}, 503, "model-unavailable"),
        ("/remove-bg", encoded(toy()[0]), {"model": "unknown-model"}, 422, "invalid-parameter"),
        ("/remove-bg", encoded(toy()[0]), {"model": "bria-rmbg"}, 503, "model-unavailable"),
        ("/generate-mesh", encoded(toy()[0]), {"engine": "triposr"}, 503, "model-unavailable"),
        ("/generate-mesh", encoded(toy()[0]), {"resolution": "5000"}, 422, "invalid-parameter"),
        ("/generate-mesh", encoded(np.zeros((50, 50, 4), np.uint8)), {}, 422, "no-subject"),
    ],
)
def test_a_fault_gets_its_status_and_code(
    client: TestClient, route: str, file: bytes, data: dict[str, str], status: int, code: str
) -> None:
    answer = client.post(route, files={"file": ("secret-name.png", file)}, data=data)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert "secret-name" not in answer.text
    assert "Traceback" not in answer.text


def test_an_absent_model_names_the_one_command_that_fetches_it(client: TestClient, photo: bytes) -> None:
    answer = client.post("/remove-bg", files={"file": photo}, data={"model": "u2net"})
    assert "python -m backend models fetch u2net" in answer.json()["detail"]


def test_a_blank_picture_gives_an_empty_mask_with_a_note(client: TestClient) -> None:
    answer = client.post("/remove-bg", files={"file": encoded(np.full((60, 80, 3), 180, np.uint8))})
    assert answer.status_code == 200
    assert np.asarray(opened(answer.content)).max() == 0
    assert "x-notes" in answer.headers


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/jobs", "GET, POST, HEAD"), ("/jobs/x", "DELETE, GET, HEAD"), ("/remove-bg", "POST"), ("/healthz", "GET, HEAD")],
)
def test_a_refused_method_names_all_that_the_address_supports(client: TestClient, path: str, allowed: str) -> None:
    for method in ("OPTIONS", "TRACE", "PATCH"):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/nowhere", 404), ("get", "/remove-bg", 405)])
def test_the_frameworks_own_errors_are_problems_too(client: TestClient, method: str, path: str, status: int) -> None:
    answer = getattr(client, method)(path)
    assert answer.status_code == status == answer.json()["status"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_bug_gets_a_500_without_its_traceback(
    client: TestClient, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.pipeline.score_matte", lambda alpha: 1 // 0)
    answer = client.post("/remove-bg", files={"file": photo})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-request-id"]


def test_health_names_the_engines_and_why_a_stand_in_is_in_use(client: TestClient) -> None:
    engines = client.get("/health").json()["engines"]
    assert {role: row["auto"] for role, row in engines.items()} == {
        "segmenter": "border",
        "depth": "none",
        "mesh": "form",
    }
    assert "models fetch triposr" in engines["mesh"]["why"]


def test_models_lists_licences_and_what_is_here(client: TestClient) -> None:
    rows = {row["name"]: row for row in client.get("/models").json()}
    assert rows["border"]["state"] == "embedded"
    assert rows["bria-rmbg"]["commercial_use"] is False
    assert rows["triposr"]["licence"] == "MIT"
    assert rows["triposr"]["state"] == "absent"


def test_openapi_documents_every_option_with_its_range_and_every_error(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    mesh = document["paths"]["/generate-mesh"]["post"]
    fields = mesh["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert (fields["resolution"]["minimum"], fields["resolution"]["maximum"]) == (32, 512)
    assert fields["engine"]["enum"] == ["auto", "triposr", "form", "relief"]
    assert all("description" in field for field in fields.values())
    assert set(mesh["responses"]) >= {"200", "413", "415", "422", "500", "503", "507"}
    for status, response in mesh["responses"].items():
        if status != "200":
            assert list(response["content"]) == ["application/problem+json"]
    assert "`no-subject`" in mesh["responses"]["422"]["description"]
    assert "ProblemBody" in document["components"]["schemas"]


def test_the_documentation_page_asks_no_other_server(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_a_debug_folder_gets_a_bundle_for_each_request(photo: bytes, tmp_path: Path) -> None:
    settings = Settings(checkpoints_dir=tmp_path / "c", logs_dir=tmp_path / "logs", debug_dir=tmp_path / "debug")
    with TestClient(create_app(settings, InProcessRunner(settings))) as client:
        answer = client.post("/remove-bg", files={"file": photo})
    folder = tmp_path / "debug" / answer.headers["x-request-id"]
    assert (folder / "mask.png").read_bytes() == answer.content
    assert (folder / "overview.png").exists()


def test_a_debug_folder_that_cannot_be_written_costs_the_bundle_and_not_the_answer(
    photo: bytes, tmp_path: Path
) -> None:
    settings = Settings(checkpoints_dir=tmp_path / "c", logs_dir=tmp_path / "logs", debug_dir=Path("/dev/null/x"))
    with TestClient(create_app(settings, InProcessRunner(settings))) as client:
        assert client.post("/remove-bg", files={"file": photo}).status_code == 200
