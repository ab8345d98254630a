"""`/edit-mask` and `/add-background` as a client sees them."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.document_scenes import f_score, photographed, signature
from tests.helpers.drawn import encoded, toy
from tests.helpers.in_process import InProcessRunner

IMAGE, MASK = toy()
PHOTO = encoded(IMAGE)
DAB = {"x": 20, "y": 30, "radius": 8, "mode": "add"}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("editing")
    settings = Settings(checkpoints_dir=folder / "c", logs_dir=folder / "logs", data_dir=folder / "data")
    with TestClient(create_app(settings, InProcessRunner(settings)), raise_server_exceptions=False) as client:
        yield client


def grey(levels: np.ndarray) -> bytes:
    return encoded(levels.astype(np.uint8))


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def levels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 160)).astype(np.uint8)


def drawn(*strokes: dict[str, object]) -> dict[str, str]:
    return {"strokes": json.dumps(strokes)}


def edit(client: TestClient, **request: object) -> np.ndarray:
    answer = client.post("/edit-mask", **request)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return opened(answer.content)


def test_a_stroke_changes_its_own_bytes_and_no_others(client: TestClient) -> None:
    answer = client.post("/edit-mask", files={"mask": grey(levels())}, data=drawn(DAB))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    edited = opened(answer.content)
    y, x = np.mgrid[:120, :160] + 0.5
    distance = np.hypot(x - 20, y - 30)
    assert np.array_equal(edited[distance > 8.6], levels()[distance > 8.6])
    assert (edited[distance < 7.4] == 255).all()


def test_no_stroke_gives_the_same_mask_and_says_so(client: TestClient) -> None:
    for data in ({}, {"strokes": "[]", "clicks": "[]"}):
        answer = client.post("/edit-mask", files={"mask": grey(levels())}, data=data)
        assert np.array_equal(opened(answer.content), levels())
        assert "Nothing was changed" in answer.headers["x-notes"]


def test_a_cutout_is_edited_by_its_transparency(client: TestClient) -> None:
    cutout = np.dstack([IMAGE, levels()])
    edited = opened(client.post("/edit-mask", files={"mask": encoded(cutout)}, data=drawn(DAB)).content)
    assert edited.shape == (120, 160)
    assert np.array_equal(edited[60:], levels()[60:])


def test_a_cutout_that_keeps_everything_is_a_full_mask(client: TestClient) -> None:
    full = np.dstack([IMAGE, np.full((120, 160), 255, np.uint8)])
    edited = edit(client, files={"mask": encoded(full)}, data=drawn({**DAB, "mode": "remove"}))
    assert edited[100, 100] == 255
    assert edited[30, 20] == 0


@pytest.mark.parametrize(
    ("file", "source"),
    [(encoded(np.dstack([IMAGE, levels()])), "own-alpha"), (encoded(levels()), "own-mask"), (PHOTO, "border")],
    ids=["a cutout", "a mask", "a photo"],
)
def test_a_file_alone_brings_the_mask_that_is_edited(client: TestClient, file: bytes, source: str) -> None:
    answer = client.post("/edit-mask", files={"file": file}, data=drawn(DAB), headers=JSON).json()
    assert answer["report"]["edit"]["mask_from"] == source
    edited = opened(base64.b64decode(answer["result"]["base64"]))
    before = opened(client.post("/remove-bg", files={"file": PHOTO}).content) if source == "border" else levels()
    assert edited.shape == before.shape == (120, 160)
    assert (edited[26:35, 16:25] == 255).all()
    assert np.array_equal(edited[40:], before[40:])


def test_a_photo_alone_is_refined_and_clicked(client: TestClient) -> None:
    data = {**drawn(DAB), "refine": "true", "clicks": '[{"x": 60, "y": 60, "mode": "keep"}]'}
    answer = client.post("/edit-mask", files={"file": PHOTO}, data=data, headers=JSON).json()
    assert answer["report"]["edit"]["clicks"] == ["already"]


def test_a_photo_turned_by_exif_and_its_upright_mask_fit(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(np.rot90(IMAGE).copy(), "JPEG", exif=exif)
    edited = edit(client, files={"mask": grey(levels()), "file": turned}, data={**drawn(DAB), "refine": "true"})
    assert edited.shape == (120, 160)
    assert edit(client, files={"file": turned}, data=drawn(DAB)).shape == (120, 160)


def test_a_colour_in_another_form_is_refused_in_plain_words(client: TestClient) -> None:
    answer = client.post("/add-background", files={"file": encoded(cutout())}, data={"color": "red"})
    assert "#rrggbb" in answer.json()["detail"]
    assert "pattern" not in answer.json()["detail"]


def test_a_click_brings_a_missing_handle_back(client: TestClient) -> None:
    spoiled = np.where(np.indices(MASK.shape)[1] > 97, 0, MASK * 255)
    row, column = np.argwhere(MASK & (np.indices(MASK.shape)[1] > 110))[0]
    clicks = json.dumps([{"x": int(column) + 0.5, "y": int(row) + 1.5, "mode": "keep"}])
    answer = client.post(
        "/edit-mask", files={"mask": grey(spoiled), "file": PHOTO}, data={"clicks": clicks}, headers=JSON
    )
    report = answer.json()["report"]
    assert report["edit"]["clicks"] == ["added"]
    assert report["mask"]["grade"] in "ABCDE"
    mask = opened(base64.b64decode(answer.json()["result"]["base64"])) > 127
    assert (mask & MASK).sum() / (mask | MASK).sum() > 0.97


def test_refining_moves_a_sloppy_stroke_to_the_edge(client: TestClient) -> None:
    spoiled = np.where(np.indices(MASK.shape)[0] > 85, 0, MASK * 255)
    stroke = {"points": [[34, 91], [93, 91]], "radius": 10, "hardness": 0.8, "mode": "add"}
    request = {"files": {"mask": grey(spoiled), "file": PHOTO}}
    wrong = [
        ((edit(client, data={**drawn(stroke), "refine": refine}, **request) > 127) != MASK).sum()
        for refine in ("false", "true")
    ]
    assert wrong[1] < 0.6 * wrong[0]


def test_debug_gives_the_mask_before_and_after(client: TestClient) -> None:
    answer = client.post("/edit-mask", files={"mask": grey(levels())}, data={**drawn(DAB), "debug": "true"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {"mask.png", "report.json", "01-mask-before.png", "02-strokes.png"} <= set(archive.namelist())


@pytest.mark.parametrize(
    ("files", "data", "code", "parameter"),
    [
        ({}, {}, "missing-file", "file"),
        ({"strokes": (None, "[]")}, {}, "missing-file", "mask"),
        ({"background": PHOTO}, {}, "too-many-files", "background"),
        ({"file": grey(np.zeros((60, 80)))}, {"refine": "true"}, "missing-file", "mask"),
        ({"mask": b""}, {}, "empty-file", "mask"),
        ({"mask": b"8BPS" + b"\0" * 40}, {}, "unsupported-image-type", None),
        ({"mask": PHOTO, "file": PHOTO[:400]}, {}, "image-corrupt", None),
        ({"mask": PHOTO}, {"refine": "true"}, "missing-file", "file"),
        ({"mask": PHOTO}, {"clicks": '[{"x": 1, "y": 1, "mode": "keep"}]'}, "missing-file", "file"),
        ({"mask": grey(np.zeros((60, 80))), "file": PHOTO}, {"refine": "true"}, "invalid-parameter", "mask"),
        ({"mask": PHOTO}, {"strokes": "nonsense"}, "invalid-parameter", "strokes"),
        (
            {"mask": PHOTO},
            drawn({**DAB, "radius": 0}),
            "invalid-parameter",
            "strokes",
        ),
        ({"mask": PHOTO}, {"strokes": "[" + " " * 300_000 + "]"}, "invalid-parameter", "strokes"),
        ({"mask": PHOTO}, {"clicks": '[{"x": 1}]'}, "invalid-parameter", "clicks"),
        ({"mask": PHOTO}, {"refine": "perhaps"}, "invalid-parameter", "refine"),
        ({"mask": PHOTO}, {"quality": "best"}, "invalid-parameter", "quality"),
        ({"mask": PHOTO, "background": PHOTO}, {}, "too-many-files", "background"),
    ],
)
def test_a_faulty_edit_gets_its_code_and_field(
    client: TestClient, files: dict[str, object], data: dict[str, str], code: str, parameter: str | None
) -> None:
    body = client.post("/edit-mask", files=files, data=data).json()
    assert body["code"] == code
    assert body.get("parameter") == parameter


def test_strokes_may_be_as_long_as_a_quarter_megabyte(client: TestClient) -> None:
    line = {"points": [[10.125 + i / 1000, 20.25] for i in range(9_990)], "radius": 2, "mode": "add"}
    text = json.dumps([line])
    assert 150_000 < len(text) < 256 * 1024
    assert client.post("/edit-mask", files={"mask": grey(levels())}, data={"strokes": text}).status_code == 200


def cutout() -> np.ndarray:
    alpha = np.where(MASK, 255, 0).astype(np.uint8)
    alpha[50:60] = 128
    return np.dstack([IMAGE, alpha])


def test_a_colour_lies_behind_a_cutout(client: TestClient) -> None:
    answer = client.post("/add-background", files={"file": encoded(cutout())}, data={"color": "#00ff80"})
    assert answer.headers["content-type"] == "image/png"
    assert 'filename="background.png"' in answer.headers["content-disposition"]
    picture = opened(answer.content)
    assert picture.shape == (120, 160, 3)
    alpha = cutout()[..., 3]
    assert (picture[alpha == 0] == (0, 255, 128)).all()
    assert np.array_equal(picture[alpha == 255], IMAGE[alpha == 255])
    half = (IMAGE[alpha == 128] * (128 / 255) + np.array((0, 255, 128)) * (127 / 255)).round()
    assert np.abs(picture[alpha == 128] - half).max() <= 1


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_a_picture_lies_behind_the_cutout_and_the_object_before_it(client: TestClient, fit: str) -> None:
    behind = np.full((50, 200, 3), (10, 20, 230), np.uint8)
    files = {"file": encoded(cutout()), "background": encoded(behind)}
    picture = opened(client.post("/add-background", files=files, data={"fit": fit, "color": "#ff0000"}).content)
    assert np.array_equal(picture[..., :3][MASK & (cutout()[..., 3] == 255)], IMAGE[MASK & (cutout()[..., 3] == 255)])
    assert tuple(picture[2, 2]) == ((255, 0, 0) if fit == "contain" else (10, 20, 230))
    assert tuple(picture[60, 2]) == (10, 20, 230)


def test_contain_without_a_colour_is_transparent_in_png_and_white_in_jpeg(client: TestClient) -> None:
    behind = np.full((50, 200, 3), (10, 20, 230), np.uint8)
    files = {"file": encoded(cutout()), "background": encoded(behind)}
    png = opened(client.post("/add-background", files=files, data={"fit": "contain"}).content)
    assert png.shape[2] == 4
    assert png[2, 2, 3] == 0
    assert (png[MASK][:, 3] >= 128).all()
    answer = client.post("/add-background", files=files, data={"fit": "contain", "format": "jpeg"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert 'filename="background.jpg"' in answer.headers["content-disposition"]
    assert (opened(answer.content)[2, 2] > 250).all()
    assert "white" in answer.headers["x-notes"]


def test_a_photo_and_its_mask_leave_no_halo_of_the_old_ground(client: TestClient) -> None:
    alpha = np.asarray(Image.fromarray((MASK * 255).astype(np.uint8)).resize((160, 120)), np.uint8)
    soft = np.array(Image.fromarray(alpha).resize((80, 60)).resize((160, 120)))
    files = {"file": PHOTO, "mask": grey(soft)}
    picture = opened(client.post("/add-background", files=files, data={"color": "#000000"}).content).astype(int)
    rim = (soft > 100) & (soft < 200)
    assert rim.any()
    ground_left = picture[rim][:, 2] / soft[rim] * 255  # the ground has 190 in blue, the object at most 35
    assert np.median(ground_left) < 90


def test_a_background_is_turned_upright(client: TestClient) -> None:
    turned = np.zeros((160, 120, 3), np.uint8)
    turned[:80] = (250, 250, 250)
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is the upright picture's right side
    files = {"file": encoded(cutout()), "background": encoded(turned, "PNG", exif=exif)}
    picture = opened(client.post("/add-background", files=files).content)
    assert (picture[2, 157] == 250).all()
    assert (picture[2, 2] == 0).all()


def test_a_frame_has_the_asked_size_and_the_object_its_margin(client: TestClient) -> None:
    data = {"color": "#ffffff", "width_px": "400", "height_px": "500", "margin": "0.1"}
    picture = opened(client.post("/add-background", files={"file": encoded(cutout())}, data=data).content)
    assert picture.shape == (500, 400, 3)
    rows, columns = np.nonzero((picture != 255).any(axis=2))
    assert min(rows.min(), columns.min(), 499 - rows.max(), 399 - columns.max()) == pytest.approx(40, abs=2)


def test_an_object_is_scaled_and_moved(client: TestClient) -> None:
    files, frame = {"file": encoded(cutout())}, {"color": "transparent", "width_px": "320", "height_px": "240"}
    plain = opened(client.post("/add-background", files=files, data=frame).content)[..., 3] / 255
    moves = {"scale": "0.5", "shift_x": "0.25", "shift_y": "-0.1"}
    moved = opened(client.post("/add-background", files=files, data={**frame, **moves}).content)[..., 3] / 255
    assert moved.sum() == pytest.approx(plain.sum() / 4, rel=0.03)
    box = [np.array([axis.min(), axis.max()]).mean() for one in (plain, moved) for axis in np.nonzero(one > 0.1)]
    assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((-24, 80), abs=2)


def test_a_gradient_passes_from_one_colour_to_the_other(client: TestClient) -> None:
    files = {"file": encoded(cutout())}
    for way, first, last in (("down", (0, 1), (-1, 1)), ("across", (1, 0), (1, -1)), ("round", (0, 0), None)):
        data = {"color": "#ff0000", "color_to": "#0000ff", "gradient": way}
        picture = opened(client.post("/add-background", files=files, data=data).content).astype(int)
        if last is None:  # the corner is the end
            assert np.abs(picture[first] - (0, 0, 255)).max() < 6
        else:
            assert np.abs(picture[first] - (255, 0, 0)).max() < 6 and np.abs(picture[last] - (0, 0, 255)).max() < 6


def test_a_photos_own_ground_is_blurred_and_the_object_stays_sharp(client: TestClient) -> None:
    files = {"file": PHOTO, "mask": grey(MASK * 255)}
    picture = opened(client.post("/add-background", files=files, data={"blur": "0.03"}).content).astype(int)
    inside = cutout()[..., 3] == 255
    assert np.array_equal(picture[inside], IMAGE[inside])
    ground = ~MASK
    assert np.abs(picture[ground] - np.median(IMAGE[ground], axis=0)).max() < 60  # no glow of the object
    assert picture[ground].std(axis=0).mean() <= IMAGE[ground].std(axis=0).mean()


def test_a_shadow_falls_on_nothing_as_half_clear_black(client: TestClient) -> None:
    files, data = {"file": encoded(cutout())}, {"color": "transparent", "shadow": "contact"}
    picture = opened(client.post("/add-background", files=files, data=data).content)
    shadow = (cutout()[..., 3] == 0) & (picture[..., 3] > 20)
    assert shadow.any() and (picture[shadow][:, :3] == 0).all() and (picture[shadow][:, 3] < 150).all()
    on_white = {**data, "color": "#ffffff"}
    white = opened(client.post("/add-background", files=files, data=on_white).content).astype(int)
    laid = 255 - picture[shadow][:, 3].astype(int)
    assert np.abs(white[shadow][:, 0] - laid).max() <= 1  # the same on white, now or later
    jpeg = client.post("/add-background", files=files, data={**data, "format": "jpeg"})
    assert "white" in jpeg.headers["x-notes"]


def test_a_lower_quality_makes_a_smaller_jpeg(client: TestClient) -> None:
    files = {"file": encoded(cutout())}
    sizes = [
        len(
            client.post(
                "/add-background", files=files, data={"color": "#123456", "format": "jpeg", "quality": q}
            ).content
        )
        for q in ("20", "95")
    ]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("files", "data", "code", "parameter"),
    [
        ({"mask": PHOTO}, {"color": "#ffffff"}, "missing-file", "file"),
        ({"file": PHOTO}, {"color": "#ffffff"}, "missing-file", "mask"),
        ({"file": encoded(cutout())}, {}, "invalid-parameter", "color"),
        ({"file": encoded(cutout())}, {"color": "red"}, "invalid-parameter", "color"),
        ({"file": encoded(cutout())}, {"background": "#ffffff"}, "invalid-parameter", "background"),
        ({"file": encoded(cutout())}, {"color": "#ffffff", "fit": "fill"}, "invalid-parameter", "fit"),
        ({"file": encoded(cutout())}, {"color": "#ffffff", "format": "gif"}, "invalid-parameter", "format"),
        ({"file": encoded(cutout())}, {"color": "#ffffff", "quality": "0"}, "invalid-parameter", "quality"),
        ({"file": encoded(cutout())}, {"color_to": "#ffffff"}, "invalid-parameter", "color_to"),
        ({"file": encoded(cutout())}, {"color": "#000", "color_to": "transparent"}, "invalid-parameter", "color_to"),
        ({"file": encoded(cutout())}, {"blur": "0.02"}, "invalid-parameter", "blur"),
        ({"file": encoded(cutout())}, {"color": "#000", "blur": "0.5"}, "invalid-parameter", "blur"),
        ({"file": PHOTO, "mask": grey(MASK * 255)}, {"color": "#000", "blur": "0.02"}, "invalid-parameter", "blur"),
        ({"file": encoded(cutout())}, {"color": "#000", "width_px": "90"}, "invalid-parameter", "height_px"),
        ({"file": encoded(cutout())}, {"color": "#000", "height_px": "90"}, "invalid-parameter", "height_px"),
        (
            {"file": encoded(cutout())},
            {"color": "#000", "width_px": "16000", "height_px": "16000"},
            "invalid-parameter",
            "width_px",
        ),
        ({"file": encoded(cutout())}, {"color": "#000", "margin": "0.5"}, "invalid-parameter", "margin"),
        ({"file": encoded(cutout())}, {"color": "#000", "scale": "0"}, "invalid-parameter", "scale"),
        ({"file": encoded(cutout())}, {"color": "#000", "shift_x": "nan"}, "invalid-parameter", "shift_x"),
        ({"file": encoded(cutout()), "background": b"8BPS" + b"\0" * 40}, {}, "unsupported-image-type", None),
        ({"file": encoded(cutout()), "background": PHOTO[:400]}, {}, "image-corrupt", None),
        ({"file": PHOTO, "mask": grey(np.zeros((60, 60)))}, {"color": "#ffffff"}, "invalid-parameter", "mask"),
    ],
)
def test_a_faulty_background_gets_its_code_and_field(
    client: TestClient, files: dict[str, bytes], data: dict[str, str], code: str, parameter: str | None
) -> None:
    body = client.post("/add-background", files=files, data=data).json()
    assert body["code"] == code
    assert body.get("parameter") == parameter


def test_openapi_documents_the_parts_and_options_of_both(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    bodies = {
        path: paths[path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        for path in ("/edit-mask", "/add-background")
    }
    assert set(bodies["/edit-mask"]["properties"]) == {"mask", "file", "strokes", "refine", "clicks", "debug"}
    assert bodies["/edit-mask"]["required"] == []
    assert set(bodies["/add-background"]["properties"]) >= {"file", "mask", "background", "color", "fit", "format"}
    assert all("description" in field for body in bodies.values() for field in body["properties"].values())
    assert {"413", "415", "422", "503", "507"} <= set(paths["/edit-mask"]["post"]["responses"])
    assert "$ref" not in json.dumps(bodies)


def test_a_signature_comes_out_of_its_paper_over_http(client: TestClient) -> None:
    truth = signature(240, 380)
    photo = encoded(photographed(truth, (30, 50, 160), "gradient"))
    answer = client.post(
        "/remove-bg", files={"file": photo}, data={"mode": "document", "output": "cutout"}, headers=JSON
    )
    report = answer.json()["report"]
    assert report["segmenter"]["name"] == "paper"
    assert set(report["background"]) == {"uniform", "ink", "color", "deviation"}
    alpha = opened(base64.b64decode(answer.json()["result"]["base64"]))[..., 3]
    assert set(np.unique(alpha)) == {0, 255}
    assert f_score(alpha > 127, truth >= 0.5) > 0.97
