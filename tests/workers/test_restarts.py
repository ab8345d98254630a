"""The rests of a crashing worker."""

from backend.workers.restarts import RestartPolicy, Restarts

POLICY = RestartPolicy(crashes=3, window_s=60, first_rest_s=5, longest_rest_s=60)


def test_two_crashes_a_minute_are_borne_and_the_third_is_not() -> None:
    restarts = Restarts(POLICY)
    assert [restarts.crashed(now) for now in (0, 1, 2)] == [0, 0, 5]


def test_crashes_far_apart_never_add_up() -> None:
    restarts = Restarts(POLICY)
    assert [restarts.crashed(now) for now in range(0, 3000, 31)] == [0] * 97


def test_rests_double_up_to_the_longest() -> None:
    restarts, now, rests = Restarts(POLICY), 0.0, []
    for _ in range(9):
        rest = restarts.crashed(now)
        rests.append(rest)
        now += rest + 1
    assert rests == [0, 0, 5, 10, 20, 40, 60, 60, 60]


def test_a_worker_that_stays_up_for_a_whole_window_after_its_rest_is_trusted_again() -> None:
    restarts = Restarts(POLICY)
    for now in (0, 1, 2):
        restarts.crashed(now)
    assert restarts.crashed(2 + 5 + 30) == 10
    assert restarts.crashed(37 + 10 + 61) == 0
