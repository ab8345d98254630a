"""A finished piece of work -> the HTTP answer: the file itself, JSON with the file inside, or the debug zip."""

import base64
import json
import re
from dataclasses import dataclass

from fastapi import Request, Response

from backend.debug import bundle_files, write_zip
from backend.pipeline import Product
from backend.trace import Trace

MAX_NOTES_BYTES = 2000  # proxies refuse long headers; the report has every note whole
FILE_TYPES = ("image/", "model/", "application/octet-stream", "*/*")  # what, in an Accept header, means the file


@dataclass(frozen=True)
class Packet:
    """The body of an answer, made where the work ran, so that the event loop has nothing heavy to do."""

    body: bytes
    media_type: str
    file_name: str


def pack(product: Product, trace: Trace, form: str) -> Packet:
    """Return the answer's body; `form` is "file", "json" (report and base64 result) or "zip" (the debug bundle)."""
    stem = product.file_name.rsplit(".", 1)[0]
    if form == "zip":
        return Packet(write_zip(bundle_files(product, trace)), "application/zip", f"{stem}-debug.zip")
    if form == "json":
        result = {
            "name": product.file_name,
            "media_type": product.media_type,
            "base64": base64.b64encode(product.data).decode("ascii"),
        }
        body = json.dumps({"report": product.report, "result": result}).encode()
        return Packet(body, "application/json", f"{stem}.json")
    return Packet(product.data, product.media_type, product.file_name)


def wanted_form(request: Request, debug: bool) -> str:
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


def server_timing(trace: Trace) -> str:
    """Return the Server-Timing header: one entry a stage, in milliseconds."""
    return ", ".join(f"{stage.name.replace(' ', '-')};dur={stage.seconds * 1e3:.1f}" for stage in trace.stages)


def answer(request: Request, packet: Packet, trace: Trace) -> Response:
    """Return the response with its timing and its notes; the log line gets the timing too."""
    request.state.server_timing = server_timing(trace)
    headers = {
        "Server-Timing": request.state.server_timing,
        "Content-Disposition": f'inline; filename="{packet.file_name}"',
        "Cache-Control": "no-store",
    }
    notes = " | ".join([*trace.notes, *trace.degradations])
    if notes:
        headers["X-Notes"] = notes.encode("ascii", "replace").decode("ascii").replace("\n", " ")[:MAX_NOTES_BYTES]
    return Response(packet.body, media_type=packet.media_type, headers=headers)
