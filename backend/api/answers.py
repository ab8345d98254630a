"""Finished work -> HTTP response: the file itself, JSON with the file in it, or the debug zip."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from backend.contract.errors import OverloadedError
from backend.contract.spool import SpooledFile
from backend.contract.work import CacheUse, Done, File, Form

MAX_NOTES_BYTES = 2000  # proxies refuse long headers; the report has all notes in full
SMALL_BYTES = 2**20  # up to here an answer may use the reserve
FILE_TYPES = ("image/", "model/", "application/octet-stream", "*/*")  # in an Accept header: the file itself


def wanted_form(request: Request, debug: bool) -> Form:
    """Return the form of response that `request` asks for; `debug` overrides the Accept header.

    JSON must be named: a wildcard alone means the file. JSON with a lower weight than the file is the second choice,
    and a weight of 0 excludes it (RFC 9110, 12.5.1).
    """
    weights = dict(_weight(entry) for entry in request.headers.get("accept", "").lower().split(","))
    json_weight = weights.get("application/json", 0.0)
    file_weight = max((weight for name, weight in weights.items() if name.startswith(FILE_TYPES)), default=0.0)
    return "zip" if debug else "json" if json_weight > 0 and json_weight >= file_weight else "file"


def _weight(entry: str) -> tuple[str, float]:
    """Return a media type of an Accept header and its weight; a malformed weight counts as missing, and so as 1."""
    media_type, *parameters = (piece.strip() for piece in entry.split(";"))
    for parameter in parameters:
        if re.fullmatch(r"q=[01](\.[0-9]{0,3})?", parameter):
            return media_type, float(parameter[2:])
    return media_type, 1.0


def wanted_cache(request: Request) -> CacheUse:
    """Return what Cache-Control allows: `no-cache` skips the look-up, `no-store` also the storing."""
    directives = {piece.strip().lower() for piece in request.headers.get("cache-control", "").split(",")}
    return "avoid" if "no-store" in directives else "renew" if "no-cache" in directives else "use"


def server_timing(done: Done) -> str:
    """Return the Server-Timing header: one entry per stage, in milliseconds."""
    return ", ".join(f"{stage.name.replace(' ', '-')};dur={stage.seconds * 1e3:.1f}" for stage in done.stages)


def answer(request: Request, done: Done, answers: "Answers") -> Response:
    """Return the response with its timing and notes; the timing also goes into the log line.

    Raises OverloadedError when the budget of `answers` is used up.
    """
    request.state.server_timing = server_timing(done)
    request.state.stages = {stage.name: round(stage.seconds, 4) for stage in done.stages}
    file = done.files[0]
    headers = {
        "Server-Timing": request.state.server_timing,
        "Content-Disposition": f'inline; filename="{file.name}"',
        "Cache-Control": "no-store",
    }
    if done.cache is not None:
        headers["X-Cache"] = done.cache
    notes = " | ".join(" ".join(note.split()) for note in done.notes)  # a line break would break the header
    if notes:
        headers["X-Notes"] = notes.encode("ascii", "replace").decode("ascii")[:MAX_NOTES_BYTES]
    return FileAnswer(file, answers, headers)


@dataclass
class Answers:
    """The finished results that clients are still to read; they are in memory or on disk.

    Small answers have a reserve beyond `max_bytes`: clients that leave large ones unread do not lock others out.
    """

    max_bytes: int
    held_bytes: int = 0

    def admit(self, size: int = 0) -> None:
        """Raise OverloadedError where there is no room for an answer of `size` bytes; 0: for a small one."""
        limit = self.max_bytes if size > SMALL_BYTES else self.max_bytes + self.max_bytes // 8
        if self.held_bytes + size > limit:
            raise OverloadedError(
                "Too many answers wait to be read; try again soon.", limit=limit, actual=self.held_bytes
            )


class FileAnswer(Response):
    """A response that is sent piece by piece, so that a slow client holds little memory."""

    def __init__(self, file: File | SpooledFile, answers: Answers, headers: Mapping[str, str]) -> None:
        """Raises OverloadedError, and closes the file, when the budget of `answers` is used up."""
        try:
            answers.admit(file.size)
        except OverloadedError:
            file.close()
            raise
        answers.held_bytes += file.size
        super().__init__(None, media_type=file.media_type, headers={**headers, "Content-Length": str(file.size)})
        self._file, self._answers = file, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for piece in self._file.pieces():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._answers.held_bytes -= self._file.size
            self._file.close()
