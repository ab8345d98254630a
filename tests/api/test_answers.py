"""The response of finished work: its headers can carry any note."""

import asyncio
from pathlib import Path

import pytest
from fastapi import Request, Response
from starlette.types import Message

from backend.api.answers import MAX_NOTES_BYTES, SMALL_BYTES, Answers, answer
from backend.contract.errors import OverloadedError
from backend.contract.spool import PIECE_BYTES, SpooledFile, spool_bytes
from backend.contract.work import Done, File


def headers_of(*notes: str) -> dict[str, str]:
    request = Request({"type": "http", "headers": [], "state": {}})
    return dict(answer(request, Done((File("mask.png", "image/png", b"mask"),), notes=notes), Answers(1000)).headers)


def test_a_note_of_several_lines_is_one_line_of_the_header() -> None:
    assert headers_of("one\r\nSet-Cookie: a=b", "two\x0bthree\n")["x-notes"] == "one Set-Cookie: a=b | two three"


def test_long_notes_and_foreign_letters_do_not_break_the_header() -> None:
    notes = headers_of("ü" * 5000)["x-notes"]
    assert notes.isascii() and len(notes) == MAX_NOTES_BYTES


class Client:
    """Reads `pieces` of an answer and then nothing more."""

    def __init__(self, pieces: int) -> None:
        self.left = pieces
        self.heard: list[Message] = []
        self.stuck = asyncio.Event()

    async def send(self, message: Message) -> None:
        if not self.left:
            self.stuck.set()
            await asyncio.sleep(3600)
        self.left -= 1
        self.heard.append(message)


async def nothing() -> Message:
    raise AssertionError("a response reads nothing")


def response(answers: Answers, file: File | SpooledFile) -> Response:
    request = Request({"type": "http", "headers": [], "state": {}})
    return answer(request, Done((file,)), answers)


def test_unread_answers_use_up_a_budget_and_small_ones_have_a_reserve(tmp_path: Path) -> None:
    large, small = 2 * SMALL_BYTES, 100_000

    async def scene() -> None:
        answers = Answers(8 * SMALL_BYTES)
        files = [spool_bytes(tmp_path, "mask.png", "image/png", bytes(large)) for _ in range(5)]
        clients = [Client(pieces=2) for _ in range(4)]
        sending = [
            asyncio.create_task(response(answers, file)({"type": "http"}, nothing, client.send))
            for file, client in zip(files, clients, strict=False)
        ]
        await asyncio.gather(*(client.stuck.wait() for client in clients))
        assert answers.held_bytes == 4 * large
        with pytest.raises(OverloadedError):
            response(answers, files[4])
        with pytest.raises(ValueError, match="closed file"):
            _ = files[4].data
        for _ in range(10):  # an eighth of the budget
            answers.admit()
            response(answers, File("mask.png", "image/png", bytes(small)))
        with pytest.raises(OverloadedError):
            response(answers, File("mask.png", "image/png", bytes(small)))
        for task in sending:
            task.cancel()
        await asyncio.wait(sending)
        assert answers.held_bytes == 10 * small

    asyncio.run(scene())


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 7])
@pytest.mark.parametrize("on_disk", [False, True])
def test_an_answer_arrives_whole_in_small_pieces(size: int, on_disk: bool, tmp_path: Path) -> None:
    data = bytes(at % 251 for at in range(size))
    file: File | SpooledFile = File("mask.png", "image/png", data)
    if on_disk:
        file = spool_bytes(tmp_path, "mask.png", "image/png", data)
    answers, client = Answers(10**9), Client(pieces=100)
    asyncio.run(response(answers, file)({"type": "http"}, nothing, client.send))
    start, *bodies = client.heard
    assert dict(start["headers"])[b"content-length"] == str(size).encode()
    assert b"".join(body["body"] for body in bodies) == data
    assert max(len(body["body"]) for body in bodies) <= PIECE_BYTES
    assert not bodies[-1].get("more_body") and answers.held_bytes == 0
    assert not list(tmp_path.iterdir())  # it has had no name
