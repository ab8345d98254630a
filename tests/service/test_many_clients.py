"""More clients than places and more work than capacity: each answer is a mask or an honest refusal, and nothing stays.

How long the answers take and how much memory the service then holds is measured by `benchmarks/load.py`.
"""

from tests.helpers.clients import Plan, ask_many, begun
from tests.helpers.incidents import PHOTO
from tests.helpers.loads import STUB, answers, forms
from tests.helpers.real_service import RealService

SMALL = (160, 120)


def test_a_crowd_is_served_in_turn_or_refused(service: RealService) -> None:
    service.until(service.idle)
    lane = service.lane()
    clients = 2 * (lane["max_waiting"] + lane["capacity"])
    with begun(Plan(service.port, clients, 60, each=6, pause_s=0.02), *forms(8, SMALL, **STUB)) as crowd:
        with service.stopped():
            service.until(lambda: service.lane()["waiting"] == lane["max_waiting"])
            assert service.mask(PHOTO).outcome == (503, "overloaded")
        seen = answers(crowd.seen())
    assert set(seen) <= {"200 ok", "503 overloaded"}
    assert sum(seen.values()) == 6 * clients
    assert seen["200 ok"] >= lane["max_waiting"]
    service.until(service.idle)
    assert service.mask(PHOTO).status == 200


def test_a_flood_is_served_or_refused_while_healthz_answers(service: RealService) -> None:
    looking = Plan(service.port, 1, 2, pause_s=0.05, method="GET", path="/healthz")
    with begun(looking) as looks:
        seen = answers(ask_many(Plan(service.port, 32, 2, rate=100), *forms(16, SMALL, **STUB)))
        looked = answers(looks.seen())
    assert set(seen) <= {"200 ok", "503 overloaded"}
    assert sum(seen.values()) == 200
    assert seen["200 ok"] > 0
    assert set(looked) == {"200 ok"}
    service.until(service.idle)
    assert service.mask(PHOTO).status == 200


def test_masks_leave_no_file_open_and_no_thread_behind(service: RealService) -> None:
    def send(count: int, size: tuple[int, int]) -> None:
        seen = answers(ask_many(Plan(service.port, 2, 600, each=count // 2), *forms(count, size, **STUB)))
        assert set(seen) == {"200 ok"}
        service.until(service.idle)

    send(20, SMALL)
    before = service.held()
    for size in (SMALL, (400, 300)):
        send(20, size)
    for name, held in service.held().items():
        assert held.files <= before[name].files + 8, name
        assert held.threads <= before[name].threads + 4, name
    assert service.left_over() == []
