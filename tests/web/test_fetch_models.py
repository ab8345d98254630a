"""Fetching models from the page: the owner's buttons, what failed and Retry, and what others see."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.real_service import running
from tests.helpers.weights_server import serving
from tests.web.test_first_step import AXE, violations


def test_the_owner_fetches_a_model_and_tries_again_what_failed(
    open_page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving() as mirror,
        running(tmp_path, MODEL_MIRROR=mirror.address, MODEL_SOURCES="releases", NO_PROXY="127.0.0.1") as service,
    ):
        page = open_page(service.address)
        page.click("#engines-open")
        row = page.locator(".missing-row", has_text="u2netp")
        assert "MB" in row.first.inner_text()
        if AXE.is_file():
            assert violations(page) == []
        page.click('.missing-row [aria-label="Fetch u2netp"]')
        page.wait_for_selector('[aria-label="Try again: u2netp"]')  # the mirror has nothing
        assert "404" in page.inner_text("#engines-list")
        asked = len(mirror.requests)
        page.click('[aria-label="Try again: u2netp"]')
        page.wait_for_selector('[aria-label="Try again: u2netp"]')
        for _ in range(600):
            if len(mirror.requests) > asked:
                break
            page.wait_for_timeout(100)
        assert len(mirror.requests) > asked
        page.close()


def test_others_see_what_is_missing_and_who_can_fetch_it(open_page: Any) -> None:
    def as_guest(page: Any) -> None:
        page.route("**/health", lambda route: route.fulfill(json={**route.fetch().json(), "may_fetch": False}))

    page = open_page(prepare=as_guest)
    page.click("#engines-open")
    page.wait_for_selector(".missing-row")
    assert "Whoever runs this service" in page.inner_text("#engines-missing")
    assert page.locator(".missing-row button").count() == 0


def test_a_long_list_can_be_closed_from_where_it_is_read(open_page: Any) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    page.click("#engines-open")
    page.wait_for_selector(".missing-row")
    assert page.locator("#engines").evaluate("(sheet) => sheet.scrollHeight > 1.5 * sheet.clientHeight")
    inside = """(sheet) => {
      const [own, button] = [sheet, sheet.querySelector("form.end button")].map((each) => each.getBoundingClientRect());
      return button.top > own.top && button.bottom < own.bottom;
    }"""
    for share in (0, 0.5, 1):
        page.locator("#engines").evaluate("(sheet, share) => (sheet.scrollTop = share * sheet.scrollHeight)", share)
        assert page.locator("#engines").evaluate(inside), share
    page.click("#engines form.end button")
    page.wait_for_selector("#engines", state="hidden")
