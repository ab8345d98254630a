"""One file of a job as an answer: the whole file, one byte range of it, or 304."""

import asyncio
import re
from pathlib import Path
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from backend.api.problems import documented, error_answer
from backend.contract.errors import NotFoundError, OutOfRangeError, StorageFailedError, StorageFullError
from backend.jobs.home import StoredObject
from backend.jobs.records import StoredFile

RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")
DOCUMENTATION: dict[int | str, dict[str, Any]] = {
    206: {"description": "the byte range that `Range` asks for"},
    304: {"description": "not changed, by `If-None-Match`"},
    **documented(NotFoundError, OutOfRangeError, StorageFailedError, StorageFullError),
}


class _Whole(FileResponse):
    """A file answer that ignores `Range`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


async def file_answer(request: Request, job_id: str, file: StoredFile, place: Path | StoredObject) -> Response:
    """Answer with the finished `file` at `place`. Raises NotFoundError when it is gone."""
    tag = f'"{job_id}.{file.name}"'  # a finished file never changes
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{file.name}"',
    }
    if tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    try:
        if isinstance(place, Path):
            stat = await asyncio.to_thread(place.stat)
            size = stat.st_size
        else:
            size = await asyncio.to_thread(place.size)
    except FileNotFoundError:  # removed since the store was asked
        raise NotFoundError("There is no such job; it may have expired.") from None
    meant = request.headers.get("if-range", tag) == tag
    part = asked_part(request.headers.get("range", ""), size) if meant else "whole"
    if part == "beyond":
        beyond = OutOfRangeError("The file is shorter than this range.", limit=size)
        return error_answer(request, beyond, {"Content-Range": f"bytes */{size}"})
    if not isinstance(place, Path):
        return _streamed(place, request.headers["range"] if part == "part" else "", size, headers, file.media_type)
    kind = FileResponse if part == "part" else _Whole
    return kind(place, headers=headers, media_type=file.media_type, stat_result=stat)


def _streamed(place: StoredObject, header: str, size: int, headers: dict[str, str], media_type: str) -> Response:
    """Answer with the whole of an object, or with the part that a valid Range `header` asks for."""
    start, end = 0, size
    if (found := RANGE.fullmatch(header)) is not None:
        first, last, length = found.groups()
        start = int(first) if first else max(0, size - int(length))
        end = min(int(last) + 1, size) if last else size
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers |= {"Content-Length": str(end - start), "Accept-Ranges": "bytes"}
    return StreamingResponse(place.pieces(start, end), 206 if found else 200, headers, media_type)


def asked_part(header: str, size: int) -> Literal["whole", "part", "beyond"]:
    """Return what a Range header asks for of `size` bytes. Anything but one valid range is ignored, as RFC 9110 (14.2)
    allows."""
    found = RANGE.fullmatch(header)
    if found is None:
        return "whole"
    first, last, length = found.groups()
    if first is None:
        return "part" if min(int(length), size) > 0 else "beyond"
    if last and int(last) < int(first):
        return "whole"
    return "part" if int(first) < size else "beyond"
