"""`/jobs`: work that outlives its request, with its progress, its files and its outcome."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from sse_starlette import ServerSentEvent
from starlette.datastructures import FormData, QueryParams

from backend.api.forms import read_files, read_form, read_options
from backend.api.job_documents import JobDocument, JobPage, document
from backend.api.openapi import WORK_ERRORS, form_documentation, request_body
from backend.api.problems import MEDIA_TYPE, documented
from backend.api.routes.job_file import DOCUMENTATION, file_answer
from backend.api.streams import EventStream
from backend.contract.errors import (
    CancelledJobError,
    IdempotencyConflictError,
    InvalidParameterError,
    NotFinishedError,
    NotFoundError,
    OverloadedError,
    StorageFailedError,
    StorageFullError,
)
from backend.contract.work import KINDS
from backend.jobs.records import ID_PATTERN, JOB_KINDS, Job, StoredFile
from backend.jobs.service import Jobs

PING_S = 15  # keep-alive comments, or a proxy closes a quiet stream
SEND_TIMEOUT_S = 30.0  # a client that reads nothing for this long has gone
STREAM_END_S = 1.0  # time for a stream to end in good order when the service stops
KIND_ERRORS = dict.fromkeys(error for kind in JOB_KINDS for error in KINDS[kind].raises)
KEY = re.compile(r"[ -~]{1,255}")
router = APIRouter(tags=["jobs"])
EVENT = {  # OpenAPI 3.1 cannot describe an event stream: this is the schema of one event
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["state", "stage", "done"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
}
ID = Annotated[str, Query(pattern=f"^{ID_PATTERN.pattern}$")]


def _form() -> dict[str, Any]:
    """Return the OpenAPI request body: the `kind`, and the fields of every kind of job."""
    bodies = [
        form_documentation(KINDS[kind])["requestBody"]["content"]["multipart/form-data"]["schema"] for kind in JOB_KINDS
    ]
    properties: dict[str, Any] = {"kind": {"type": "string", "enum": list(JOB_KINDS), "description": "What to do."}}
    for body in bodies:
        properties |= body["properties"]
    required = [name for name in properties if all(name in body["required"] for body in bodies)]
    return request_body(properties, ["kind", *required])


@router.post(
    "/jobs",
    summary="Submit a job",
    status_code=202,
    response_model=JobDocument,
    responses={
        200: {"model": JobDocument, "description": "the earlier job with this Idempotency-Key"},
        **documented(*WORK_ERRORS, IdempotencyConflictError),
    },
    openapi_extra=_form(),
)
async def submit(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(description="makes a retry safe: the same key and request give the same job")
    ] = None,
) -> Response:
    """Answer at once with the queued job; `Location` has its address."""
    if idempotency_key is not None and not KEY.fullmatch(idempotency_key):
        raise InvalidParameterError(
            "An Idempotency-Key has 1 to 255 printable ASCII characters.", parameter="Idempotency-Key"
        )
    limit = request.app.state.settings.max_upload_bytes
    async with read_form(request, limit, *(KINDS[kind] for kind in JOB_KINDS)) as form:
        kind = _named_kind(form, request)
        rest = FormData([(name, value) for name, value in form.multi_items() if name != "kind"])
        query = QueryParams([(name, value) for name, value in request.query_params.multi_items() if name != "kind"])
        options = read_options(rest, query, KINDS[kind])
        files = await read_files(rest, KINDS[kind])
    job, is_new = await _jobs(request).submit(kind, files, options, idempotency_key)
    body = _document(request, job)
    headers = {"Location": body.links.self, "Cache-Control": "no-store"}
    return JSONResponse(body.model_dump(mode="json"), 202 if is_new else 200, headers)


def _named_kind(form: FormData, request: Request) -> str:
    """Return the kind of job that the form, or else the query, names. Raises InvalidParameterError."""
    named = form.getlist("kind") or request.query_params.getlist("kind")
    for kind in JOB_KINDS:
        if named == [kind]:
            return kind
    raise InvalidParameterError(f"Name one `kind` of job: {' or '.join(JOB_KINDS)}.", parameter="kind")


@router.get(
    "/jobs",
    summary="All jobs, newest first",
    responses=documented(InvalidParameterError, StorageFailedError, StorageFullError),
)
async def all_jobs(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[ID | None, Query(description="`next` of the previous page")] = None,
) -> JobPage:
    """Answer with one page; pass its `next` as `before` to get the following one."""
    found = await _jobs(request).page(limit + 1, before)
    response.headers["Cache-Control"] = "no-store"
    page = [_document(request, job) for job in found[:limit]]
    return JobPage(jobs=page, next=page[-1].id if len(found) > limit else None)


@router.get(
    "/jobs/{job_id}", summary="One job", responses=documented(NotFoundError, StorageFailedError, StorageFullError)
)
async def one_job(request: Request, response: Response, job_id: str) -> JobDocument:
    """Answer with the job in its present state."""
    response.headers["Cache-Control"] = "no-store"
    return _document(request, await _jobs(request).get(job_id))


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job's events",
    response_class=EventStream,
    responses={
        200: {"content": {"text/event-stream": {"schema": EVENT}}},
        204: {"description": "there is no event after `Last-Event-ID`, and none will come"},
        **documented(NotFoundError, InvalidParameterError, StorageFailedError, StorageFullError, OverloadedError),
    },
)
async def events(
    request: Request,
    job_id: str,
    last_event_id: Annotated[str | None, Header(pattern="^[0-9]{1,9}$", description="resume after this event")] = None,
) -> Response:
    """Send server-sent events: the past ones first, then new ones. `state` and `stage` say what changed; the last one,
    `done`, is the whole job."""
    jobs = _jobs(request)
    job = await jobs.get(job_id)
    after = int(last_event_id or 0)
    if job.final and not await jobs.has_events(job_id, after):
        return Response(status_code=204)  # stops a browser from reconnecting
    stopping = anyio.Event()
    return EventStream(
        _stream(request, job_id, after, stopping),
        ping=PING_S,
        send_timeout=SEND_TIMEOUT_S,
        shutdown_event=stopping,
        shutdown_grace_period=STREAM_END_S,
    )


async def _stream(request: Request, job_id: str, after: int, stopping: anyio.Event) -> AsyncIterator[ServerSentEvent]:
    jobs = _jobs(request)
    watching = asyncio.create_task(_end_when(stopping, jobs))
    try:
        async for event in _events(request, jobs, job_id, after):
            yield event
    finally:
        watching.cancel()


async def _end_when(stopping: anyio.Event, jobs: Jobs) -> None:
    """End all streams in good order when the service stops."""
    await stopping.wait()
    jobs.end_listening()


async def _events(request: Request, jobs: Jobs, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    async for event in jobs.listen(job_id, after):
        data = json.dumps(event.data)
        if event.event == "done":
            try:
                data = _document(request, await jobs.get(job_id)).model_dump_json()
            except NotFoundError:
                return
        yield ServerSentEvent(data, event=event.event, id=str(event.number))


@router.get(
    "/jobs/{job_id}/result",
    summary="The result of a job",
    response_class=FileResponse,
    responses=DOCUMENTATION | documented(NotFinishedError, CancelledJobError, *KIND_ERRORS, *WORK_ERRORS),
)
async def result(request: Request, job_id: str) -> Response:
    """Answer with the main file, or with the problem that ended the job."""
    job = await _jobs(request).get(job_id)
    if job.state == "cancelled":
        raise CancelledJobError("The job was cancelled.")
    if not job.final:
        raise NotFinishedError("The job has no result yet.")
    problem = job.outcome.problem
    if problem is not None:
        request.state.code = problem["code"]
        return JSONResponse(problem, problem["status"], media_type=MEDIA_TYPE)
    return await _file(request, job, job.outcome.files[0])


@router.get(
    "/jobs/{job_id}/files/{name}",
    summary="One file of a job",
    response_class=FileResponse,
    responses=DOCUMENTATION,
)
async def one_file(request: Request, job_id: str, name: str) -> Response:
    """Answer with a file that the job's document lists."""
    job = await _jobs(request).get(job_id)
    for file in job.outcome.files:
        if file.name == name:
            return await _file(request, job, file)
    raise NotFoundError("The job has no such file.")


@router.delete(
    "/jobs/{job_id}",
    summary="Cancel or remove a job",
    status_code=204,
    responses=documented(NotFoundError, StorageFailedError, StorageFullError),
)
async def remove(request: Request, job_id: str) -> Response:
    """Cancel a job that has not finished; remove one that has, with its files."""
    await _jobs(request).remove(job_id)
    return Response(status_code=204)


async def _file(request: Request, job: Job, file: StoredFile) -> Response:
    return await file_answer(request, job.id, file, _jobs(request).result(job, file))


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _document(request: Request, job: Job) -> JobDocument:
    return document(job, _jobs(request).progress(job.id))
