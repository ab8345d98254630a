"""Calls that wait for the same network go through it at once, and none notices another."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.contract.errors import OutOfMemoryError
from backend.engines.micro_batch import MicroBatcher
from backend.engines.onnx_segmenter import OnnxSegmenter, open_session
from backend.weights.catalogue import CATALOGUE
from tests.helpers.tiny_onnx import write_network


class Network:
    """Doubles what it is given; the first call waits until it is let go, so that others gather."""

    def __init__(self, most: int = 99) -> None:
        self.batches: list[int] = []
        self.most = most
        self.busy, self.go = threading.Event(), threading.Event()

    def __call__(self, given: NDArray[Any]) -> NDArray[Any]:
        self.batches.append(len(given))
        if len(self.batches) == 1:
            self.busy.set()
            assert self.go.wait(60)
        if len(given) > self.most or (given < 0).any():
            raise OutOfMemoryError("too much")
        return given * 2


def gather(network: Network, limit: int, inputs: list[NDArray[Any]]) -> list[Any]:
    """Return what each input's own thread got, an answer or an error, where all but the first had to wait."""
    batcher = MicroBatcher(network, limit)
    outcomes: list[Any] = [None] * len(inputs)

    def call(index: int) -> None:
        try:
            outcomes[index] = batcher(inputs[index])
        except OutOfMemoryError as error:
            outcomes[index] = error

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(inputs))]
    threads[0].start()
    assert network.busy.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(batcher._waiting) < len(inputs) - 1:
        pass
    network.go.set()
    for thread in threads:
        thread.join(60)
    return outcomes


def one(value: float, width: int = 3) -> NDArray[Any]:
    return np.full((1, width), value, np.float32)


def test_waiting_calls_are_merged_and_get_their_own_answers() -> None:
    network = Network()
    outcomes = gather(network, 4, [one(value) for value in range(6)])
    assert [float(answer[0, 0]) for answer in outcomes] == [0, 2, 4, 6, 8, 10]
    assert all(answer.shape == (1, 3) for answer in outcomes)
    assert network.batches[0] == 1 and sorted(network.batches[1:]) == [1, 4]


def test_only_inputs_of_the_same_size_go_together() -> None:
    network = Network()
    gather(network, 4, [one(0), one(1), one(2, 5), one(3)])
    assert sorted(network.batches) == [1, 1, 2]


def test_what_fails_together_is_asked_alone_and_only_the_bad_one_fails() -> None:
    outcomes = gather(Network(), 4, [one(0), one(1), one(-1), one(2)])
    assert isinstance(outcomes[2], OutOfMemoryError)
    assert [float(outcomes[index][0, 0]) for index in (1, 3)] == [2, 4]


def test_what_does_not_fit_together_is_done_one_by_one() -> None:
    outcomes = gather(Network(most=1), 4, [one(value) for value in range(4)])
    assert [float(answer[0, 0]) for answer in outcomes] == [0, 2, 4, 6]


def test_a_limit_of_one_changes_nothing() -> None:
    network = Network()
    network.go.set()
    with pytest.raises(OutOfMemoryError):
        MicroBatcher(network)(one(-1))
    assert network.batches == [1]


def test_a_network_with_a_fixed_batch_axis_is_asked_for_one_at_a_time(tmp_path: Path) -> None:
    session = open_session("tiny", write_network(tmp_path / "tiny.onnx"), 1, "cpu")
    segmenter = OnnxSegmenter("tiny", session, CATALOGUE["u2net"].network, batch_size=4)
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    alone = segmenter.predict(image).saliency
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(segmenter.predict(image).saliency)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 4 and all(np.array_equal(answer, alone) for answer in answers)
