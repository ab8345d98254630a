"""The queue in which clients take turns."""

import pytest

from backend.workers.fair_queue import FairQueue


def queue_of(items: str) -> FairQueue[str]:
    """Return a queue of items such as "a1": the first letter is the client."""
    queue = FairQueue[str]()
    for item in items.split():
        queue.add(item[0], item)
    return queue


def order(queue: FairQueue[str]) -> str:
    return " ".join(queue.next() for _ in range(len(queue)))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("a1 a2 a3", "a1 a2 a3"),
        ("a1 a2 a3 b1", "a1 b1 a2 a3"),
        ("a1 a2 a3 b1 c1 c2", "a1 b1 c1 a2 c2 a3"),
    ],
)
def test_the_oldest_item_of_each_client_in_turn(items: str, expected: str) -> None:
    assert order(queue_of(items)) == expected


def test_a_client_that_comes_back_waits_for_one_turn_of_every_other() -> None:
    queue = queue_of("a1 a2 a3 b1")
    heard = [queue.next(), queue.next()]
    queue.add("b", "b2")
    assert [*heard, *order(queue).split()] == ["a1", "b1", "a2", "b2", "a3"]


def test_the_newest_item_of_a_client_can_be_taken_away() -> None:
    queue = queue_of("a1 a2 b1")
    assert queue.newest("a") == "a2"
    assert queue.newest("b") == "b1"
    assert (queue.clients, len(queue), list(queue)) == (("a",), 1, ["a1"])


def test_an_item_is_removed_once() -> None:
    queue = queue_of("a1 b1")
    assert queue.remove("a", "a1")
    assert not queue.remove("a", "a1")
    assert (queue.clients, queue.count("a"), queue.count("b")) == (("b",), 0, 1)
