"""A run's notebook."""

import numpy as np
import pytest

from backend.contract.trace import Trace


def test_stages_are_listed_in_order_even_when_one_fails() -> None:
    trace = Trace()
    with trace.stage("decode"):
        pass
    with pytest.raises(KeyError), trace.stage("segment", "cuda:0"):
        raise KeyError
    assert [(stage.name, stage.device) for stage in trace.stages] == [("decode", "cpu"), ("segment", "cuda:0")]


def test_a_kept_picture_does_not_change_with_the_array_it_came_from() -> None:
    trace, array = Trace(wanted=("alpha",)), np.zeros((2, 2), np.float32)
    trace.picture("alpha", array)
    array[:] = 1
    assert trace.pictures["alpha"].max() == 0


def test_no_picture_is_kept_unless_asked_for() -> None:
    trace = Trace()
    trace.picture("alpha", np.zeros((2, 2), np.float32))
    assert trace.pictures == {}


def test_every_picture_is_shown_to_who_listens_and_none_is_kept_for_it() -> None:
    shown: dict[str, np.ndarray] = {}
    trace = Trace(shown.__setitem__, wanted=("mask",))
    for name in ("alpha", "mask"):
        trace.picture(name, np.zeros((2, 2), np.float32))
    assert list(shown) == ["alpha", "mask"] and list(trace.pictures) == ["mask"]
    assert trace.shows("alpha") and trace.shows_pictures and not Trace().shows("alpha")


def test_a_note_is_said_once() -> None:
    trace = Trace()
    trace.note("Twice.")
    trace.note("Twice.")
    assert trace.notes == ["Twice."]


def test_a_listener_can_stop_the_run_before_a_stage() -> None:
    def stop(stage: str) -> None:
        raise InterruptedError(stage)

    ran = []
    with pytest.raises(InterruptedError), Trace(on_stage=stop).stage("segment"):
        ran.append(1)
    assert ran == []
