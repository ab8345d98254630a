"""How the service stops: it says so first, takes no new work, and lets what it has begun come to its end."""

import asyncio
import time
from dataclasses import dataclass

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.problems import error_answer
from backend.contract.errors import NotReadyError

ALWAYS_TAKEN = ("GET", "HEAD", "OPTIONS", "DELETE")  # what looks, and what cancels


@dataclass
class Stopping:
    """Whether the service is on its way out."""

    began: float | None = None  # time.monotonic()
    hurried: bool = False  # asked twice: wait for nothing

    def begin(self) -> None:
        if self.began is None:
            self.began = time.monotonic()

    @staticmethod
    def refusal() -> NotReadyError:
        """Return what is told to whoever brings work now."""
        return NotReadyError("The service is stopping; send the request again in a moment.")


class RefuseWhileStopping:
    """ASGI middleware: from the signal on, new work gets 503 `not-ready` at once, and so does at the end of the time
    for it what was begun and is not finished."""

    def __init__(self, app: ASGIApp, stopping: Stopping) -> None:
        self.app = app
        self.stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self.stopping.began is not None and scope["method"] not in ALWAYS_TAKEN:
            await self._refuse(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = False

        async def noted(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.stopping.began is None or answering or task is None:
                raise
            task.uncancel()  # the server gave the request up, and we still have an answer for it
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = error_answer(Request(scope), self.stopping.refusal(), {"Connection": "close"})
        await answer(scope, receive, send)
