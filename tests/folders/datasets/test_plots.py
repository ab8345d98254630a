"""Charts: no warning on stderr, and no labels that overlap."""

import re
import warnings

from backend.folders.datasets.plots import bars, histogram, scatter


def marks(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_letters_that_the_font_lacks_are_written_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing = bars("x", {"日本": 3, "\u202e$x$": 2}, "pictures")
    assert "日本" in drawing.svg and drawing.png.startswith(b"\x89PNG")


def test_a_long_axis_is_marked_at_powers_of_ten_and_a_short_one_in_between() -> None:
    long = marks(scatter("x", {"all": ([1, 60000], [300, 400])}, "width", "height").svg)
    assert "1,000" in long and "20,000" not in long and "2" not in long
    assert "200" in marks(histogram("x", {"all": [30, 50, 900]}, "KiB", "pictures", log=True).svg)
    assert "20" not in marks(histogram("x", {"all": [0.05, 50, 9000]}, "KiB", "n", log=True).svg)
