"""The step Background in a real browser: what is shown is the file, whatever lies behind and wherever the object is."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.images.arrays import visible_box
from backend.matte.editing.canvas import Placing, place_object
from tests.web.test_first_step import AXE, violations
from tests.web.test_page_in_browser import choose, drag, matte_of
from tests.web.test_web_modules import node

SHOWN = """async () => {
  const blob = await (await fetch(document.querySelector('#background-view').src)).blob();
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}"""


def background_of(page: Any, photo: Path) -> Any:
    """Bring a photo in and wait for its first picture on a background."""
    matte_of(page, photo).click(".steps [data-step=background]")
    page.wait_for_selector("#background-view:not([hidden])")
    settled(page)
    return page


def settled(page: Any) -> None:
    """Wait until the stage shows what is chosen."""
    page.wait_for_timeout(600)  # a turn of the wheel counts once it has rested
    page.wait_for_selector("#background-form [type=submit]:not([disabled])")


def saved(page: Any) -> Image.Image:
    """Download the picture, which must be the one on the stage to the byte."""
    with page.expect_download() as download:
        page.click("#background-form [type=submit]")
    data = Path(download.value.path()).read_bytes()
    assert hashlib.sha256(data).hexdigest() == page.evaluate(SHOWN)
    return Image.open(io.BytesIO(data))


def middle(picture: Image.Image) -> np.ndarray:
    """Return the middle (x, y) of the object on a clear ground, in shares of the picture."""
    alpha = np.asarray(picture)[..., 3].astype(float)
    rows, columns = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    return np.array([(columns * alpha).sum() / alpha.shape[1], (rows * alpha).sum() / alpha.shape[0]]) / alpha.sum()


def area(picture: Image.Image) -> float:
    return float(np.asarray(picture)[..., 3].mean() / 255)


def test_each_ground_is_shown_as_it_is_saved(open_page: Any, photo: Path, tmp_path: Path) -> None:
    page = background_of(open_page(), photo)
    choose(page, "backdrop", "gradient")
    settled(page)
    gradient = np.asarray(saved(page)).astype(int)
    assert np.abs(gradient[0, 0] - 255).max() <= 3 and np.abs(gradient[-1, 0] - (0xCF, 0xCF, 0xCA)).max() <= 3
    choose(page, "gradient-colors", "own")
    choose(page, "gradient", "across")
    settled(page)
    own = np.asarray(saved(page)).astype(int)
    assert np.abs(own[2, 0] - 255).max() <= 3 and np.abs(own[2, -1] - (0x9F, 0xB8, 0xC9)).max() <= 3
    choose(page, "backdrop", "blur")
    settled(page)
    ground = np.asarray(Image.open(photo)).astype(int)
    blurred = np.asarray(saved(page)).astype(int)
    assert np.abs(blurred[:20] - ground[:20]).mean() < 12  # a plain wall stays a plain wall
    Image.new("RGB", (64, 48), (10, 20, 230)).save(tmp_path / "behind.png")
    page.set_input_files("#backdrop-pick", str(tmp_path / "behind.png"))
    settled(page)
    assert np.asarray(saved(page))[3, 3].tolist() == [10, 20, 230]
    choose(page, "backdrop", "clear")
    choose(page, "shadow", "contact")
    for kind in ("png", "webp", "jpeg"):
        choose(page, "format", kind)
        settled(page)
        picture = saved(page)
        assert (picture.format, picture.mode) == (kind.upper(), "RGB" if kind == "jpeg" else "RGBA")
        assert page.is_visible("#jpeg-note") == (kind == "jpeg")


def test_a_shop_picture_has_its_size_and_margin_and_says_so(open_page: Any, photo: Path) -> None:
    page = background_of(open_page(), photo)
    assert "480 × 360 px" in page.inner_text("#background-form [type=submit]")
    choose(page, "backdrop", "clear")
    choose(page, "frame", "1000")
    settled(page)
    assert "1,000 × 1,000 px" in page.inner_text("#background-form [type=submit]")
    assert "enlarged" in page.inner_text("#background-note")
    picture = saved(page)
    assert picture.size == (1000, 1000)
    box = visible_box(np.where(np.asarray(picture)[..., 3] > 100, 1, 0).astype(np.float32))
    assert box is not None and max(box[2] - box[0], box[3] - box[1]) == pytest.approx(850, abs=20)
    for name, size in (("square", (480, 480)), ("4:5", (480, 600)), ("16:9", (640, 360))):
        choose(page, "frame", name)
        settled(page)
        assert saved(page).size == size
        assert "{} × {} px".format(*size) in page.inner_text("#background-note")


def test_a_choice_is_drawn_until_the_service_answers_and_can_be_tried_again(open_page: Any, photo: Path) -> None:
    page = background_of(open_page(), photo)
    page.watch.expected = ("503",)
    asked: list[Any] = []
    page.route("**/add-background", lambda route: asked.append(route))
    page.locator("#swatches input").nth(4).check(force=True)
    choose(page, "frame", "1000")
    page.wait_for_selector("#background-live:not([hidden])")
    color = page.evaluate("document.querySelector('#swatches input:checked').parentElement.style.background")
    assert page.evaluate("document.querySelector('#background-live').style.background") == color
    assert page.evaluate("document.querySelector('#color-tile').style.background") == color
    box = page.locator("#background-live").bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    problem = {"code": "timed-out", "title": "too long", "detail": "It waited.", "status": 503}
    asked[-1].fulfill(status=503, content_type="application/problem+json", body=json.dumps(problem))
    page.wait_for_selector('[data-problem="background"] button')
    page.unroute("**/add-background")
    page.click('[data-problem="background"] button')
    settled(page)
    assert page.is_hidden("#background-live") and page.is_hidden('[data-problem="background"] button')
    assert saved(page).size == (1000, 1000)


def test_the_object_is_moved_scaled_and_put_back(open_page: Any, photo: Path) -> None:
    page = background_of(open_page(), photo)
    choose(page, "backdrop", "clear")
    settled(page)
    start = saved(page)
    assert page.is_disabled("#place-undo") and page.is_disabled("#place-reset")
    drag(page, "#background-frame", (0.5, 0.5), (0.4, 0.45))
    settled(page)
    moved = saved(page)
    assert middle(moved) - middle(start) == pytest.approx((-0.1, -0.05), abs=0.02)
    page.hover("#background-frame")
    page.mouse.wheel(0, 400)
    settled(page)
    smaller = saved(page)
    assert area(smaller) < 0.8 * area(moved)
    page.focus("#background-frame")
    page.keyboard.press("Shift+ArrowRight")
    settled(page)
    assert (middle(saved(page)) - middle(smaller))[0] == pytest.approx(0.05, abs=0.01)
    for _ in range(2):
        page.keyboard.press("Control+z")
    settled(page)
    assert np.array_equal(saved(page), moved)
    page.click("#place-redo")
    settled(page)
    assert np.array_equal(saved(page), smaller)
    page.click("#place-reset")
    settled(page)
    assert np.array_equal(saved(page), start)
    page.click("#place-undo")
    settled(page)
    assert np.array_equal(saved(page), smaller)


def test_two_fingers_scale_the_object(open_page: Any, photo: Path) -> None:
    page = background_of(open_page(has_touch=True), photo)
    choose(page, "backdrop", "clear")
    settled(page)
    before = area(saved(page))
    box = page.locator("#background-frame").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    line = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 50), ("touchMove", 60), ("touchEnd", None)):
        points = [] if apart is None else [{"x": x + side * apart, "y": y, "id": side} for side in (-1, 1)]
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    settled(page)
    assert area(saved(page)) == pytest.approx(1.5**2 * before, rel=0.12)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out_of_the_backgrounds(open_page: Any, photo: Path, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci)")
    page = background_of(open_page(color_scheme=scheme), photo)
    choose(page, "place-by", "margin")
    found = {}
    for kind in ("clear", "color", "gradient", "blur"):
        choose(page, "backdrop", kind)
        if kind == "gradient":
            choose(page, "gradient-colors", "own")
        settled(page)
        found[kind] = violations(page)
    assert {kind: rules for kind, rules in found.items() if rules} == {}


def test_nothing_of_it_sticks_out_at_360_px(open_page: Any, photo: Path) -> None:
    page = background_of(open_page(viewport={"width": 360, "height": 740}), photo)
    for kind in ("gradient", "picture"):
        page.locator(f'input[name="backdrop"][value="{kind}"]').evaluate("(input) => input.click()")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("margin", [None, 0.1])
@pytest.mark.parametrize("frame", [(90, 200), (300, 120)])
def test_the_page_draws_the_object_where_the_service_puts_it(frame: tuple[int, int], margin: float | None) -> None:
    alpha = np.zeros((60, 100), np.float32)
    alpha[20:40, 30:62] = 1
    image = np.full((60, 100, 3), 200, np.uint8)
    placing = Placing((frame[1], frame[0]), margin, 0.8, (0.05, -0.04))
    box = visible_box(np.where(place_object(image, alpha, placing)[1] > 0.5, 1, 0).astype(np.float32))
    script = f"""
    const {{ spot }} = await import(`${{WEB}}/frames.js`);
    const place = {{ margin: {"null" if margin is None else margin}, scale: 0.8, x: 0.05, y: -0.04 }};
    const box = {{ x: 30, y: 20, width: 32, height: 20 }};
    const frame = {{ width: {frame[0]}, height: {frame[1]} }};
    const {{ factor, left, top }} = spot(box, {{ width: 100, height: 60 }}, frame, place);
    const corners = [[30, 20], [62, 40]].flatMap(([x, y]) => [left + x * factor, top + y * factor]);
    console.log(JSON.stringify(corners));
    """
    assert node(script) == pytest.approx(box, abs=1.01)


def test_a_frame_holds_the_whole_photo_within_the_limit_of_pixels() -> None:
    script = """
    const { frameSize } = await import(`${WEB}/frames.js`);
    const of = (name, photo, most) => Object.values(frameSize(name, photo, most));
    const wide = { width: 1200, height: 900 };
    console.log(JSON.stringify([
      ...["photo", "square", "4:5", "16:9", "2000"].map((name) => of(name, wide, 1e9)),
      of("square", { width: 900, height: 9000 }, 25e6),
    ]));
    """
    assert node(script) == [[1200, 900], [1200, 1200], [1200, 1500], [1600, 900], [2000, 2000], [5000, 5000]]
