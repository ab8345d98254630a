"""Graceful stop: the service reports that it stops, refuses new work and finishes what runs."""

import asyncio
import time
from dataclasses import dataclass

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.problems import error_answer
from backend.contract.errors import NotReadyError

ALWAYS_TAKEN = ("GET", "HEAD", "OPTIONS", "DELETE")  # reads and cancellations


@dataclass
class Stopping:
    """Whether and since when the service is stopping."""

    began: float | None = None  # time.monotonic()
    hurried: bool = False  # requested twice: stop at once

    def begin(self) -> None:
        if self.began is None:
            self.began = time.monotonic()

    @staticmethod
    def refusal() -> NotReadyError:
        """Return the error for work that arrives now."""
        return NotReadyError("The service is stopping; send the request again in a moment.")


class RefuseWhileStopping:
    """ASGI middleware that answers 503 `not-ready`: to new work from the signal on, and to work that is unfinished when
    the time for stopping is over."""

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
            task.uncancel()  # the server cancelled the request; it can still be answered
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = error_answer(Request(scope), self.stopping.refusal(), {"Connection": "close"})
        await answer(scope, receive, send)
