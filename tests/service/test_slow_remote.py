"""A remote service that takes its time holds up who asked for it, and no one else."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.helpers.drawn import encoded
from tests.helpers.fake_service import FakeService, answer, matte_png, photo, running
from tests.helpers.incidents import asking, line_to
from tests.helpers.real_service import RealService, form

PHOTO = encoded(photo())
REMOTE = {"model": "removebg", "quality": "fast"}


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def away(gate: threading.Event) -> Iterator[FakeService]:
    """A service that answers once `gate` is open."""

    def act(handler: object) -> None:
        gate.wait(120)
        answer(200, matte_png())(handler)  # type: ignore[arg-type]

    with running() as fake:
        fake.acts = [act]
        yield fake


@pytest.fixture
def service(own_service: Callable[..., RealService], away: FakeService) -> RealService:
    return own_service(
        REMOVEBG_API_KEY="a-key", REMOVEBG_API_URL=f"http://127.0.0.1:{away.port}", REMOTE_WORKERS="1", MAX_WAITING="1"
    )


def test_local_masks_are_answered_while_a_remote_one_waits(
    service: RealService, away: FakeService, gate: threading.Event
) -> None:
    with asking(service, PHOTO, **REMOTE) as first, asking(service, PHOTO, **REMOTE) as second:
        service.until(lambda: (service.lane("remote")["running"], service.lane("remote")["waiting"]) == (1, 1))
        assert [service.mask(PHOTO).status for _ in range(3)] == [200] * 3
        assert service.mask(PHOTO, model="removebg").outcome == (503, "overloaded")
        job = service.hand_in(PHOTO)
        assert service.ended(job["id"])["state"] == "succeeded"
        gate.set()
        assert [first().status, second().status] == [200, 200]
    assert len(away.heard) == 2


def test_who_leaves_or_cancels_frees_the_remote_place(service: RealService, away: FakeService) -> None:
    body, headers = form({"file": PHOTO}, **REMOTE)
    with line_to(service, body, headers):
        service.until(lambda: len(away.heard) == 1)
    service.until(lambda: service.lane("remote")["running"] == 0)
    job = service.hand_in(PHOTO, model="removebg")
    service.until(lambda: len(away.heard) == 2)
    assert service.ask("DELETE", f"/jobs/{job['id']}").status == 204
    service.until(lambda: service.lane("remote")["running"] == 0)
    service.until(service.idle)


def test_a_late_service_is_given_up_at_the_deadline(own_service: Callable[..., RealService], away: FakeService) -> None:
    service = own_service(
        REMOVEBG_API_KEY="a-key", REMOVEBG_API_URL=f"http://127.0.0.1:{away.port}", MASK_DEADLINE_S="1"
    )
    mask_worker = service.worker()["pid"]
    assert service.mask(PHOTO, model="removebg").outcome == (503, "timed-out")
    service.until(service.idle)
    assert service.worker()["pid"] == mask_worker
