"""The page in a real browser before a real service on the embedded engines: from a photo to a mesh, and what can go
wrong on the way."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.helpers import fake_service
from tests.helpers.real_service import running


def matte_of(page: Any, photo: Path) -> Any:
    """Bring a photo in and wait for its matte on the stage."""
    page.set_input_files("#pick", str(photo))
    page.wait_for_selector("#matte-verdict b")
    page.wait_for_selector("#compare:not([hidden])")
    return page


def choose(page: Any, name: str, value: str) -> None:
    radio = page.locator(f'input[name="{name}"][value="{value}"]')
    radio.evaluate("(input) => input.scrollIntoView({block: 'center'})")  # from under the bars of a narrow page
    radio.check(force=True)


def mask_of(page: Any) -> np.ndarray:
    """Return the matte of the photo on the bench, as the service has it: (H, W) uint8."""
    page.wait_for_function("() => !document.querySelector('[data-progress=matte] progress')")
    with page.expect_download() as download:
        page.locator("#matte-downloads button", has_text="Mask").click()
    return np.array(Image.open(download.value.path()))


def newest_job(page: Any) -> dict[str, Any]:
    """Return the document of the job that was handed in last."""
    document: dict[str, Any] = page.evaluate("fetch('/jobs?limit=1').then((answer) => answer.json())")["jobs"][0]
    return document


def drag(page: Any, selector: str, *places: tuple[float, float]) -> None:
    """Press, move through `places` (shares of the element's box) and let go."""
    box = page.locator(selector).bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=6)
    page.mouse.up()


def test_an_example_becomes_a_matte_and_a_mesh_to_turn_around(open_page: Any) -> None:
    page = open_page(viewport={"width": 480, "height": 480})  # WebGL in software goes by the pixel
    page.click(".example:has-text('jug')")
    page.wait_for_selector("#compare:not([hidden])")
    assert "A first guess" in page.inner_text("#matte-verdict")
    assert "stand-in" in page.inner_text("#matte-made-by")
    assert "python -m backend models fetch" in page.inner_text("#matte-made-by")
    weight = page.evaluate(
        "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)"
    )
    assert not any("/static/viewer.js" in url for url in page.watch.requests)
    assert weight < 2_000_000  # the photo, its cutout and the page; the viewer alone would be 1.07 million more
    page.click("#make-mesh")
    page.wait_for_selector("#mesh-verdict b")
    assert "Watertight\nyes" in page.inner_text("#mesh-verdict")
    assert page.inner_text("#mesh-badge") == "Stand-in: the back is a guess"
    if page.evaluate("fetch('/static/page.json').then((facts) => facts.json()).then(({viewer}) => viewer)"):
        page.wait_for_function("() => document.querySelector('model-viewer')?.loaded")
        page.click("#mesh-cameras button:has-text('Side')")
        page.wait_for_function("() => document.querySelector('model-viewer').getCameraOrbit().theta > 1.5")
        page.fill("#mesh-light", "150")
        assert float(page.evaluate("document.querySelector('model-viewer').exposure")) == pytest.approx(0.93)
        with page.expect_download() as picture:
            page.click("#mesh-picture")
        box = page.locator("#solid").bounding_box()
        assert Image.open(picture.value.path()).size == (round(box["width"]), round(box["height"]))
        choose(page, "mesh-view", "overlay")
        assert page.is_hidden("#mesh-look")
        page.wait_for_selector("#solid canvas.over")
    choose(page, "mesh-view", "wire")
    page.wait_for_selector("#solid canvas.drawn")
    shown = "() => document.querySelector('canvas.drawn').getContext('webgl2') !== null"
    assert page.evaluate(shown)
    assert [text.strip() for text in page.locator("#mesh-downloads button").all_text_contents()] == [
        "GLB",
        "OBJ",
        "PLY",
        "STL",
        "3MF",
        "USDZ",
        "Cutout",
        "Mask",
        "Debug bundle",
    ]
    page.click("#mesh-download-card summary")
    with page.expect_download() as download:
        page.locator("#mesh-downloads button", has_text="PLY").click()
    assert download.value.suggested_filename == "jug-model.ply"
    assert Path(download.value.path()).read_bytes().startswith(b"ply")


def test_before_ink_on_paper_it_is_asked_first_whether_the_paper_goes(open_page: Any, tmp_path: Path) -> None:
    drawn = Image.new("RGB", (360, 240), (246, 244, 238))
    ImageDraw.Draw(drawn).line([(60, 170), (120, 60), (180, 170), (240, 60), (300, 150)], (30, 50, 160), 8)
    drawn.save(tmp_path / "signed.png")
    page = matte_of(open_page(), tmp_path / "signed.png")
    question = page.locator("#matte-question")
    assert page.locator("section[data-step=matte] .panel > :nth-child(2)").get_attribute("id") == "matte-question"
    assert question.inner_text().startswith("Is this a signature, a stamp or writing?")
    question.locator("button").click()
    page.wait_for_selector("#matte-question", state="hidden")
    page.wait_for_selector("#matte-verdict b")
    assert newest_job(page)["options"]["mode"] == "document"
    assert page.locator('input[name="mode"][value="document"]').is_checked()
    assert 0 < (mask_of(page) == 255).mean() < 0.12 and set(np.unique(mask_of(page))) == {0, 255}
    assert question.is_hidden()


def test_an_object_before_a_plain_wall_is_not_taken_for_ink(open_page: Any, tmp_path: Path) -> None:
    drawn = Image.new("RGB", (360, 240), (246, 244, 238))
    ImageDraw.Draw(drawn).ellipse((120, 40, 240, 200), (30, 50, 160))
    drawn.save(tmp_path / "ball.png")
    page = matte_of(open_page(), tmp_path / "ball.png")
    assert newest_job(page)["report"]["background"]["uniform"]
    assert page.is_hidden("#matte-question")


def test_controls_that_would_be_ignored_are_hidden_and_absent_engines_cannot_be_chosen(
    open_page: Any, photo: Path
) -> None:
    page = matte_of(open_page(), photo)
    page.wait_for_selector("#mesh-engines input[value=triposr]:disabled", state="attached")
    assert page.is_hidden("#matte-strategy")  # no depth network is here
    assert page.is_visible("#matte-model")
    choose(page, "mode", "document")
    assert page.is_hidden("#matte-model") and page.is_disabled("#matte-model")
    choose(page, "mode", "object")
    page.click("#make-mesh")
    page.wait_for_selector("#mesh-verdict b")
    about = page.inner_text("#mesh-engines-about")
    assert "Uses Form now." in about and "TripoSR: not on this machine, 1.7 GB" in about
    assert "python -m backend models fetch triposr" in about
    assert page.is_hidden("#resolution") and page.is_hidden("[name=smooth]")
    assert page.is_visible("#target-faces")


def model_options(page: Any) -> dict[str, tuple[str, bool]]:
    """Return the menu of models: each name with its words and whether it can be chosen."""
    page.wait_for_selector("#matte-model option[value=border]", state="attached")
    rows = page.evaluate(
        "[...document.querySelectorAll('#matte-model option')].map((o) => [o.value, o.textContent, !o.disabled])"
    )
    return {value: (words, enabled) for value, words, enabled in rows}


def test_the_built_in_model_can_be_chosen_and_an_absent_one_says_why_not(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    options = model_options(page)
    assert options["border"] == ("border · built in", True)
    assert options["u2net"] == ("u2net · not on this machine, 176 MB", False)
    assert options["removebg"] == ("removebg · needs a key for remove.bg", False)
    assert "Uses border now" in page.inner_text("#matte-model-about")
    page.select_option("#matte-model", "border")
    assert "needs no weights" in page.inner_text("#matte-model-about")
    page.click("#matte-options [type=submit]")
    page.wait_for_selector("[data-progress=matte] progress", state="attached")
    page.wait_for_selector("#matte-verdict b")
    page.wait_for_function("() => !document.querySelector('[data-progress=matte] progress')")
    assert newest_job(page)["options"]["model"] == "border"
    assert newest_job(page)["state"] == "succeeded"


def test_a_remote_service_with_a_key_can_be_chosen_and_says_where_the_picture_goes(
    open_page: Any, photo: Path, tmp_path: Path
) -> None:
    with fake_service.running() as remote:
        remote.acts = [fake_service.answer(200, fake_service.matte_png(360, 480), Content_Type="image/png")]
        settings = {"REMOVEBG_API_KEY": "a-key", "REMOVEBG_API_URL": f"http://127.0.0.1:{remote.port}"}
        with running(tmp_path, ready=False, **settings) as service:
            page = matte_of(open_page(service.address), photo)
            options = model_options(page)
            assert options["removebg"] == ("removebg · sends your picture to remove.bg", True)
            assert options["bria"] == ("bria · needs a key for Bria", False)
            assert remote.heard == []
            page.select_option("#matte-model", "removebg")
            page.click("#matte-options [type=submit]")
            page.wait_for_selector("#matte-made-by h2:has-text('removebg')")
            page.click("#make-mesh")
            page.wait_for_selector("#mesh-verdict b")
            assert len(remote.heard) == 1  # the mesh reuses the mask: the picture is sent and paid for once
            page.close()  # while its service is there: it may still be loading the mesh


def test_without_the_viewer_the_pictures_of_the_service_turn(open_page: Any, photo: Path) -> None:
    def without_viewer(page: Any) -> None:
        page.route("**/static/page.json", lambda route: route.fulfill(json={**route.fetch().json(), "viewer": None}))

    page = matte_of(open_page(prepare=without_viewer), photo)
    page.click("#make-mesh")
    page.wait_for_selector(".turner img")
    first = page.get_attribute(".turner img", "src")
    drag(page, ".turner", (0.5, 0.5), (0.7, 0.5))
    turned = page.get_attribute(".turner img", "src")
    assert turned != first
    page.focus(".turner")
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute(".turner img", "src") != turned
    assert page.locator('input[value="solid"]').is_disabled()
    assert not any("/static/viewer.js" in url for url in page.watch.requests)


def test_a_stroke_changes_the_matte_where_it_went_and_nowhere_else(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    before = mask_of(page)
    page.click(".steps [data-step=fix]")
    page.wait_for_function("() => document.querySelector('#easel').width > 400")
    page.wait_for_timeout(300)
    choose(page, "tool", "remove")
    drag(page, "#easel", (0.45, 0.4), (0.55, 0.6))
    assert page.is_enabled("#undo")
    page.click("#undo")
    assert page.is_disabled("#undo")
    page.click("#redo")
    page.click("#fix-done")
    page.wait_for_selector("[data-progress=matte] progress", state="attached")
    after = mask_of(page)
    assert "Edited by you, not graded" in page.inner_text("#matte-verdict")
    assert "Confidence" not in page.inner_text("#matte-verdict")
    assert after.shape == before.shape
    assert after[180, 240] == 0
    assert before[180, 240] == 255
    changed = np.argwhere(after != before)
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert top > 80
    assert left > 140
    assert bottom < 280
    assert right < 340
    page.click(".steps [data-step=mesh]")
    page.wait_for_selector("#mesh-verdict b")
    assert newest_job(page)["report"]["segmenter"]["name"] != "border"  # the mesh followed the hand, not the segmenter


def test_the_keyboard_alone_goes_from_photo_to_painted_matte(open_page: Any) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Jug":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#compare:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "matte-title"
    page.focus("#compare input")
    page.keyboard.press("End")
    assert page.evaluate("document.querySelector('#compare').style.getPropertyValue('--at')") == "100%"
    page.focus(".steps [data-step=fix]")
    page.keyboard.press("Enter")
    page.wait_for_timeout(400)
    page.focus("#easel")
    page.keyboard.press("e")
    assert page.is_checked('input[name="tool"][value="remove"]')
    page.keyboard.down(" ")
    page.keyboard.press("ArrowRight")
    page.keyboard.up(" ")
    assert page.is_enabled("#undo")
    page.keyboard.press("Control+z")
    assert page.is_disabled("#undo")


def test_one_finger_paints_and_two_come_closer(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True), photo)
    page.click(".steps [data-step=fix]")
    page.wait_for_function("() => document.querySelector('#easel').width > 300")
    page.wait_for_timeout(300)
    box = page.locator("#easel").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x + across, "y": y + down, "id": at} for at, (across, down) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (0, 0))
    fingers("touchMove", (30, 20))
    fingers("touchEnd")
    assert page.is_enabled("#undo")
    page.click("#undo")
    picture = "document.querySelector('#easel').toDataURL()"
    page.wait_for_timeout(100)
    before = page.evaluate(picture)
    fingers("touchStart", (-20, 0))
    fingers("touchStart", (-20, 0), (20, 0))
    fingers("touchMove", (-60, 0), (60, 0))
    fingers("touchEnd")
    page.wait_for_timeout(100)
    assert page.evaluate(picture) != before
    assert page.is_disabled("#undo")  # the first finger of a pinch is no stroke


def test_a_background_is_put_behind_the_cutout(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    page.click(".steps [data-step=background]")
    page.wait_for_selector("#background-view:not([hidden])")
    page.locator('input[aria-label="Sky"]').check(force=True)
    page.wait_for_selector("#background-form [type=submit]:not([disabled])")
    choose(page, "format", "png")
    with page.expect_response("**/add-background"):
        choose(page, "format", "jpeg")
    page.wait_for_selector("#background-form [type=submit]:not([disabled])")
    with page.expect_download() as download:
        page.click("#background-form [type=submit]")
    picture = Image.open(download.value.path())
    assert download.value.suggested_filename == "jug-background.jpg"
    assert picture.size == (480, 360)
    np.testing.assert_allclose(picture.getpixel((5, 5)), (0xCF, 0xE4, 0xF5), atol=4)


def test_a_picture_that_the_browser_cannot_show_is_shown_by_the_service_and_can_be_fixed(
    open_page: Any, photo: Path, tmp_path: Path
) -> None:
    Image.open(photo).resize((240, 180)).save(tmp_path / "jug.tif")
    page = open_page()
    page.set_input_files("#pick", str(tmp_path / "jug.tif"))
    page.wait_for_selector("#matte-verdict b")
    page.wait_for_selector("input[name=matte-view][value=compare]:not([disabled])", state="attached")
    choose(page, "matte-view", "compare")
    page.wait_for_selector("#compare:not([hidden])")
    page.click(".steps [data-step=fix]")
    page.wait_for_function("() => document.querySelector('#easel').width > 400")
    page.wait_for_timeout(300)
    choose(page, "tool", "remove")
    drag(page, "#easel", (0.45, 0.4), (0.55, 0.6))
    assert page.is_enabled("#undo")
    page.click("#show-before")
    assert page.get_attribute("#show-before", "aria-pressed") == "true"
    page.click("#undo")
    assert page.get_attribute("#show-before", "aria-pressed") == "false"


def test_a_mesh_under_way_can_be_cancelled(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)

    def slowly(route: Any) -> None:  # so that there is something left to cancel
        page.wait_for_selector("[data-progress=mesh] button:disabled")
        route.continue_()

    page.route("**/jobs", slowly)
    page.click("#make-mesh")
    page.click("[data-progress=mesh] button")
    page.wait_for_selector("[data-problem=mesh] h2:has-text('Cancelled')")
    page.unroute("**/jobs")
    assert newest_job(page)["state"] == "cancelled"
    page.click("#mesh-options [type=submit]")
    page.wait_for_selector("#mesh-verdict b")


def test_a_file_that_is_no_picture_is_refused_before_it_is_sent(open_page: Any) -> None:
    page = open_page()
    page.set_input_files("#pick", {"name": "note.jpg", "mimeType": "image/jpeg", "buffer": b"not a picture at all"})
    page.wait_for_selector("#photo-problem h2")
    assert "Not a picture that can be read" in page.inner_text("#photo-problem")
    page.set_input_files(
        "#pick", {"name": "cut.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(40)}
    )
    page.wait_for_function("() => document.querySelector('#photo-problem').innerText.includes('broken')")
    page.set_input_files("#pick", {"name": "none.png", "mimeType": "image/png", "buffer": b""})
    page.wait_for_function("() => document.querySelector('#photo-problem').innerText.includes('empty')")
    assert not any(url.endswith("/jobs") for url in page.watch.requests)


def test_an_error_of_the_service_is_shown_with_a_next_step(open_page: Any, photo: Path) -> None:
    page = open_page()
    page.watch.expected = ("503",)
    body = {"title": "The service is busy", "detail": "16 are waiting already.", "code": "overloaded", "status": 503}
    busy = {"status": 503, "content_type": "application/problem+json", "body": json.dumps(body)}
    page.route("**/jobs", lambda route: route.fulfill(**busy))
    page.set_input_files("#pick", str(photo))
    page.wait_for_selector("[data-problem=matte] h2")
    shown = page.inner_text("[data-problem=matte]")
    assert "The service is busy" in shown and "16 are waiting already." in shown and "Try again in a moment" in shown
    page.unroute("**/jobs")
    page.click("[data-problem=matte] button:has-text('Try again')")
    page.wait_for_selector("#compare:not([hidden])")
    assert page.locator("[data-problem=matte] h2").count() == 0


def test_a_failed_new_matte_leaves_the_last_one(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    before = mask_of(page)
    page.watch.expected = ("507",)
    body = {"title": "The disk is full", "detail": "No room.", "code": "storage-full", "status": 507}
    full = {"status": 507, "content_type": "application/problem+json", "body": json.dumps(body)}
    page.route("**/jobs", lambda route: route.fulfill(**full))
    choose(page, "quality", "fast")
    page.click("#matte-options [type=submit]")
    page.wait_for_selector("[data-problem=matte] h2:has-text('The disk is full')")
    assert page.is_visible("#compare")
    assert page.is_enabled("#make-mesh")
    assert np.array_equal(mask_of(page), before)
    page.unroute("**/jobs")
    page.click("[data-problem=matte] button:has-text('Try again')")
    page.wait_for_selector("[data-problem=matte] h2", state="detached")
    page.wait_for_selector("#matte-verdict b")
    assert newest_job(page)["options"]["quality"] == "fast"


def test_each_refused_file_is_listed_and_the_others_are_cut(open_page: Any, photo: Path) -> None:
    page = open_page()
    wrong = [{"name": f"note{n}.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"} for n in (1, 2)]
    good = {"name": "jug.jpg", "mimeType": "image/jpeg", "buffer": photo.read_bytes()}
    page.set_input_files("#pick", [wrong[0], good, wrong[1]])
    page.wait_for_selector("#notice h2:has-text('2 files were not accepted')")
    assert "note1.jpg" in page.inner_text("#notice") and "note2.jpg" in page.inner_text("#notice")
    page.wait_for_selector("#compare:not([hidden])")  # the good one is in view
    page.click("#notice button:has-text('OK')")
    assert page.locator("#notice h2").count() == 0


def test_the_work_is_found_again_after_the_tab_was_closed(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    address = page.url
    page.reload()  # the address names the step and the photo
    page.wait_for_selector("#compare:not([hidden])")  # with the photo, which only the browser has kept
    assert page.url == address and "#matte/" in address
    page.click("#make-mesh")
    page.wait_for_selector("#mesh-verdict b")
    page.goto(address.split("#")[0])
    page.wait_for_selector("#earlier button[aria-label='jug.jpg, 3D model ready']")


def test_several_photos_make_a_queue(open_page: Any, photo: Path) -> None:
    page = open_page()
    page.set_input_files("#pick", [str(photo), str(photo)])
    page.wait_for_function("() => document.querySelectorAll('.strip li[data-state=\"matte-ready\"]').length === 2")
    assert page.get_attribute(".frame >> nth=0", "aria-current") == "true"
    page.click(".frame >> nth=1")
    assert page.get_attribute(".frame >> nth=1", "aria-current") == "true"
    page.click(".leave >> nth=0")
    assert page.is_hidden(".strip")


def test_nothing_sticks_out_at_360_px(open_page: Any, photo: Path) -> None:
    page = open_page(viewport={"width": 360, "height": 720}, has_touch=True, is_mobile=True)
    widths = {"photo": page.evaluate("document.documentElement.scrollWidth")}
    matte_of(page, photo)
    for step in ("matte", "fix", "background", "mesh"):
        page.click(f".steps [data-step={step}]")
        page.wait_for_timeout(200)
        widths[step] = page.evaluate("document.documentElement.scrollWidth")
    assert set(widths.values()) == {360}, widths


def test_a_key_is_asked_for_and_used(open_page: Any, tmp_path: Path) -> None:
    with running(tmp_path, ready=False, API_KEY="open sesame") as service:
        page = open_page(service.address)
        page.watch.expected = ("401",)  # of the wrong key
        page.wait_for_selector("#key-dialog[open]")
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelector('#key-hint').textContent")
        page.fill("#key", "open sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key-dialog", state="hidden")
        page.wait_for_selector("#engines-open:not([hidden])")
        page.close()  # while its service is there


@pytest.mark.parametrize(
    "event", ["new ClipboardEvent('paste', {clipboardData: data})", "new DragEvent('drop', {dataTransfer: data})"]
)
def test_a_photo_can_be_pasted_and_dropped(open_page: Any, photo: Path, event: str) -> None:
    page = open_page()
    page.evaluate(
        f"""(bytes) => {{
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "given.jpg", {{type: "image/jpeg"}}));
          dispatchEvent({event});
        }}""",
        list(photo.read_bytes()),
    )
    page.wait_for_selector("#compare:not([hidden])")


def test_ink_on_paper_is_asked_for_as_a_document(open_page: Any, tmp_path: Path) -> None:
    page_of_ink = Image.new("RGB", (400, 300), (238, 236, 228))
    ImageDraw.Draw(page_of_ink).line([(60, 200), (160, 90), (220, 210), (340, 110)], fill=(30, 40, 120), width=6)
    page_of_ink.save(tmp_path / "ink.png")
    page = matte_of(open_page(), tmp_path / "ink.png")
    choose(page, "mode", "document")
    page.click("#matte-options [type=submit]")
    page.wait_for_selector("#matte-options [type=submit][disabled]")
    matte = mask_of(page)
    assert newest_job(page)["options"]["mode"] == "document"
    assert matte[145, 110] > 200  # in the middle of the first stroke
    assert matte[20, 20] == 0
