"""The response of finished work: its headers can carry any note."""

from fastapi import Request

from backend.api.answers import MAX_NOTES_BYTES, answer
from backend.contract.work import Done, File


def headers_of(*notes: str) -> dict[str, str]:
    request = Request({"type": "http", "headers": [], "state": {}})
    return dict(answer(request, Done((File("mask.png", "image/png", b"mask"),), notes=notes)).headers)


def test_a_note_of_several_lines_is_one_line_of_the_header() -> None:
    assert headers_of("one\r\nSet-Cookie: a=b", "two\x0bthree\n")["x-notes"] == "one Set-Cookie: a=b | two three"


def test_long_notes_and_foreign_letters_do_not_break_the_header() -> None:
    notes = headers_of("ü" * 5000)["x-notes"]
    assert notes.isascii() and len(notes) == MAX_NOTES_BYTES
