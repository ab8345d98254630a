"""Every error class has its row in the table, and survives the trip between processes."""

import pickle

import pytest

from backend.contract import errors
from backend.contract.errors import (
    INTERNAL,
    PROBLEMS,
    CallerError,
    MattemeshError,
    ServiceError,
    TooManyPixelsError,
    problem_of,
)


def leaves(kind: type[MattemeshError]) -> list[type[MattemeshError]]:
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [kind]


def test_every_error_class_has_a_row_and_every_row_its_own_code() -> None:
    assert set(leaves(MattemeshError)) == set(PROBLEMS)
    codes = [problem.code for problem in PROBLEMS.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", list(PROBLEMS))
def test_the_callers_faults_are_4xx_and_ours_5xx(kind: type[MattemeshError]) -> None:
    family = CallerError if PROBLEMS[kind].status < 500 else ServiceError
    assert issubclass(kind, family)


def test_an_unknown_exception_is_told_as_a_bug() -> None:
    assert problem_of(KeyError("x")) is INTERNAL


def test_an_error_keeps_its_sentence_and_numbers_between_processes() -> None:
    error = TooManyPixelsError("Too many.", limit=5, actual=7)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is errors.TooManyPixelsError
    assert (copy.detail, copy.numbers) == ("Too many.", {"limit": 5, "actual": 7})
