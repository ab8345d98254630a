"""Ids sort by time, whatever the clock does, and cannot be guessed."""

import time

import pytest

from backend.jobs.records import ID_PATTERN, JobIds


def test_an_id_is_26_lowercase_letters_and_digits() -> None:
    made = JobIds().next()
    assert ID_PATTERN.fullmatch(made) and len(made) == 26 and made == made.lower()


def test_later_ids_are_greater_when_the_clock_stands_or_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = JobIds()
    made = [ids.next() for _ in range(500)]
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    made += [ids.next() for _ in range(500)]
    assert made == sorted(set(made))


def test_ids_go_on_after_the_last_one_of_a_store() -> None:
    first = JobIds()
    last = max(first.next() for _ in range(50))
    assert JobIds(last).next() > last


def test_two_ids_of_one_moment_share_nothing_but_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    one, other = JobIds().next(), JobIds().next()
    assert one[:10] == other[:10] and one[10:] != other[10:]
