"""What the working routes share: the form, its documentation, and a pipeline call for a client that may leave."""

import asyncio
from typing import Any

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from backend.api.answers import answer, wanted_cache, wanted_form
from backend.api.forms import read_files, read_form, read_options
from backend.api.problems import documented
from backend.contract.errors import (
    EmptyFileError,
    ImageCorruptError,
    InvalidParameterError,
    MattemeshError,
    MissingFileError,
    ModelUnavailableError,
    NotReadyError,
    OutOfMemoryError,
    OverloadedError,
    StorageFullError,
    TimedOutError,
    TooManyFilesError,
    TooManyPixelsError,
    UnsupportedImageTypeError,
    UploadTooLargeError,
    UploadTooSlowError,
    WorkerLostError,
)
from backend.contract.runner import Runner
from backend.contract.settings import Settings
from backend.contract.work import KINDS, Done, Work

RAISES = (
    MissingFileError,
    TooManyFilesError,
    EmptyFileError,
    InvalidParameterError,
    UnsupportedImageTypeError,
    ImageCorruptError,
    UploadTooLargeError,
    TooManyPixelsError,
    UploadTooSlowError,
    NotReadyError,
    OverloadedError,
    TimedOutError,
    WorkerLostError,
    ModelUnavailableError,
    OutOfMemoryError,
    StorageFullError,
)


PARTS = {
    "file": "The photo: JPEG, PNG or WebP, at most 20 MiB and 50 megapixels.",
    "mask": "Your own mask, white on the object, or a cutout; of the photo's shape.",
    "background": "The picture that goes behind the object.",
}


def documentation(kind: str, media_types: list[str], *raises: type[MattemeshError]) -> dict[str, Any]:
    """Return what the route of `kind` says of itself in OpenAPI, as keyword arguments of the router's decorator.

    `raises` are the errors that it has besides those of every working route.
    """
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = dict.fromkeys([*media_types, "application/zip"], binary)
    content["application/json"] = {"schema": {"type": "object", "required": ["report", "result"]}}
    result = {
        "description": "The file; with `Accept: application/json` the report with the file inside as base64; "
        "with `debug=true` a zip of the file, the report and every intermediate picture.",
        "content": content,
    }
    return {
        "response_class": Response,
        "responses": {200: result, **documented(*RAISES, *raises)},
        "openapi_extra": form_documentation(kind),
    }


def form_documentation(kind: str) -> dict[str, Any]:
    """Return the OpenAPI request body: the files, and every option with its range. The body is parsed by our own
    reader, which keeps the limits while receiving, so the framework cannot document it by itself."""
    files, required = KINDS[kind].files, list(KINDS[kind].required)
    properties = {
        **{name: {"type": "string", "format": "binary", "description": PARTS[name]} for name in files},
        **KINDS[kind].options.model_json_schema()["properties"],
    }
    body = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}


async def serve(request: Request, kind: str) -> Response:
    """Read the form, have the work done, and return its product the way the client wants it.

    Raises OverloadedError before anything is read when the lane is full.
    """
    runner: Runner = request.app.state.runner
    runner.admit(KINDS[kind].lane)
    work = await read_work(request, kind)
    return answer(request, await _while_connected(request, work))


async def read_work(request: Request, kind: str) -> Work:
    """Return what `request` asks for as a piece of work of `kind`. Raises the caller's errors of `read_form`."""
    settings: Settings = request.app.state.settings
    async with read_form(request, settings.max_upload_bytes, KINDS[kind]) as form:
        files = await read_files(form, KINDS[kind])
        options = read_options(form, dict(request.query_params), KINDS[kind])
    wanted = wanted_form(request, options.debug)
    return Work(kind, files, options, wanted, request.state.request_id, wanted_cache(request))


async def _while_connected(request: Request, work: Work) -> Done:
    """Return what the runner makes of `work`; a client that leaves ends it at its next stage (ClientDisconnect)."""
    runner: Runner = request.app.state.runner
    running = asyncio.ensure_future(runner.run(work))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientDisconnect
        return running.result()
    finally:
        running.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    """Return when the client has gone; the body is read by now, so nothing else can arrive."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
