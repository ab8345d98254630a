"""The page in a real browser: how a mesh is looked at, and what is kept of it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.test_first_step import AXE, violations
from tests.web.test_page_in_browser import choose, matte_of, newest_job

SMALL = {"width": 480, "height": 480}  # WebGL in software goes by the pixel
pytestmark = pytest.mark.timeout(600)  # seconds, of a machine that does much else


def without_viewer(page: Any) -> None:
    """Have the page draw meshes by itself alone, which is faster in software."""
    page.route("**/static/page.json", lambda route: route.fulfill(json={**route.fetch().json(), "viewer": None}))


def mesh_of(page: Any, photo: Path) -> Any:
    """Bring a photo in and wait for its mesh."""
    matte_of(page, photo).click("#make-mesh")
    page.wait_for_selector("#mesh-verdict b")
    return page


def look_at(page: Any, look: str) -> None:
    """Choose a view of the mesh that the page draws itself, and wait for it."""
    choose(page, "mesh-view", look)
    page.wait_for_selector(f"#solid[data-view={look}] canvas.drawn")
    page.wait_for_selector("#mesh-look:not([hidden]) #mesh-picture:not([disabled])")


def saved(page: Any, button: str, **options: Any) -> Any:
    """Return the download that a click of `button` begins."""
    with page.expect_download() as download:
        page.locator(button, **options).click()
    return download.value


def kept_view(page: Any) -> np.ndarray:
    """Return the picture of the view: (H, W, 4) uint8."""
    return np.array(Image.open(saved(page, "#mesh-picture").path()).convert("RGBA"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_mesh_is_seen_as_clay_by_its_normals_and_edges_by_everybody_and_turns_in_a_gif(
    open_page: Any, photo: Path, scheme: str
) -> None:
    page = open_page(viewport=SMALL, prepare=without_viewer, color_scheme=scheme)
    assert not any("/static/later/mesh_step.js" in url for url in page.watch.requests)  # loaded when it is needed
    mesh_of(page, photo)
    views = {}
    for look in ("wire", "normals", "clay"):
        look_at(page, look)
        page.wait_for_selector("#mesh-light-from-field", state="hidden" if look == "normals" else "visible")
        page.click("#mesh-cameras button:has-text('Front')")
        views[look] = kept_view(page)
        assert (views[look][..., 3] == 255).mean() > 0.02  # something is there, and the ground is clear
        assert (views[look][..., 3] == 0).mean() > 0.2
    assert not AXE.is_file() or violations(page) == []
    front = views["clay"]
    inside = front[..., 3] == 255
    assert np.ptp(front[inside][:, :3].astype(int), axis=1).mean() < 40  # clay has next to no colour, normals have
    assert np.ptp(views["normals"][inside][:, :3].astype(int), axis=1).mean() > 60
    assert (views["wire"] != front).any()
    page.fill("#mesh-light", "50")
    darker = kept_view(page)
    assert darker[inside][:, :3].mean() < 0.7 * front[inside][:, :3].mean()
    page.fill("#mesh-light-from", "80")
    assert (kept_view(page) != darker).any()
    page.click("#mesh-cameras button:has-text('Side')")
    assert ((kept_view(page)[..., 3] == 255) != inside).any()
    page.click("#mesh-cameras button:has-text('Reset')")
    assert page.input_value("#mesh-light") == "100" and page.input_value("#mesh-light-from") == "0"
    clip = saved(page, "#mesh-clip")
    assert clip.suggested_filename == "jug-turning.gif"
    with Image.open(clip.path()) as gif:
        assert gif.size == (480, 480) and gif.n_frames == 36 and gif.info["loop"] == 0
        frames = []
        for number in (0, 9, 18):
            gif.seek(number)
            frames.append(np.array(gif.convert("L"), int))
    assert all((frame < 200).mean() > 0.05 and frame[0, 0] > 250 for frame in frames)
    assert np.abs(frames[0] - frames[1]).mean() > 1  # it turns
    page.wait_for_selector("#mesh-clip:not([disabled]):has-text('Save a turning GIF')")


def test_a_mesh_for_a_purpose_says_its_size_and_is_not_made_again(open_page: Any, photo: Path) -> None:
    page = mesh_of(open_page(viewport=SMALL, prepare=without_viewer), photo)
    assert page.is_hidden("#mesh-ar")  # this browser has none
    assert re.fullmatch(r"[1-9]\d* kB", page.inner_text("#save-mesh small"))
    assert page.text_content('label[for="foreground-ratio"] output') == "85%"
    job = newest_job(page)
    low, high = job["report"]["mesh"]["bounds"]
    width = round(100 * (high[0] - low[0]) / (high[1] - low[1]))
    purposes = dict(text.split("\n") for text in page.locator("#mesh-purposes button").all_inner_texts())
    assert list(purposes) == ["Blender GLB", "Unity OBJ", "Unreal GLB", "Web GLB", "3D print 3MF", "AR USDZ"]
    assert purposes["3D print 3MF"].startswith(f"{width} × 100 × ") and purposes["3D print 3MF"].endswith(" mm")
    assert " × 30 × " in purposes["AR USDZ"] and purposes["AR USDZ"].endswith(" cm")
    assert " × 1.00 × " in purposes["Unity OBJ"] and purposes["Unity OBJ"].endswith(" m")
    assert saved(page, "#mesh-purposes button", has_text="3D print").suggested_filename == "jug-print.3mf"
    page.click("#mesh-download-card summary")
    choose(page, "up", "z")
    stl = saved(page, "#mesh-downloads button", has_text="STL")
    assert stl.suggested_filename == "jug-model.stl"
    assert saved(page, "#save-mesh").suggested_filename == "jug-model.glb"
    assert newest_job(page)["id"] == job["id"]  # the service converted what there was


def test_quick_look_gets_a_link_to_the_usdz(open_page: Any, photo: Path) -> None:
    def with_quick_look(page: Any) -> None:
        without_viewer(page)
        page.add_init_script("DOMTokenList.prototype.supports = (name) => name === 'ar';")

    page = mesh_of(open_page(prepare=with_quick_look, viewport=SMALL), photo)
    with page.expect_response("**/convert-mesh"):
        page.click("#mesh-ar button:has-text('See it in your room')")
    page.wait_for_selector("#mesh-ar a[rel=ar][href^='blob:']")
    start = "fetch(document.querySelector('#mesh-ar a').href).then((file) => file.blob()).then((blob) => blob.type)"
    assert page.evaluate(start) == "model/vnd.usdz+zip"
    assert page.locator("#mesh-ar a > *").count() == 1  # Safari's condition
    assert page.locator("#mesh-ar a > img").count() == 1
