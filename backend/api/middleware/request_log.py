"""Per request: an id, one log line, and a problem response for an unexpected exception."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.logs import printable
from backend.api.middleware.paths import path_of
from backend.api.problems import internal_answer

HEADER = "X-Request-ID"
GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # safe in a header, a log line and a folder name
QUIET = ("/healthz", "/readyz", "/", "/favicon.ico")  # probes and the page's files: logged at DEBUG
QUIET_FILES = ("/static/", "/static-offline-docs/")
CLIENT_GONE = 499  # nginx's status for a client that disconnected; logged, never sent
Observe = Callable[[Request, int, float], None]
logger = logging.getLogger("mattemesh")


class RequestLog:
    """Plain ASGI middleware: Starlette's BaseHTTPMiddleware hides a client's disconnect from the route."""

    def __init__(self, app: ASGIApp, observe: Observe) -> None:
        self.app = app
        self.observe = observe  # called for every answered request with its status and seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        path = path_of(scope)  # a mount changes what the scope says
        given = request.headers.get(HEADER, "")
        request.state.request_id = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex[:16]
        start = time.perf_counter()
        status = CLIENT_GONE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request.state.request_id
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            pass
        except Exception as error:  # a bug: the client gets a 500 problem, the log the trace
            if status != CLIENT_GONE:  # the response has begun and cannot be replaced
                raise
            await internal_answer(request, error)(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - start
            self.observe(request, status, seconds)
            self._log(request, path, status, seconds)

    @staticmethod
    def _log(request: Request, path: str, status: int, seconds: float) -> None:
        state = request.state
        quiet = status < 400 and (path in QUIET or path.startswith(QUIET_FILES))
        level = logging.DEBUG if quiet else logging.INFO
        outcome = getattr(state, "code", "client-left" if status == CLIENT_GONE else "ok")
        timing = getattr(state, "server_timing", "")
        facts = {
            "request_id": state.request_id,
            "method": printable(request.method),
            "path": printable(request.scope["path"]),
            "status": status,
            "code": outcome,
            "seconds": round(seconds, 4),
            "stages": getattr(state, "stages", {}),
            "client": request.client.host if request.client else None,
        }
        logger.log(
            level,
            "%s %s %s %d %s %.0f ms%s",
            state.request_id,
            facts["method"],
            facts["path"],
            status,
            outcome,
            seconds * 1e3,
            f" [{timing}]" if timing else "",
            extra=facts,
        )
