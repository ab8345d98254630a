"""A real service in a process of its own and a real browser before it; what goes wrong in the page fails the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.contract.settings import REPOSITORY
from examples.chromium import CHROMIUM, launch
from tests.helpers.real_service import running

PATIENCE_MS = 240_000  # of a machine that does much else


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running service."""
    with running(tmp_path_factory.mktemp("service"), ready=False) as service:
        yield service.address


@pytest.fixture(scope="module")  # no longer: while Playwright runs, its event loop is the thread's, for every test
def browser() -> Iterator[Any]:
    """A headless Chromium that draws WebGL in software."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here (on Debian: apt install chromium-headless-shell)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = launch(play)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small photo of a jug, 480 × 360: what is tested here is the page, not how long a large one takes."""
    path = tmp_path_factory.mktemp("photo") / "jug.jpg"
    Image.open(REPOSITORY / "examples" / "jug.jpg").resize((480, 360), Image.Resampling.LANCZOS).save(path, quality=92)
    return path


class Watch:
    """Records what a page did that it should not have done."""

    def __init__(self, page: Any, address: str) -> None:
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ()  # words of console errors that a test brings about on purpose
        self.requests: list[str] = []
        page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._request(request.url, address))

    def _request(self, url: str, address: str) -> None:
        self.requests.append(url)
        if not url.startswith((address + "/", "blob:", "data:")):
            self.faults.append(f"a request left the service: {url}")

    def left_over(self) -> list[str]:
        return [fault for fault in self.faults if not any(word in fault for word in self.expected)]


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """A function that opens the page in a fresh browser profile; afterwards nothing may have gone wrong in it."""
    contexts, watches = [], []

    def open_it(at: str = address, *, prepare: Callable[[Any], None] | None = None, **options: Any) -> Any:
        usual = {"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce"}
        context = browser.new_context(**{**usual, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.watch = Watch(page, at)
        watches.append(page.watch)
        if prepare is not None:
            prepare(page)
        page.goto(at + "/")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [fault for watch in watches for fault in watch.left_over()] == []
