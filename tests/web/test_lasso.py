"""The lasso of Fix in a real browser: by hand and by keys, undone as one step, applied by the service."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.web.test_first_step import AXE, violations
from tests.web.test_page_in_browser import choose, drag, mask_of, matte_of

KEPT = """() => {
  const { width, height } = document.querySelector('#easel');
  const { data } = document.querySelector('#easel').getContext('2d').getImageData(0, 0, width, height);
  return data.filter((value, at) => at % 4 === 0 && value > 128).length / (width * height);
}"""


def fix_of(page: Any) -> Any:
    """Open Fix, which shows the mask: white is kept."""
    page.click(".steps [data-step=fix]")
    page.wait_for_function("() => document.querySelector('#easel').width > 400")
    choose(page, "fix-view", "matte")
    page.wait_for_timeout(400)
    return page


def test_what_the_lasso_encloses_is_removed_as_one_step(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    before = mask_of(page)
    fix_of(page)
    kept = page.evaluate(KEPT)
    choose(page, "tool", "lasso-remove")
    drag(page, "#easel", (0.45, 0.4), (0.55, 0.4), (0.55, 0.6), (0.45, 0.6))
    page.wait_for_timeout(200)
    less = page.evaluate(KEPT)
    assert less < kept - 0.01
    if AXE.is_file():
        assert violations(page) == []
    page.keyboard.press("Control+z")
    page.wait_for_timeout(200)
    assert abs(page.evaluate(KEPT) - kept) < 1e-4 and page.is_disabled("#undo")
    page.keyboard.press("Control+y")
    page.click("#fix-done")
    page.wait_for_selector("#matte-verdict b:has-text('Edited by you')")
    after = mask_of(page)
    rows, columns = np.nonzero(after != before)
    assert (after[after != before] < before[after != before]).all()
    assert not after[150:210, 220:260].any()  # the middle of the photo, which the jug fills
    assert rows.max() - rows.min() > 40 and columns.max() - columns.min() > 30


def test_keys_alone_draw_a_lasso_and_a_line_of_two_points_is_none(open_page: Any, photo: Path) -> None:
    page = fix_of(matte_of(open_page(), photo))
    kept = page.evaluate(KEPT)
    page.focus("#easel")
    page.keyboard.press("x")
    assert page.is_checked('input[name="tool"][value="lasso-remove"]')
    page.keyboard.press(" ")  # a dot
    page.wait_for_timeout(200)
    assert page.is_disabled("#undo") and abs(page.evaluate(KEPT) - kept) < 1e-3
    page.keyboard.down(" ")
    for way in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(f"Shift+{way}")
    page.keyboard.up(" ")
    page.wait_for_timeout(200)
    assert page.is_enabled("#undo")
    assert page.evaluate(KEPT) < kept - 0.001
