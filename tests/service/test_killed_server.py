"""kill -9 of the whole service in mid-work: no process survives, and the next start has all that was promised."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.incidents import PHOTO, asking
from tests.helpers.real_service import RealService


def test_a_killed_service_leaves_no_process_and_the_next_one_finishes_its_jobs(
    own_service: Callable[..., RealService],
) -> None:
    service = own_service()
    shared_memory = set(Path("/dev/shm").glob("*"))  # nothing where there is no such place
    finished = service.ended(service.hand_in(PHOTO)["id"])
    assert finished["state"] == "succeeded"
    kept = service.get(finished["links"]["result"]).body
    with asking(service, model="stuck") as answer:  # inside a native call when its parent goes
        service.until(lambda: service.lane()["running"] == 1)
        os.kill(service.worker("mesh")["pid"], signal.SIGSTOP)  # one that does not run at all goes too
        first, second = (service.hand_in(PHOTO, feather_px=str(px))["id"] for px in (1, 2))
        assert service.kill() == []
        assert answer().status == 0
    service.start()
    assert service.get(finished["links"]["result"]).body == kept
    for job_id in (first, second):
        job = service.ended(job_id)
        assert (job["state"], job["attempts"]) == ("succeeded", 1)
    assert service.left_over() == []
    assert set(Path("/dev/shm").glob("*")) <= shared_memory


@pytest.mark.slow
def test_a_job_that_two_services_die_over_fails_and_the_others_are_done(
    own_service: Callable[..., RealService],
) -> None:
    service = own_service(MASK_DEADLINE_S="600")
    deadly, other = service.hand_in(PHOTO, model="stuck")["id"], service.hand_in(PHOTO)["id"]
    for attempts in (1, 2):
        service.until(lambda: service.job(deadly)["state"] == "running")
        service.until(lambda n=attempts: service.job(deadly)["attempts"] == n)
        assert service.kill() == []
        service.start()
    job = service.ended(deadly)
    assert (job["state"], job["problem"]["code"]) == ("failed", "worker-lost")
    assert service.ended(other)["state"] == "succeeded"
    assert service.left_over() == []
    assert service.terminate()[0] == 0
