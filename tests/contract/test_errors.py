"""Every error class has its row in the table, and survives the trip between processes."""

import errno
import pickle
import sqlite3
from contextlib import closing

import pytest

from backend.contract import errors
from backend.contract.errors import (
    INTERNAL,
    PROBLEMS,
    CallerError,
    MattemeshError,
    ServiceError,
    StorageFullError,
    TooManyPixelsError,
    problem_of,
    translate_disk_full,
)


def leaves(kind: type[MattemeshError]) -> list[type[MattemeshError]]:
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]  # not the client's own
    return [leaf for child in below for leaf in leaves(child)] if below else [kind]


def test_every_error_class_has_a_row_and_every_row_its_own_code() -> None:
    assert set(leaves(MattemeshError)) == set(PROBLEMS)
    codes = [problem.code for problem in PROBLEMS.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", list(PROBLEMS))
def test_the_callers_faults_are_4xx_and_ours_5xx(kind: type[MattemeshError]) -> None:
    family = CallerError if PROBLEMS[kind].status < 500 else ServiceError
    assert issubclass(kind, family)


def test_an_unknown_exception_is_reported_as_a_bug() -> None:
    assert problem_of(KeyError("x")) is INTERNAL


def test_an_error_keeps_its_sentence_and_numbers_between_processes() -> None:
    error = TooManyPixelsError("Too many.", limit=5, actual=7)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is errors.TooManyPixelsError
    assert (copy.detail, copy.numbers) == ("Too many.", {"limit": 5, "actual": 7})


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_becomes_one_error_of_ours(code: int) -> None:
    with pytest.raises(StorageFullError, match="No room"), translate_disk_full("No room."):
        raise OSError(code, "")


def test_other_errors_of_the_disk_pass_unchanged() -> None:
    for error in (OSError(errno.EIO, ""), sqlite3.OperationalError("database is locked")):
        with pytest.raises(type(error)) as raised, translate_disk_full("No room."):
            raise error
        assert raised.value is error


def test_a_full_database_becomes_the_same_error() -> None:
    with closing(sqlite3.connect(":memory:")) as database, pytest.raises(StorageFullError):
        database.execute("PRAGMA max_page_count = 2")
        with translate_disk_full("No room."):
            database.execute("CREATE TABLE a (b)")
            database.execute("INSERT INTO a VALUES (zeroblob(100000))")
