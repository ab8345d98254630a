"""The page in German, at the width of a phone: no English is left, nothing is cut off, and everybody can use it."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.web.test_first_step import AXE, violations
from tests.web.test_page_in_browser import matte_of
from tests.web.test_service_words import LISTS as SERVICE
from tests.web.test_words import LISTS

# Whatever a person may read or hear of the document, also what is hidden now; but for what is marked.
READ = """() => {
  const theirs = (element) => element.closest("[lang=en], code, noscript, #version, #language");
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (!theirs(walker.currentNode.parentElement)) texts.push(walker.currentNode.data);
  for (const element of document.querySelectorAll("body *"))
    for (const name of ["alt", "title", "placeholder", "aria-label", "aria-valuetext", "aria-roledescription"])
      if (element.hasAttribute(name) && !theirs(element)) texts.push(element.getAttribute(name));
  return texts;
}"""
# What the service says and no line has.
MARKED = """() => [...document.querySelectorAll("[lang=en]:not(option)")].map((element) => element.textContent.trim())
  .filter(Boolean)"""
CUT_OFF = """() => [...document.querySelectorAll("button, label, legend, summary, h1, h2, p, li, dt, dd, a, span, b")]
  .filter((element) => {
    if (!element.checkVisibility() || element.closest(".out-of-sight, .strip li")) return false;
    if (!element.textContent.trim() || getComputedStyle(element).clipPath !== "none") return false;
    const box = element.getBoundingClientRect();
    const scrolls = element.closest(".views, .strip ul, #tools");
    const isWide = element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline";
    return isWide || (!scrolls && (box.right > innerWidth + 0.5 || box.left < -0.5));
  })
  .map((element) => element.outerHTML.slice(0, 160))"""


def words_of(language: str) -> set[str]:
    """Return the words of a language's sentences, in lower case."""
    text = " ".join(str(entry) for entry in [*LISTS[language].values(), *SERVICE.get(language, {}).values()])
    return set(re.findall(r"[^\W\d_]{3,}", re.sub(r"\{\w+\}", " ", text).lower()))


def faults(page: Any) -> dict[str, list[str]]:
    """Return what is wrong with the page as it is shown."""
    english = words_of("en") - words_of("de")
    texts = page.evaluate(READ)
    named = re.compile(r"\b[a-z0-9]+(?:[.-][a-z0-9]+)+\b")  # remove.bg, isnet-general-use
    left = [text for text in texts if english & set(re.findall(r"[^\W\d_]{3,}", named.sub("", text).lower()))]
    left += page.evaluate(MARKED)
    found = {"English": left, "cut off": page.evaluate(CUT_OFF), "axe": violations(page)}
    if page.evaluate("document.documentElement.scrollWidth") > 390:
        found["wide"] = ["the document"]
    return {kind: places for kind, places in found.items() if places}


@pytest.fixture
def german(open_page: Any) -> Any:
    """The page in German at the width of a phone."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci)")
    page = open_page(locale="de-DE", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.wait_for_selector("#engines-open:not([hidden])")
    return page


@pytest.fixture
def jug(photo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(photo, tmp_path / "krug.jpg"))


def unfold(page: Any, step: str) -> None:
    page.locator(f"section[data-step={step}] details").evaluate_all(
        "(folds) => folds.forEach((fold) => (fold.open = true))"
    )


def test_the_first_step_is_german_and_fits(german: Any) -> None:
    assert faults(german) == {}
    german.set_input_files("#pick", {"name": "notiz.jpg", "mimeType": "image/jpeg", "buffer": b"kein Bild"})
    german.wait_for_selector("#photo-problem h2")
    assert faults(german) == {}
    german.click("#engines-open")
    german.wait_for_selector("#engines[open] .engine-row")
    assert faults(german) == {}


def test_the_cutout_and_its_correction_are_german_and_fit(german: Any, jug: Path) -> None:
    matte_of(german, jug)
    unfold(german, "matte")
    assert faults(german) == {}
    german.click(".steps [data-step=fix]")
    german.wait_for_function("() => document.querySelector('#easel').width > 300")
    assert faults(german) == {}
    german.click("[data-keys]:visible")
    assert faults(german) == {}


def test_the_background_is_german_and_fits(german: Any, jug: Path) -> None:
    matte_of(german, jug)
    german.click(".steps [data-step=background]")
    german.wait_for_selector("#background-view:not([hidden])")
    for kind in ("gradient", "picture", "color"):
        german.locator(f"input[name=backdrop][value={kind}]").check(force=True)
        assert german.evaluate(CUT_OFF) == []
    assert faults(german) == {}


def test_the_model_is_german_and_fits(german: Any, jug: Path) -> None:
    matte_of(german, jug)
    german.click(".steps [data-step=mesh]")
    german.wait_for_selector("#mesh-verdict b")
    unfold(german, "mesh")
    assert faults(german) == {}
    told = german.locator("section[data-step=mesh] .advice li, section[data-step=mesh] .note").all_inner_texts()
    assert len(told) > 1 and len(set(told)) == len(told)


def test_the_queue_is_german_and_fits(german: Any, jug: Path) -> None:
    german.set_input_files("#pick", [str(jug), str(jug)])
    german.wait_for_function("() => document.querySelectorAll('.strip li[data-state=\"matte-ready\"]').length === 2")
    german.click("#queue-open")
    assert faults(german) == {}


@pytest.mark.parametrize("language", ["de-DE", "en-US"])
@pytest.mark.parametrize("width", [1100, 1280])
def test_the_bar_keeps_its_one_line_while_a_model_with_a_long_name_comes(
    open_page: Any, language: str, width: int
) -> None:
    coming = {"state": "fetching", "bytes_done": 45, "bytes_total": 100, "error": None}

    def while_fetching(page: Any) -> None:
        answer = {"fetching": {"depth-anything-v2-vits": coming}}
        page.route("**/health", lambda route: route.fulfill(json={**route.fetch().json(), **answer}))

    page = open_page(locale=language, viewport={"width": width, "height": 800}, prepare=while_fetching)
    page.wait_for_selector("#engines-open:not([hidden])")
    assert re.match(r"45\s?% (of|von) depth-anything", page.inner_text("#engines-word"))
    lines = page.evaluate("""() => {
      const range = document.createRange();
      range.selectNodeContents(document.querySelector("#engines-word"));
      return range.getClientRects().length;
    }""")
    inside = page.evaluate("""() => {
      const [bar, button] = [".top", "#theme"].map((name) => document.querySelector(name).getBoundingClientRect());
      return button.right <= bar.right && document.documentElement.scrollWidth <= innerWidth;
    }""")
    assert lines == 1 and inside
