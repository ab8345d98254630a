"""A worker that a picture has taken over can send our own messages and nothing else."""

import os
import pickle

import numpy as np
import pytest

from backend.contract.errors import NoSubjectError
from backend.contract.work import Done, File, Stage
from backend.workers.messages import LENGTH, Facts, Failed, Finished, pack, unpack_answer


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("false",)


def there_and_back(message: object) -> object:
    data = pack(message)
    assert LENGTH.unpack(data[: LENGTH.size]) == (len(data) - LENGTH.size,)
    return unpack_answer(data[LENGTH.size :])


def test_an_answer_arrives_as_it_was_sent() -> None:
    done = Done((File("mask.png", "image/png", b"\0\xff"),), (Stage("decode", 0.1, "cpu"),), ("a note",), {"a": [1.5]})
    assert there_and_back(Finished(3, done, Facts({"net": "cpu"}))) == Finished(3, done, Facts({"net": "cpu"}))


def test_an_error_keeps_its_class_its_sentence_and_its_numbers() -> None:
    failed = there_and_back(Failed(1, NoSubjectError("Nothing there.", actual=0), "", Facts()))
    assert isinstance(failed, Failed) and isinstance(failed.error, NoSubjectError)
    assert (failed.error.detail, failed.error.numbers) == ("Nothing there.", {"actual": 0})


@pytest.mark.parametrize(
    "stranger", [Evil(), os.system, eval, np.float64(1.5), np.zeros(3), print, ValueError("no"), pickle.Unpickler]
)
def test_nothing_else_is_unpickled(stranger: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="a worker's answer holds"):
        there_and_back(Finished(1, Done((), report={"value": stranger}), Facts()))


def test_what_a_trusted_module_has_imported_is_not_trusted() -> None:
    for module, name in (
        ("backend.contract.errors", "dataclass"),
        ("backend.workers.messages", "pickle"),
        ("backend.contract.work", "Any"),
    ):
        body = b"\x80\x04c" + f"{module}\n{name}\n.".encode()
        with pytest.raises(pickle.UnpicklingError, match="not one of our classes"):
            unpack_answer(body)


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"\x80\x04]\x94\x85", b"\x80\x04K\x01.", b"I1e999999\n.", pickle.dumps(Facts())]
)
def test_what_is_no_message_is_refused_in_one_way(body: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        unpack_answer(body)


def test_no_attribute_is_reached_through_a_trusted_module() -> None:
    for module in (b"backend.workers.messages", b"backend.contract.work"):
        body = b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c\x09io.system\x93."
        with pytest.raises(pickle.UnpicklingError):
            unpack_answer(body)
