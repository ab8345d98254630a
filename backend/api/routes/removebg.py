"""remove.bg's API, version 1.0, as its clients speak it: `POST /v1.0/removebg` and `GET /v1.0/account`.

Names, answers and errors follow its published documentation. Nothing is fetched, charged or sent anywhere.
"""

import asyncio
import base64
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from backend.api.answers import answer
from backend.api.forms import read_body, read_files, read_form, too_large
from backend.api.openapi import WORK_ERRORS, request_body
from backend.api.problems import documented_foreign
from backend.api.serve import admit, client_id, run_while_connected
from backend.contract.errors import InvalidParameterError, MissingFileError, NoSubjectError
from backend.contract.options import MatteOptions, invalid_option
from backend.contract.removebg import RemoveBgOptions, known_parameters, our_roi
from backend.contract.work import KINDS, PARTS, Done, Work

KIND = KINDS["removebg"]
MAX_FIELDS = 64
PLENTY = 1_000_000  # credits: some clients stop where an account has none
router = APIRouter(prefix="/v1.0", tags=["remove.bg"])


def _body() -> dict[str, Any]:
    """Return the OpenAPI request body: the parameters that mean something here."""
    own = RemoveBgOptions.model_json_schema()["properties"]
    options = {name: schema for name, schema in own.items() if name not in MatteOptions.model_fields}
    files = {name: {"type": "string", "format": "binary", "description": PARTS[name]} for name in KIND.files}
    texts = {
        "image_file_b64": {"type": "string", "description": "The photo in base64, in place of `image_file`."},
        "roi": {"type": "string", "description": "Where the object is: `x1 y1 x2 y2`, in px or %."},
    }
    body = request_body({**files, **texts, **options}, [])
    for content in body["requestBody"]["content"].values():
        content["schema"]["additionalProperties"] = True  # what is not known is ignored
    return body


@router.get("/account", summary="An account as remove.bg's", responses=documented_foreign())
async def account() -> dict[str, Any]:
    """Returns credits that never end: nothing is charged."""
    credits = {"total": PLENTY, "subscription": 0, "payg": PLENTY, "enterprise": 0}
    return {"data": {"attributes": {"credits": credits, "api": {"free_calls": PLENTY, "sizes": "all"}}}}


@router.post(
    "/removebg",
    summary="Remove a background as remove.bg does",
    response_class=Response,
    responses={
        200: {
            "description": "The picture, or a zip; with `Accept: application/json` in base64.",
            "content": {
                **{media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in KIND.media_types},
                "application/json": {"schema": {"type": "object"}},
            },
        },
        **documented_foreign(*WORK_ERRORS, NoSubjectError),
    },
    openapi_extra=_body(),
)
async def removebg(request: Request) -> Response:
    """Takes remove.bg's parameters and answers in its form, errors included. `image_url` is refused."""
    answers = request.app.state.answers
    answers.admit()
    admit(request, KIND.lane)
    files, options = await _read(request)
    work = Work("removebg", files, options, name=request.state.request_id, client=client_id(request))
    done = await run_while_connected(request, work)
    facts = _facts(done, options)
    if "application/json" in request.headers.get("accept", ""):
        return _as_json(done, facts)
    response = answer(request, done, answers)
    response.headers.update(facts)
    return response


async def _read(request: Request) -> tuple[dict[str, bytes], RemoveBgOptions]:
    """Return the files and the options of a form of either kind, or of a JSON body."""
    limit = request.app.state.settings.max_upload_bytes
    files: dict[str, bytes] = {}
    if request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        body = await read_body(request, limit, KIND.max_text_bytes)
        try:
            pairs = await asyncio.to_thread(parse_qsl, body.decode("utf-8"), True, max_num_fields=MAX_FIELDS)
        except ValueError as error:
            raise InvalidParameterError("The form is malformed.", parameter="body") from error
        fields = dict(pairs)
    else:
        async with read_form(request, limit, KIND) as form:
            files = await read_files(form, KIND)
            fields = {name: value for name, value in form.multi_items() if not isinstance(value, UploadFile)}
    fields = {**dict(request.query_params), **fields}
    if fields.get("image_url") or fields.get("bg_image_url"):
        raise InvalidParameterError(
            "No address is fetched here: send the picture itself, as image_file or image_file_b64.",
            parameter="image_url",
        )
    coded = fields.get("image_file_b64", "")
    if coded and "image_file" in files:
        raise InvalidParameterError("Send one picture: image_file or image_file_b64.", parameter="image_file_b64")
    if coded:
        files["image_file"] = await asyncio.to_thread(_decoded, coded, limit)
    if "image_file" not in files:
        raise MissingFileError("There is no picture; send it as image_file or image_file_b64.", parameter="image_file")
    return files, _options(fields)


def _decoded(coded: str, limit: int) -> bytes:
    try:
        data = base64.b64decode("".join(coded.rpartition("base64,")[2].split()), validate=True)
    except ValueError:
        raise InvalidParameterError("image_file_b64 is not base64.", parameter="image_file_b64") from None
    if len(data) > limit:
        raise too_large(limit, len(data))
    return data


def _options(fields: dict[str, str]) -> RemoveBgOptions:
    values = known_parameters(fields)
    try:
        if "roi" in values:
            values["roi"] = our_roi(values["roi"])
    except ValueError as error:
        raise InvalidParameterError(f"The option `roi`: {error}.", parameter="roi") from error
    try:
        return RemoveBgOptions.model_validate(values)
    except ValidationError as error:
        raise invalid_option(error) from error


def _facts(done: Done, options: RemoveBgOptions) -> dict[str, str]:
    """Return the headers of an answer."""
    x0, y0, x1, y1 = done.report["foreground"]
    classified = {} if options.type_level == "none" else {"X-Type": "other"}  # nothing says what the object is
    return {
        **classified,
        "X-Width": str(done.report["width"]),
        "X-Height": str(done.report["height"]),
        "X-Foreground-Top": str(y0),
        "X-Foreground-Left": str(x0),
        "X-Foreground-Width": str(x1 - x0),
        "X-Foreground-Height": str(y1 - y0),
        "X-Credits-Charged": "0",
    }


def _as_json(done: Done, facts: dict[str, str]) -> Response:
    file = done.files[0]
    try:
        data = b"".join(file.pieces())
    finally:
        file.close()
    place = {
        name.removeprefix("X-").lower().replace("-", "_"): int(value)
        for name, value in facts.items()
        if name.startswith("X-Foreground")
    }
    return JSONResponse({"data": {"result_b64": base64.b64encode(data).decode(), **place}}, headers=facts)
