"""Error responses on every route, as RFC 9457 `application/problem+json`."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from backend.api.middleware.paths import path_of
from backend.contract.errors import (
    INTERNAL,
    INTERNAL_DETAIL,
    PROBLEMS,
    MattemeshError,
    Problem,
    ServiceError,
    body_of,
    problem_of,
)

MEDIA_TYPE = "application/problem+json"
HTTP_PROBLEMS = {
    404: Problem(404, "not-found", "Nothing found at this address"),
    405: Problem(405, "method-not-allowed", "This address does not support this method"),
}
REMOVEBG = "/v1.0/"  # where errors have remove.bg's form
REMOVEBG_CODES = {  # ours -> its own words, where it has one
    "missing-file": "missing_source", "no-subject": "unknown_foreground", "unauthorized": "auth_failed",
    "rate-limited": "rate_limit_exceeded", "upload-too-large": "file_too_large",
}  # fmt: skip
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
logger = logging.getLogger("mattemesh")


class ProblemBody(BaseModel):
    """An error for people (`title`, `detail`) and for programs (`code` and the relevant numbers)."""

    type: str = Field(examples=["urn:mattemesh:problem:too-many-pixels"])
    title: str = Field(examples=["The picture has too many pixels"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["The picture has 60000000 pixels; the limit is 50000000."])
    instance: str = Field(examples=["urn:mattemesh:request:3f0c1e9a5b7d4c12"])
    code: str = Field(examples=["too-many-pixels"])
    limit: float | None = Field(None, examples=[50_000_000])
    actual: float | None = Field(None, examples=[60_000_000])
    parameter: str | None = Field(None, description="the invalid option")


def problem_answer(
    request: Request,
    problem: Problem,
    detail: str,
    numbers: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the response for `problem`; `request.state.code` passes its code to the log line."""
    request.state.code = problem.code
    if path_of(request.scope).startswith(REMOVEBG):
        return _removebg_answer(problem, detail, headers or {})
    instance = f"urn:mattemesh:request:{getattr(request.state, 'request_id', 'unknown')}"
    body = body_of(problem, detail, instance, numbers or {})
    return JSONResponse(body, problem.status, dict(headers or {}), MEDIA_TYPE)


def _removebg_answer(problem: Problem, detail: str, headers: Mapping[str, str]) -> JSONResponse:
    """Return `problem` in the form that remove.bg's clients read."""
    status = problem.status if problem.status >= 429 or problem.status in (404, 405) else 400
    status = 403 if problem.code == "unauthorized" else status
    code = REMOVEBG_CODES.get(problem.code, problem.code.replace("-", "_"))
    return JSONResponse({"errors": [{"title": detail, "code": code}]}, status, dict(headers))


def error_answer(request: Request, error: MattemeshError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the response for `error` from the table of problems, with Retry-After if waiting helps."""
    sent = dict(headers or {})
    if isinstance(error, ServiceError) and error.retry_after_s is not None:
        sent["Retry-After"] = str(error.retry_after_s)
    return problem_answer(request, problem_of(error), error.detail, error.numbers, sent)


def documented(*kinds: type[MattemeshError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route that can raise `kinds`: one entry per status with all its codes."""
    problems = [PROBLEMS[kind] for kind in kinds] + [INTERNAL]
    responses: dict[int | str, dict[str, Any]] = {}
    for status in sorted({problem.status for problem in problems}):
        codes = ", ".join(f"`{problem.code}`" for problem in problems if problem.status == status)
        schema = {"$ref": "#/components/schemas/ProblemBody"}
        responses[status] = {"description": codes, "content": {MEDIA_TYPE: {"schema": schema}}}
    return responses


def documented_foreign(*kinds: type[MattemeshError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route under REMOVEBG that can raise `kinds`, or that needs a key."""
    error = {"type": "object", "properties": {"title": {"type": "string"}, "code": {"type": "string"}}}
    schema = {"type": "object", "properties": {"errors": {"type": "array", "items": error}}, "required": ["errors"]}
    found = {400, 403, 429, 500, *(PROBLEMS[kind].status for kind in kinds if PROBLEMS[kind].status >= 429)}
    content = {"application/json": {"schema": schema}}
    return {status: {"description": "remove.bg's form of an error", "content": content} for status in sorted(found)}


def install(app: FastAPI) -> None:
    """Register the exception handlers on `app`."""

    @app.exception_handler(MattemeshError)
    async def _ours(request: Request, error: MattemeshError) -> JSONResponse:
        return error_answer(request, error)

    @app.exception_handler(HTTPException)
    async def _framework(request: Request, error: HTTPException) -> JSONResponse:
        problem = HTTP_PROBLEMS.get(error.status_code)
        if problem is None:
            problem = Problem(error.status_code, "http-error", "The request failed")
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return problem_answer(request, problem, f"{problem.title}.", headers=headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        detail = "; ".join(f"{'.'.join(map(str, row['loc'][1:]))}: {row['msg']}" for row in error.errors()[:3])
        return problem_answer(request, Problem(422, "invalid-parameter", "An option has an invalid value"), detail)


def _allowed(request: Request) -> str:
    """Return the methods of all routes at the request's path: Starlette names those of the first one only."""

    def answers(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(dict(asked))[0] is Match.FULL for route in request.app.routes)

    return ", ".join(filter(answers, METHODS))


def internal_answer(request: Request, error: Exception) -> JSONResponse:
    """Return the response for a bug; only the log gets the traceback."""
    logger.error("request %s failed", getattr(request.state, "request_id", "unknown"), exc_info=error)
    return problem_answer(request, INTERNAL, INTERNAL_DETAIL)
