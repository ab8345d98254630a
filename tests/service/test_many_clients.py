"""More clients than places, more work than capacity, masks for hours: short here, long and with the real limits by
`-m slow` and `benchmarks/load.py`."""

from collections.abc import Iterator

import pytest

from tests.helpers.loads import STUB, Crowd, Flood, Growth, crowd, flood, forms, growth
from tests.helpers.real_service import RealService, running

SMALL = (160, 120)
NOISE_S = 0.25  # a scheduler's, on a machine that runs other tests at the same time


def check_growth(grown: Growth, slack_bytes: int = 0) -> None:
    assert set(grown.answers) == {"200 ok"}
    for name in grown.before:
        assert grown.grown_bytes(name) <= grown.allowed_bytes(name) + slack_bytes, name
        assert grown.more_files(name) <= 8, name
        assert grown.more_threads(name) <= 4, name


def check_crowd(seen: Crowd) -> None:
    assert seen.only_served_or_told, seen.answers
    assert seen.answers["503 overloaded"] > 0


def test_a_crowd_is_served_in_turn_or_told_at_once(service: RealService) -> None:
    seen = crowd(service, forms(16, SMALL, **STUB), clients=9, each=12, seconds=30)
    check_crowd(seen)
    assert seen.accepted_p99_s <= 2 * seen.accepted_limit_s + NOISE_S
    assert seen.refused_p99_s <= 0.1 + NOISE_S


def test_a_flood_leaves_the_accepted_work_its_pace(service: RealService) -> None:
    seen: Flood = flood(service, forms(16, SMALL, **STUB), seconds=4, settle_s=0.5)
    assert set(seen.answers) <= {"200 ok", "503 overloaded"}
    assert seen.kept > 0.4
    assert seen.healthz_p99_s < 0.1 + NOISE_S


def test_masks_leave_nothing_in_memory_and_no_file_open(service: RealService) -> None:
    rounds = [lambda: forms(20, SMALL, **STUB)] * 3 + [lambda: forms(6, (400, 300), **STUB)]
    check_growth(growth(service, forms(30, SMALL, **STUB), rounds, repeat=2))
    assert service.left_over() == []


@pytest.fixture
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealService]:
    """A service with the settings that a person gets."""
    with running(tmp_path_factory.mktemp("usual")) as service:
        yield service


BORDER = {"model": "border"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_clients_and_five_hundred_masks_each(usual: RealService) -> None:
    seen = crowd(usual, forms(100, SMALL, quality="fast", **BORDER), clients=20, each=500, seconds=600)
    check_crowd(seen)
    assert seen.accepted_p99_s <= 1.2 * seen.accepted_limit_s
    assert seen.refused_p99_s < 0.1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_times_the_capacity_for_two_minutes(usual: RealService) -> None:
    seen = flood(usual, forms(100, (640, 480), **BORDER), seconds=120, settle_s=5)
    assert set(seen.answers) <= {"200 ok", "503 overloaded"}
    assert seen.kept >= 0.9
    assert seen.healthz_p99_s < 0.1
