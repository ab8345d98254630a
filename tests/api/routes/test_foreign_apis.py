"""The paths of remove.bg and of rembg's server, as their own clients and documented requests use them."""

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.drawn import encoded, iou, toy
from tests.helpers.in_process import InProcessRunner
from tests.helpers.on_a_socket import on_a_socket

REMOVEBG, REMBG = "/v1.0/removebg", "/api/remove"
PHOTO = encoded(toy()[0])


def service(folder: Path, **more: Any) -> Any:
    folders = {"checkpoints_dir": folder / "checkpoints", "logs_dir": folder / "logs", "data_dir": folder / "data"}
    settings = Settings(**folders, **more)
    return create_app(settings, InProcessRunner(settings))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(service(tmp_path_factory.mktemp("service")), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service on a socket, for clients that are not ours."""
    with on_a_socket(service(tmp_path_factory.mktemp("socket"))) as address:
        yield address


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def is_the_toy(picture: Image.Image) -> bool:
    alpha = np.asarray(picture.getchannel("A") if picture.mode == "RGBA" else picture.convert("L"))
    return iou(alpha > 127, toy()[1]) > 0.9


def test_a_published_client_of_remove_bg_works_when_pointed_here(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = pytest.importorskip("removebg.removebg", reason="the package removebg is not installed")
    monkeypatch.setattr(published, "API_ENDPOINT", f"{address}{REMOVEBG}")
    theirs = published.RemoveBg("any-key", str(tmp_path / "errors.log"))
    photo = tmp_path / "toy.png"
    photo.write_bytes(PHOTO)
    theirs.remove_background_from_img_file(str(photo))
    assert is_the_toy(opened((tmp_path / "toy.png_no_bg.png").read_bytes()))
    theirs.remove_background_from_base64_img(
        base64.b64encode(PHOTO).decode(), size="hd", new_file_name=str(tmp_path / "b64.png"), bg_color="white"
    )
    assert opened((tmp_path / "b64.png").read_bytes()).mode == "RGB"
    with pytest.raises(OSError, match="400"):  # requests' error for the status
        theirs.remove_background_from_img_url("https://example.org/a.jpg")


def test_an_answer_says_its_size_and_that_nothing_was_charged(client: TestClient) -> None:
    answer = client.post(
        REMOVEBG, files={"image_file": PHOTO}, data={"size": "full", "type": "product", "roi": "0% 0% 100% 100%"}
    )
    assert answer.status_code == 200, answer.text
    headers = answer.headers
    assert (headers["x-width"], headers["x-height"]) == ("160", "120")
    assert (headers["x-type"], headers["x-credits-charged"]) == ("other", "0")  # nothing says that it is a product
    assert int(headers["x-foreground-left"]) > 10
    assert is_the_toy(opened(answer.content))


def test_a_zip_has_their_layout_and_no_type_where_none_is_asked_for(client: TestClient) -> None:
    fields = {"format": "zip", "type": "car_part", "type_level": "none"}
    answer = client.post(REMOVEBG, files={"image_file": PHOTO}, data=fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip" and "x-type" not in answer.headers
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["color.jpg", "alpha.png"]


@pytest.mark.parametrize("sent", ["json", "urlencoded", "multipart"])
def test_a_picture_may_come_in_base64(client: TestClient, sent: str) -> None:
    fields = {"image_file_b64": base64.b64encode(PHOTO).decode(), "format": "png", "unknown_new_option": "1"}
    body: dict[str, Any] = {"json": {"json": fields}, "urlencoded": {"data": fields}, "multipart": {
        "files": {name: (None, value) for name, value in fields.items()}}}[sent]  # fmt: skip
    answer = client.post(REMOVEBG, **body)
    assert answer.status_code == 200, answer.text
    assert is_the_toy(opened(answer.content))


def test_an_answer_may_be_json(client: TestClient) -> None:
    answer = client.post(REMOVEBG, files={"image_file": PHOTO}, headers={"Accept": "application/json"})
    data = answer.json()["data"]
    assert is_the_toy(opened(base64.b64decode(data["result_b64"])))
    assert data["foreground_width"] > 50


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"data": {"size": "auto"}}, "missing_source"),
        ({"data": {"image_url": "https://example.org/a.jpg"}}, "invalid_parameter"),
        ({"data": {"image_file_b64": "***"}}, "invalid_parameter"),
        ({"files": {"image_file": PHOTO}, "data": {"size": "huge"}}, "invalid_parameter"),
        ({"files": {"image_file": PHOTO}, "data": {"type": "ship"}}, "invalid_parameter"),
        ({"files": {"image_file": PHOTO}, "data": {"format": "psd"}}, "invalid_parameter"),
        ({"files": {"image_file": PHOTO}, "data": {"roi": "1 2"}}, "invalid_parameter"),
        ({"files": {"image_file": b"no picture"}}, "unsupported_image_type"),
        ({"files": {"image_file": encoded(np.full((40, 40, 3), 90, np.uint8))}}, "unknown_foreground"),
    ],
)
def test_an_error_has_their_form(client: TestClient, fields: dict[str, Any], code: str) -> None:
    answer = client.post(REMOVEBG, **fields)
    assert answer.status_code == 400, answer.text
    (error,) = answer.json()["errors"]
    assert error["code"] == code and error["title"].endswith(".")


def test_an_account_never_runs_out(client: TestClient) -> None:
    attributes = client.get("/v1.0/account").json()["data"]["attributes"]
    assert attributes["credits"]["total"] > 0 and attributes["api"]["sizes"] == "all"


def test_a_wrong_key_is_refused_in_their_form(tmp_path: Path) -> None:
    with TestClient(service(tmp_path, api_key="secret")) as guarded:
        refused = guarded.get("/v1.0/account", headers={"X-Api-Key": "wrong"})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "auth_failed")
        assert guarded.get("/v1.0/account", headers={"X-Api-Key": "secret"}).status_code == 200


def test_rembgs_documented_request_is_answered(address: str) -> None:
    # Of its README: curl -s -F file=@/path/to/input.jpg "http://localhost:7000/api/remove" -o output.png
    answer = httpx.post(f"{address}{REMBG}", files={"file": ("input.jpg", PHOTO)}, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert is_the_toy(opened(answer.content))


@pytest.mark.parametrize("place", ["data", "params"])
def test_rembgs_parameters_are_followed(client: TestClient, place: str) -> None:
    mask = client.post(REMBG, files={"file": PHOTO}, **{place: {"om": "true", "ppm": "true", "af": "230"}})
    assert opened(mask.content).mode == "L" and "af had no effect" in mask.headers["x-notes"]
    ground = client.post(REMBG, files={"file": PHOTO}, **{place: {"bgc": "10,20,30,255", "model": "border"}})
    assert opened(ground.content).getpixel((1, 1)) == (10, 20, 30)
    clear = client.post(REMBG, files={"file": PHOTO}, **{place: {"bgc": "0,0,0,0"}})
    assert opened(clear.content).mode == "RGBA"


@pytest.mark.parametrize(
    "fields", [{"bgc": "red"}, {"bgc": "1,2"}, {"bgc": "1,2,3,128"}, {"om": "perhaps"}, {"model": "../x"}]
)
def test_what_rembg_would_not_take_is_refused_with_a_detail(client: TestClient, fields: dict[str, str]) -> None:
    answer = client.post(REMBG, files={"file": PHOTO}, data=fields)
    assert answer.status_code == 422 and answer.json()["detail"]


def test_both_paths_can_be_turned_off(tmp_path: Path) -> None:
    with TestClient(service(tmp_path, foreign_apis=False)) as closed:
        assert closed.post(REMOVEBG, files={"image_file": PHOTO}).status_code == 404
        assert closed.post(REMBG, files={"file": PHOTO}).status_code == 404
        assert not {"/v1.0/removebg", "/api/remove"} & set(closed.get("/openapi.json").json()["paths"])
