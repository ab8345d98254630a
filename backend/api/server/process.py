"""uvicorn's server with a graceful stop in the order that a load balancer and a person at a terminal need."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from backend.api.middleware.stopping import Stopping
from backend.api.server.protocol import protocol_class
from backend.contract.settings import Settings

LISTEN_BACKLOG = 128  # connections that wait to be accepted; also the most that are accepted in one turn of the loop
ACCEPT_LOG_INTERVAL_S = 60.0
logger = logging.getLogger("mattemesh")


class Server(uvicorn.Server):
    """On the first signal: report not ready, listen for `drain_s` more, then stop. On the second: stop at once.

    `run` returns after a requested stop, so the exit status is 0.
    """

    def __init__(self, config: uvicorn.Config, stopping: Stopping, drain_s: float) -> None:
        super().__init__(config)
        self.stopping = stopping
        self.drain_s = drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.stopping.began is None:
            self.stopping.begin()
            self.should_exit = not self.started  # no client to drain yet
        elif not self.stopping.hurried:
            self.stopping.hurried = True
            self.should_exit = self.force_exit = True
        else:  # the third signal kills
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(AcceptErrors())
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        began = self.stopping.began
        if began is not None and time.monotonic() - began >= self.drain_s:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn then skips the lifespan, which ends the workers
            await self.lifespan.shutdown()


class AcceptErrors:
    """The event loop's exception handler: one log line a minute for connections that cannot be accepted.

    asyncio reports each failed attempt, with a traceback, and makes up to LISTEN_BACKLOG of them a second: the log
    files would soon hold nothing else. Every other error is logged as asyncio does.
    """

    def __init__(self) -> None:
        self._failed = 0
        self._logged_at = -ACCEPT_LOG_INTERVAL_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not str(context.get("message")).startswith("socket.accept()"):
            loop.default_exception_handler(context)
            return
        self._failed += 1
        now = time.monotonic()
        if now - self._logged_at >= ACCEPT_LOG_INTERVAL_S:
            reason = getattr(context.get("exception"), "strerror", "")
            logger.error("connections cannot be accepted (%s); attempts so far: %d", reason, self._failed)
            self._logged_at = now


def server_of(
    app: object,
    settings: Settings,
    stopping: Stopping,
    host: str,
    port: int,
    count_refusal: Callable[[int], None],
) -> Server:
    """Return a server for `app` with the limits of `settings`, not yet started."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        loop="asyncio",  # uvloop, which uvicorn prefers, has no `max_size` for the protocol to set
        http=protocol_class(settings, count_refusal),
        ws="none",
        log_config=None,  # uvicorn's would close our handlers
        log_level="error",  # our own log has one line per request; malformed requests need none
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.stop_deadline_s,
        backlog=LISTEN_BACKLOG,
        proxy_headers=False,  # `TrustedProxies` does it, and notes which connections come from a proxy
    )
    return Server(config, stopping, settings.drain_s)
