"""A finished piece of work -> the HTTP answer: the file itself, JSON with the file inside, or the debug zip."""

import re

from fastapi import Request, Response

from backend.contract.work import CacheUse, Done, Form

MAX_NOTES_BYTES = 2000  # proxies refuse long headers; the report has every note whole
FILE_TYPES = ("image/", "model/", "application/octet-stream", "*/*")  # what, in an Accept header, means the file


def wanted_form(request: Request, debug: bool) -> Form:
    """Return which form of the answer `request` asks for; `debug` wins over the Accept header.

    JSON has to be named: a wildcard alone means the file. Named with a lower weight than the file has, it is the
    second choice, and with a weight of 0 it is refused (RFC 9110, 12.5.1).
    """
    weights = dict(_weight(entry) for entry in request.headers.get("accept", "").lower().split(","))
    json_weight = weights.get("application/json", 0.0)
    file_weight = max((weight for name, weight in weights.items() if name.startswith(FILE_TYPES)), default=0.0)
    return "zip" if debug else "json" if json_weight > 0 and json_weight >= file_weight else "file"


def _weight(entry: str) -> tuple[str, float]:
    """Return a media type of an Accept header and its weight; one that is no number counts as none given."""
    media_type, *parameters = (piece.strip() for piece in entry.split(";"))
    for parameter in parameters:
        if re.fullmatch(r"q=[01](\.[0-9]{0,3})?", parameter):
            return media_type, float(parameter[2:])
    return media_type, 1.0


def wanted_cache(request: Request) -> CacheUse:
    """Return what Cache-Control lets a cache do: with `no-cache` the work is done anew, with `no-store` not kept."""
    directives = {piece.strip().lower() for piece in request.headers.get("cache-control", "").split(",")}
    return "avoid" if "no-store" in directives else "renew" if "no-cache" in directives else "use"


def server_timing(done: Done) -> str:
    """Return the Server-Timing header: one entry a stage, in milliseconds."""
    return ", ".join(f"{stage.name.replace(' ', '-')};dur={stage.seconds * 1e3:.1f}" for stage in done.stages)


def answer(request: Request, done: Done) -> Response:
    """Return the response with its timing and its notes; the log line gets the timing too."""
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
    return Response(file.data, media_type=file.media_type, headers=headers)
