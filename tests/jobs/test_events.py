"""The progress of a job: never backwards, and unknown until such a job has run."""

import time

import pytest

from backend.contract.work import Stage
from backend.jobs.events import Progress, timing_profile, updated_stage_times

USUAL = {"decode": 1.0, "segment": 6.0, "encode": 3.0}


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 50.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_first_job_says_which_stage_runs_and_nothing_it_cannot_know() -> None:
    progress = Progress({})
    progress.start()
    assert progress.begin("decode") == {"name": "decode", "index": 0, "fraction": 0.0, "seconds_left": None}
    snapshot = progress.snapshot()
    assert (snapshot["stage"], snapshot["fraction"], snapshot["seconds_left"]) == ("decode", 0.0, None)


def test_a_job_at_the_usual_pace_is_predicted_exactly(clock: Clock) -> None:
    progress = Progress(USUAL)
    progress.start()
    for stage, seconds in USUAL.items():
        progress.begin(stage)
        clock.now += seconds / 2
        snapshot, gone = progress.snapshot(), clock.now - 50.0
        assert snapshot["fraction"] == pytest.approx(gone / 10)
        assert snapshot["seconds_left"] == pytest.approx(10 - gone)
        clock.now += seconds / 2
    assert [stage["seconds"] for stage in progress.snapshot()["stages"]] == [1.0, 6.0]


def test_a_job_twice_as_slow_has_more_time_left_than_the_usual_one(clock: Clock) -> None:
    progress = Progress(USUAL)
    progress.start()
    progress.begin("decode")
    clock.now += 2.0
    progress.begin("segment")
    clock.now += 12.0
    snapshot = progress.begin("encode")
    assert 3.0 < snapshot["seconds_left"] <= 6.0


def test_progress_never_goes_back_nor_beyond_its_end(clock: Clock) -> None:
    progress = Progress(USUAL)
    progress.start()
    fractions = []
    for stage in ("decode", "segment", "decode", "surprise", "encode", "segment", "encode"):
        fractions.append(progress.begin(stage)["fraction"])
        clock.now += 100.0
    assert fractions == sorted(fractions)
    assert progress.snapshot()["fraction"] <= 1.0 and progress.snapshot()["seconds_left"] >= 0.0


def test_left_out_stages_count_as_done() -> None:
    progress = Progress(USUAL)
    progress.start()
    assert progress.begin("encode")["fraction"] == pytest.approx(0.7, abs=0.01)


def test_what_is_usual_follows_the_runs_and_forgets_stages_that_are_gone() -> None:
    usual = updated_stage_times(
        {}, (Stage("decode", 1.0, "cpu"), Stage("grabcut", 2.0, "cpu"), Stage("grabcut", 3.0, "cpu"))
    )
    assert usual == {"decode": 1.0, "grabcut": 5.0}
    for _ in range(30):
        usual = updated_stage_times(usual, (Stage("segment", 4.0, "cpu"), Stage("decode", 9.0, "cpu")))
    assert list(usual) == ["segment", "decode"]
    assert usual["decode"] == pytest.approx(9.0, abs=0.01)


def test_other_engines_and_qualities_are_other_sorts_of_work() -> None:
    sorts = {
        timing_profile("remove-bg", {"quality": "fast"}),
        timing_profile("remove-bg", {"quality": "best"}),
        timing_profile("generate-mesh", {"quality": "fast"}),
        timing_profile("generate-mesh", {"quality": "fast", "engine": "relief"}),
    }
    assert len(sorts) == 4
    assert timing_profile("remove-bg", {"quality": "fast", "crop": True}) in sorts
