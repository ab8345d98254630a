"""rembg's server, as its clients speak it: `POST /api/remove`, by rembg's own short names."""

import re
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from backend.api.answers import answer
from backend.api.forms import read_files, read_form
from backend.api.openapi import WORK_ERRORS, request_body
from backend.api.problems import documented
from backend.api.serve import admit, client_id, run_while_connected
from backend.contract.errors import InvalidParameterError
from backend.contract.options import MaskOptions, invalid_option
from backend.contract.work import KINDS, PARTS, Work
from backend.weights.catalogue import CATALOGUE, EMBEDDED_SEGMENTER

KIND = KINDS["remove-bg"]
TRUE, FALSE = ("1", "true", "on", "yes", "t", "y"), ("0", "false", "off", "no", "f", "n", "")
LEVELS = {"af": "240", "ab": "10", "ae": "10"}  # of rembg's alpha matting, at its defaults
router = APIRouter(tags=["rembg"])


def _body() -> dict[str, Any]:
    """Return the OpenAPI request body."""
    flag = {"type": "boolean", "default": False}
    level = {"type": "integer", "description": "Taken at its default alone; another is ignored with a note."}
    return request_body(
        {
            "file": {"type": "string", "format": "binary", "description": PARTS["file"]},
            "model": {"type": "string", "description": "A session of rembg by name; unset: our own default."},
            "a": {**flag, "description": "Alpha matting."},
            **dict.fromkeys(LEVELS, level),
            "om": {**flag, "description": "Only the mask."},
            "ppm": {**flag, "description": "Taken and ignored: masks are cleaned anyway."},
            "bgc": {"type": "string", "description": "Background as `r,g,b,a`; also in the query."},
        },
        ["file"],
    )


@router.post(
    "/api/remove",
    summary="Remove a background as rembg's server does",
    response_class=Response,
    responses={
        200: {"description": "a PNG", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **documented(*WORK_ERRORS),
    },
    openapi_extra=_body(),
)
async def remove(request: Request) -> Response:
    """Takes rembg's parameters, in the form or the query, and returns a PNG: the cutout, or with `om` the mask."""
    answers = request.app.state.answers
    answers.admit()
    admit(request, KIND.lane)
    async with read_form(request, request.app.state.settings.max_upload_bytes, KIND) as form:
        files = await read_files(form, KIND)
        sent = {name: value for name, value in form.multi_items() if not isinstance(value, UploadFile)}
    fields = {**dict(request.query_params), **sent}
    options = _options(fields)
    work = Work("remove-bg", {"file": files["file"]}, options, name=request.state.request_id, client=client_id(request))
    done = await run_while_connected(request, work)
    other = [name for name, level in LEVELS.items() if fields.get(name, level) != level]
    if other:
        note = f"{', '.join(other)} had no effect: alpha matting runs at rembg's defaults."
        done = replace(done, notes=(*done.notes, note))
    return answer(request, done, answers)


def _options(fields: dict[str, str]) -> MaskOptions:
    """Return our options for rembg's. Raises InvalidParameterError."""
    values: dict[str, Any] = {"output": "mask" if _flag(fields, "om") else "cutout"}
    if _flag(fields, "a"):
        values["matting"] = "rembg"
    if model := fields.get("model", ""):
        values["model"] = model if model in CATALOGUE or model == EMBEDDED_SEGMENTER else f"rembg:{model}"
    if (color := fields.get("bgc", "")) and values["output"] == "cutout":
        values["background"] = _color(color)
    try:
        return MaskOptions.model_validate(values)
    except ValidationError as error:
        raise invalid_option(error) from error


def _flag(fields: dict[str, str], name: str) -> bool:
    value = fields.get(name, "").lower()
    if value not in TRUE + FALSE:
        raise InvalidParameterError(f"The option `{name}` is true or false.", parameter=name)
    return value in TRUE


def _color(text: str) -> str:
    """Return "#rrggbb", or "transparent", for "r,g,b,a"."""
    numbers = [int(part) for part in text.split(",") if re.fullmatch(r"\s*[0-9]{1,3}\s*", part)]
    if len(numbers) != len(text.split(",")) or len(numbers) not in (3, 4) or max(numbers) > 255:
        raise InvalidParameterError("The option `bgc` is r,g,b,a, each 0 to 255.", parameter="bgc")
    if numbers[3:] not in ([], [0], [255]):
        raise InvalidParameterError("The option `bgc`: its last number is 255 or 0 here.", parameter="bgc")
    return "transparent" if numbers[3:] == [0] else "#" + "".join(f"{number:02x}" for number in numbers[:3])
