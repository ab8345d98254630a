"""One request for work: read its form, run it, and answer in the form that the client accepts."""

import asyncio

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from backend.api.answers import Answers, answer, wanted_cache, wanted_form
from backend.api.forms import read_files, read_form, read_options
from backend.api.middleware.keys import ApiKeys, client_of
from backend.contract.runner import Runner
from backend.contract.settings import Settings
from backend.contract.work import KINDS, Done, Lane, Work


async def serve(request: Request, kind: str) -> Response:
    """Return the result of the work of `kind` that `request` asks for.

    Raises OverloadedError before the body is read when the budget of answers is full, or the lane and no cache may have
    the result, and the errors of `read_form` and the runner.
    """
    answers: Answers = request.app.state.answers
    answers.admit()
    admit(request, KINDS[kind].lane)
    work = await read_work(request, kind)
    return answer(request, await run_while_connected(request, work), answers)


def admit(request: Request, lane: Lane) -> None:
    """Raise OverloadedError where `lane` is full and no cache may have the result, which only the body shows."""
    runner: Runner = request.app.state.runner
    if request.app.state.cache is None or wanted_cache(request) != "use":
        runner.admit(lane, client_id(request))


async def read_work(request: Request, kind: str) -> Work:
    """Return the work of `kind` that `request` describes. Raises the errors of `read_form`."""
    settings: Settings = request.app.state.settings
    async with read_form(request, settings.max_upload_bytes, KINDS[kind]) as form:
        files = await read_files(form, KINDS[kind])
        options = read_options(form, request.query_params, KINDS[kind])
    wanted = wanted_form(request, options.debug)
    return Work(kind, files, options, wanted, request.state.request_id, wanted_cache(request), client_id(request))


def client_id(request: Request) -> str:
    """Return who asks: lanes are shared between clients."""
    return client_of(request.scope, ApiKeys(request.app.state.settings.api_keys))


async def run_while_connected(request: Request, work: Work) -> Done:
    """Return the runner's result; when the client disconnects, cancel the work and raise ClientDisconnect."""
    runner: Runner = request.app.state.runner
    running = asyncio.ensure_future(runner.run(work))
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientDisconnect
        return running.result()
    finally:
        running.cancel()
        leaving.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the client disconnects; the body has been read by now, so no other message can arrive."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
