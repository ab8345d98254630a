"""SIGTERM ends the service with status 0 and nobody left over, whatever it is doing; queued jobs wait for the next."""

from collections.abc import Callable

import pytest

from tests.helpers.incidents import PHOTO, line_to
from tests.helpers.real_service import RealService, form

CASES = ("idle", "job running", "half-sent upload", "full queue")
LIMIT_S = 30.0


def stop(service: RealService, case: str, limit_s: float) -> float:
    """Bring the service into one of the CASES, or all of them, end it, and return the seconds it took."""
    request = form({"file": PHOTO}, model="stub", quality="fast")
    lines, jobs = [], []
    if case in ("half-sent upload", "all"):
        lines.append(line_to(service, *request, said=len(request[0]) // 2))
        service.until(lambda: service.uploads() == 1)
    if case in ("job running", "all"):
        jobs = [service.hand_in(PHOTO, model="stuck")["id"], service.hand_in(PHOTO, feather_px="1")["id"]]
        service.until(lambda: service.job(jobs[0])["state"] == "running")
    if case in ("full queue", "all"):
        stuck = form({"file": PHOTO}, model="stuck", quality="fast")
        before = service.lane()["running"] + service.lane()["waiting"]
        places = service.lane()["max_waiting"] + 1 - before
        lines += [line_to(service, *stuck) for _ in range(places)]
        service.until(lambda: service.lane()["running"] + service.lane()["waiting"] == places + before)
        assert service.mask(PHOTO).told == (503, "overloaded")
    status, seconds, living = service.terminate(limit_s + 5)
    assert (status, living) == (0, [])
    assert "Traceback" not in service.output()
    for line in lines:
        with line:
            heard = line.recv(64)
        assert heard.startswith(b"HTTP/1.1 503"), heard
    if jobs:
        waiting_jobs_are_kept(service, jobs)
    return seconds


def waiting_jobs_are_kept(service: RealService, jobs: list[str]) -> None:
    """Assert that the next service knows the jobs, and runs the second one once the first is cancelled."""
    service.start()
    assert service.job(jobs[0])["state"] in ("queued", "running")
    assert service.ask("DELETE", f"/jobs/{jobs[0]}").status == 204
    assert service.ended(jobs[1])["state"] == "succeeded"
    assert service.left_over() == []


def test_all_at_once_ends_in_the_time_that_the_settings_give(own_service: Callable[..., RealService]) -> None:
    service = own_service(STOP_DEADLINE_S="1", UPLOAD_PATIENCE_S="2", MAX_WAITING="2", MASK_DEADLINE_S="600")
    assert stop(service, "all", 12) < 12


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_each_case_ends_within_thirty_seconds(own_service: Callable[..., RealService], case: str) -> None:
    service = own_service(MASK_DEADLINE_S="600", DRAIN_S="1")
    assert stop(service, case, LIMIT_S) <= LIMIT_S
