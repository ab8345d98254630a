"""HEAD on every route that answers GET: the same status and header, and no body."""

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware next to the routes. It ends a route once its head is sent: an event stream has no end of its own,
    and a large file need not be read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["method"] != "HEAD":
            await self.app(scope, receive, _naming_head(send))
        else:
            await self._answer_head(scope, receive, send)

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        get = {**scope, "method": "GET"}
        answered = False

        async def send_head(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                answered = True
                running.cancel()

        running = asyncio.ensure_future(self.app(get, receive, _naming_head(send_head)))
        try:
            await asyncio.wait({running})
        finally:
            running.cancel()
            if "route" in get:  # for the metrics
                scope["route"] = get["route"]
        if not running.cancelled() or not answered:
            running.result()


def _naming_head(send: Send) -> Send:
    """Return `send` that adds HEAD to the methods of a 405's Allow."""

    async def naming(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 405:
            headers = MutableHeaders(scope=message)
            methods = [method.strip() for method in headers.get("allow", "").split(",")]
            if "GET" in methods and "HEAD" not in methods:
                headers["Allow"] = ", ".join([*methods, "HEAD"])
        await send(message)

    return naming
