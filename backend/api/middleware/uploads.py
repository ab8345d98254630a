"""Limits on request bodies: the lowest rate of one and the total size of all. An unread body closes its connection."""

import asyncio
import time
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.middleware.stopping import Stopping
from backend.contract.errors import NotReadyError, OverloadedError, UploadTooSlowError
from backend.contract.settings import Settings


@dataclass
class Uploads:
    """The requests with a body that are being received or served; their bytes are in memory or on disk."""

    requests: int = 0
    received_bytes: int = 0


class PacedUploads:
    """ASGI middleware, outside everything that may read a body."""

    def __init__(self, app: ASGIApp, settings: Settings, uploads: Uploads, stopping: Stopping) -> None:
        self.app = app
        self.settings = settings
        self.uploads = uploads
        self.stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self.app(scope, receive, send)
            return
        body = _Body(self.settings, self.uploads, self.stopping, receive)
        headers = Headers(scope=scope)
        ambiguous = "transfer-encoding" in headers and "content-length" in headers  # RFC 9112, 6.1: smuggling

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and (ambiguous or not body.complete):
                MutableHeaders(scope=message)["Connection"] = (
                    "close"  # otherwise the next request would be read from inside this body
                )
            await send(message)

        self.uploads.requests += 1
        try:
            await self.app(scope, body.receive, send_and_close)
        finally:
            self.uploads.requests -= 1
            self.uploads.received_bytes -= body.received_bytes


def has_body(scope: Scope) -> bool:
    """Whether the request of `scope` announces a body."""
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


class _Body:
    """One body with a time budget: waiting for the client spends seconds, received bytes earn them back."""

    def __init__(self, settings: Settings, uploads: Uploads, stopping: Stopping, receive: Receive) -> None:
        self.settings = settings
        self.uploads = uploads
        self.stopping = stopping
        self._receive = receive
        self.complete = False
        self.received_bytes = 0
        self._end = time.monotonic() + settings.upload_deadline_s
        self._budget_s = settings.upload_patience_s

    async def receive(self) -> Message:
        """Return the next piece. Raises UploadTooSlowError, OverloadedError and, while stopping, NotReadyError."""
        if self.complete:
            return await self._receive()  # only a disconnect can follow
        message = await self._in_time()
        size = len(message.get("body", b""))
        self._budget_s = min(self.settings.upload_patience_s, self._budget_s + size / self.settings.min_bytes_per_s)
        self.complete = not message.get("more_body", False)
        self.received_bytes += size
        self.uploads.received_bytes += size
        if self.uploads.received_bytes > self.settings.max_uploads_bytes:
            raise OverloadedError("Too many uploads are in progress; try again soon.")
        return message

    async def _in_time(self) -> Message:
        # Count only the wait for the client, not the work of the service between two pieces.
        began = time.monotonic()
        end = self._end
        if self.stopping.began is not None:  # an unfinished upload must not delay the stop
            end = min(end, self.stopping.began + self.settings.upload_patience_s)
        try:
            async with asyncio.timeout(min(self._budget_s, end - began)):
                message = await self._receive()
        except TimeoutError:
            raise self._too_slow() from None
        self._budget_s -= time.monotonic() - began
        return message

    def _too_slow(self) -> NotReadyError | UploadTooSlowError:
        if self.stopping.began is not None:
            return self.stopping.refusal()
        settings = self.settings
        return UploadTooSlowError(
            f"An upload must arrive within {settings.upload_deadline_s:g} s, at {settings.min_bytes_per_s} bytes "
            "per second or more.",
            limit=settings.upload_deadline_s,
            actual=self.received_bytes,
        )
