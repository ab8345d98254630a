"""A worker that is killed, aborts or hangs costs its own work and no other; one that keeps crashing rests."""

import os
import signal
from collections.abc import Callable

from tests.helpers.incidents import PHOTO, hang_worker, lose_worker
from tests.helpers.real_service import RealService


def test_a_worker_that_dies_three_times_rests_and_comes_back(own_service: Callable[..., RealService]) -> None:
    service = own_service()
    for number in (signal.SIGKILL, signal.SIGABRT):
        loss = lose_worker(service, number)
        assert loss.answer.outcome == (503, "worker-lost")
        assert loss.answer.headers["retry-after"] == "1"
        assert loss.next_answer.status == 200
    assert service.worker()["crashes"] == 2

    os.kill(service.worker()["pid"], signal.SIGSEGV)
    service.until(lambda: service.worker()["state"] == "resting")
    assert service.get("/readyz").outcome == (503, "not-ready")
    refused = service.mask(PHOTO)
    assert refused.outcome == (503, "overloaded")
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    assert service.get("/healthz").status == 200
    mesh = service.post("/generate-mesh", {"file": PHOTO}, model="stub", quality="fast")
    assert mesh.status == 200  # the other lane goes on
    service.until(lambda: service.get("/readyz").status == 200)
    assert service.mask(PHOTO).status == 200
    assert service.left_over() == []
    assert service.terminate() == (0, [])


def test_work_that_hangs_is_reported_at_its_deadline_and_its_worker_replaced(
    own_service: Callable[..., RealService],
) -> None:
    service = own_service(MASK_DEADLINE_S="1.5")
    for how in ("native", "stopped"):
        before = service.worker()["pid"]
        loss = hang_worker(service, how)
        assert loss.answer.outcome == (503, "timed-out")
        assert loss.next_answer.status == 200
        assert service.worker()["pid"] != before
    assert service.worker()["crashes"] == 0  # a kill of ours is none
    assert service.worker()["kills"] == 2
