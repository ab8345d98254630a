"""The page in a real browser: many photos at once."""

import io
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image


def test_a_queue_counts_shows_all_saves_all_and_is_cleared(open_page: Any, photo: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        Image.open(photo).resize((120, 90)).save(tmp_path / f"jug{number}.jpg")
    page = open_page()
    page.set_input_files("#pick", [str(tmp_path / "jug1.jpg"), str(tmp_path / "jug2.jpg")])
    page.wait_for_selector("#queue-count:has-text('2 of 2 done')")
    page.click("#queue-open")
    page.wait_for_function("() => document.querySelectorAll('#queue-list li').length === 2")
    assert "cutout ready" in page.inner_text("#queue-list li >> nth=0")
    assert page.is_disabled("#queue-retry") and page.is_enabled("#queue-mesh")
    with page.expect_download() as download:
        page.click("#queue-zip")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["jug1-cutout.png", "jug2-cutout.png"]
        assert Image.open(io.BytesIO(archive.read("jug1-cutout.png"))).size == (120, 90)
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#queue-clear")
    page.wait_for_selector("section[data-step=photo]:not([hidden])")
    assert page.locator("#earlier li").count() == 0


def test_the_settings_of_one_photo_are_used_for_all(open_page: Any, photo: Path, tmp_path: Path) -> None:
    Image.open(photo).resize((120, 90)).save(tmp_path / "jug.jpg")
    page = open_page()
    page.set_input_files("#pick", [str(tmp_path / "jug.jpg")] * 2)
    page.wait_for_selector("#queue-count:has-text('2 of 2 done')")
    page.locator("input[name=quality][value=fast]").check(force=True)
    page.click("#options-for-all")
    page.wait_for_selector("#queue-count:has-text('0 of 2 done')")
    page.wait_for_selector("#queue-count:has-text('2 of 2 done')")
    jobs = page.evaluate("fetch('/jobs?limit=2').then((answer) => answer.json())")["jobs"]
    assert [job["options"]["quality"] for job in jobs] == ["fast", "fast"]
