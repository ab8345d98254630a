"""The page in a real browser: nothing is lost by a reload, an outage of the service or a slip of the hand."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.real_service import running
from tests.web.test_page_in_browser import choose, drag, mask_of, matte_of


def cut_by_hand(page: Any) -> None:
    """Take something away from the matte in Fix, and use it."""
    page.click(".steps [data-step=fix]")
    page.wait_for_function("() => document.querySelector('#easel').width > 400")
    page.wait_for_timeout(300)
    choose(page, "tool", "remove")
    drag(page, "#easel", (0.45, 0.4), (0.55, 0.6))
    page.click("#fix-done")
    page.wait_for_selector("#matte-verdict b:has-text('Edited by you')")


def test_an_outage_and_a_reload_in_the_middle_lose_nothing_and_start_nothing_twice(
    open_page: Any, photo: Path, tmp_path: Path
) -> None:
    with running(tmp_path, DRAIN_S="0") as service:
        page = open_page(service.address)
        page.watch.expected = ("ERR_",)  # of the outage
        with service.stopped():
            page.set_input_files("#pick", str(photo))
            page.wait_for_selector("[data-progress=matte] .work-word:text-matches('queue|starting', 'i')")
            page.reload()
            page.wait_for_selector("[data-progress=matte] progress", state="attached")
            assert "#matte/" in page.url
            service.end()
            page.wait_for_selector("#reconnecting:not([hidden])")
        page.set_input_files("#pick", str(photo))  # one more, while nobody is there
        service.start()
        page.wait_for_selector("#reconnecting", state="hidden")
        page.wait_for_function("() => document.querySelectorAll('.strip li[data-state=\"matte-ready\"]').length === 2")
        jobs = service.get("/jobs").json()["jobs"]
        assert [job["state"] for job in jobs] == ["succeeded"] * 2
        page.close()


@pytest.mark.timeout(600)  # seconds, of a machine that does much else
def test_a_mesh_under_way_survives_a_reload_a_second_tab_and_a_killed_service(
    open_page: Any, photo: Path, tmp_path: Path
) -> None:
    with running(tmp_path, DRAIN_S="0") as service:
        page = matte_of(open_page(service.address), photo)
        page.watch.expected = ("ERR_",)  # of the outage
        with service.stopped("mesh"):
            page.click("#make-mesh")
            page.wait_for_function("() => JSON.parse(localStorage['mattemesh-work'])[0].mesh")
            page.reload()
            page.wait_for_selector("[data-progress=mesh] progress", state="attached")
            assert "#mesh/" in page.url
            other = page.context.new_page()
            other.goto(page.url)
            other.wait_for_selector("[data-progress=mesh] progress", state="attached")
            service.end()
            page.wait_for_selector("#reconnecting:not([hidden])")
        service.start()
        for tab in (page, other):
            tab.wait_for_selector("#mesh-verdict b")
            assert tab.is_hidden("#reconnecting")
        jobs = service.get("/jobs").json()["jobs"]
        assert [(job["kind"], job["state"]) for job in jobs] == [
            ("generate-mesh", "succeeded"),
            ("remove-bg", "succeeded"),
        ]
        other.close()
        page.close()


def test_a_mesh_whose_mask_is_slow_to_come_is_started_once(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    cut_by_hand(page)
    started = []
    page.on("request", lambda request: started.append(request) if request.method == "POST" else None)

    def slowly(route: Any) -> None:  # the mesh is sent with this mask
        page.evaluate("document.querySelector('#mesh-views').dispatchEvent(new Event('change'))")
        page.wait_for_selector("[data-progress=mesh] progress", state="attached")
        route.continue_()

    page.route("**/files/mask.png", slowly)
    page.click("#make-mesh")
    page.wait_for_selector("#mesh-verdict b")
    assert [request.url.rsplit("/", 1)[1] for request in started] == ["jobs"]


def test_a_failed_mesh_is_still_a_problem_after_a_reload(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    page.route("**/jobs/*/events", lambda route: page.wait_for_timeout(50) or route.continue_())
    page.click("#make-mesh")
    page.wait_for_function("() => JSON.parse(localStorage['mattemesh-work'])[0].mesh")
    page.click("[data-progress=mesh] button")
    page.wait_for_selector("[data-problem=mesh] h2:has-text('Cancelled')")
    page.reload()
    page.wait_for_selector("[data-problem=mesh] h2:has-text('Cancelled')")
    assert page.is_enabled("#mesh-options [type=submit]")


def test_back_and_forward_follow_step_and_photo_and_begin_nothing(open_page: Any, photo: Path) -> None:
    page = open_page()
    page.goto(page.url + "#mesh/one-that-is-gone")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.wait_for_function("() => location.hash === ''")
    matte_of(page, photo)
    first = page.url
    page.click(".steps [data-step=background]")
    page.go_back()
    page.wait_for_selector("section[data-step=matte]:not([hidden])")
    page.go_forward()
    page.wait_for_selector("section[data-step=background]:not([hidden])")
    page.go_back()
    page.go_back()
    page.wait_for_selector("section[data-step=photo]:not([hidden])")
    page.go_forward()
    page.wait_for_selector("section[data-step=matte]:not([hidden])")
    assert page.url == first
    page.evaluate("location.hash = '#mesh/one-that-is-gone'")  # as a link from elsewhere
    page.wait_for_selector("section[data-step=photo]:not([hidden])")
    jobs = page.evaluate("fetch('/jobs?limit=1').then((answer) => answer.json())")["jobs"]
    assert jobs[0]["kind"] == "remove-bg"


def test_an_upload_shows_percent(open_page: Any, photo: Path) -> None:
    page = open_page()
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 8_000}
    line.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#pick", str(photo))
    page.wait_for_selector("[data-progress=matte] .work-left:text-matches('^[0-9]+%$')")
    assert page.inner_text("[data-progress=matte] .work-word") == "Uploading"


def test_a_click_without_effect_says_so_and_is_no_step_of_undo(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    page.click(".steps [data-step=fix]")
    page.wait_for_function("() => document.querySelector('#easel').width > 400")
    page.wait_for_timeout(300)
    choose(page, "tool", "click-keep")
    page.locator("#easel").click()  # the middle of the jug, which is kept already
    page.wait_for_selector("#fix-note:has-text('like that already')")
    assert page.is_disabled("#undo")


def test_an_edit_can_be_undone_after_it_was_used(open_page: Any, photo: Path) -> None:
    page = matte_of(open_page(), photo)
    before = mask_of(page)
    assert page.is_hidden("#undo-edit")
    cut_by_hand(page)
    assert (mask_of(page) != before).any()
    page.click("#undo-edit")
    page.wait_for_selector("#matte-verdict b:has-text('A first guess')")
    assert (mask_of(page) == before).all()
    assert page.is_hidden("#undo-edit")
