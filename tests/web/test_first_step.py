"""The page in a real browser: what a visitor sees and loads before the first photo, and that everybody can use it."""

from pathlib import Path
from typing import Any

import pytest

from backend.contract.settings import REPOSITORY
from tests.web.test_page_in_browser import choose, matte_of

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
MOST_REQUESTS, MOST_BYTES = 15, 200_000  # before the first photo


def test_the_first_step_shows_a_result_and_is_light(open_page: Any) -> None:
    page = open_page()
    page.wait_for_selector("#engines-open:not([hidden])")
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((one) => one.encodedBodySize)"
    )
    assert len(page.watch.requests) <= MOST_REQUESTS, page.watch.requests
    assert sum(sizes) <= MOST_BYTES
    assert page.evaluate(
        "[...document.querySelectorAll('.demo img')].every((image) => image.complete && image.naturalWidth > 0)"
    )
    page.focus("#demo-compare input")
    page.keyboard.press("End")
    assert page.evaluate("document.querySelector('#demo-compare').style.getPropertyValue('--at')") == "100%"
    before = page.get_attribute("#demo-turn", "aria-valuenow")
    page.focus("#demo-turn")
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute("#demo-turn", "aria-valuenow") != before
    assert "Mattemesh" in page.inner_text("#version")
    page.click("#engines-open-foot")
    page.wait_for_selector("#engines[open] .engine-row")


def test_the_page_speaks_the_browsers_language_until_another_is_chosen(open_page: Any) -> None:
    page = open_page(locale="de-AT")
    assert page.evaluate("document.documentElement.lang") == "de"
    assert page.inner_text("h1:visible") == "Objekte freistellen. In 3D drehen."
    with page.expect_navigation():
        page.select_option("#language", "en")
    page.wait_for_selector("html[data-ready]")
    assert page.inner_text("h1:visible") == "Cut out any object. Turn it in 3D."
    page.reload()
    page.wait_for_selector("html[data-ready][lang=en]")
    assert page.input_value("#language") == "en"


def test_the_picture_of_all_examples_has_one_tile_for_each(open_page: Any) -> None:
    page = open_page()
    width = page.evaluate(
        """() => new Promise((resolve) => {
          const image = new Image();
          image.onload = () => resolve(image.naturalWidth);
          image.src = "/static/pictures/examples.webp";
        })"""
    )
    assert width == 200 * page.locator("#examples li").count() >= 1000


def test_the_question_mark_shows_all_keys_in_every_step(open_page: Any) -> None:
    page = open_page()
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#keys", state="hidden")
    page.click("footer [data-keys]")
    page.wait_for_selector("#keys[open]")


def test_home_screens_get_a_name_and_icons(open_page: Any) -> None:
    page = open_page()
    sizes = page.evaluate(
        """async () => {
          const {icons} = await (await fetch(document.querySelector('link[rel=manifest]').href)).json();
          const sizeOf = (url) => createImageBitmap(url).then(({width}) => width);
          const pictures = icons.filter(({type}) => type === "image/png");
          return Promise.all(pictures.map(({src}) => fetch(src).then((answer) => answer.blob()).then(sizeOf)));
        }"""
    )
    assert sizes == [192, 512]


def violations(page: Any) -> list[str]:
    """Return the rules of axe that the page breaks as it is shown, each with the first place."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)")
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out_in_any_step(open_page: Any, photo: Path, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci)")
    page = open_page(color_scheme=scheme)
    page.wait_for_selector("#engines-open:not([hidden])")
    found = {"photo": violations(page)}
    matte_of(page, photo)
    found["matte"] = violations(page)
    for step in ("fix", "background", "mesh"):
        page.click(f".steps [data-step={step}]")
        ready = {"background": "#background-view:not([hidden])", "mesh": "#mesh-verdict b"}.get(step, "#easel")
        page.wait_for_selector(ready)
        assert page.locator("h1:visible").count() == 1
        found[step] = violations(page)
    page.click("#engines-open")
    page.wait_for_selector("#engines[open] .engine-row")
    found["engines"] = violations(page)
    assert {step: rules for step, rules in found.items() if rules} == {}


def test_the_cutout_is_saved_as_another_type_seen_closer_and_on_another_ground(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    assert "480 × 360 px" in page.inner_text("#save-cutout")
    for kind, start in (("png", b"\x89PNG"), ("webp", b"RIFF"), ("jpeg", b"\xff\xd8")):
        choose(page, "save-type", kind)
        with page.expect_download() as download:
            page.click("#save-cutout")
        assert Path(download.value.path()).read_bytes().startswith(start)
    page.click("#matte-closer")
    assert page.get_attribute("#matte-stage", "data-zoomed") == "true"
    page.click("#matte-fit")
    assert page.get_attribute("#matte-stage", "data-zoomed") == "false"
    choose(page, "ground", "white")
    ground = "() => getComputedStyle(document.querySelector('#compare .checkered')).backgroundColor"
    page.wait_for_function(f"{ground} === 'rgb(255, 255, 255)'")  # the colour fades in
