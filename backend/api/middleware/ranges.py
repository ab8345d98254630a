"""Only files of jobs come in parts: `Range` is removed from every other request, so that it gets the whole, as RFC 9110
(14.2) allows. Starlette would answer a range that it does not understand with a plain 400 or 416."""

from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.middleware.paths import path_of

IN_PARTS = "/jobs/"


class WholeFiles:
    """ASGI middleware next to the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not path_of(scope).startswith(IN_PARTS):
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await self.app(scope, receive, send)
