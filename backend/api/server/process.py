"""uvicorn's server with a graceful stop in the order that a load balancer and a person at a terminal need."""

import signal
import socket
import time
from types import FrameType

import uvicorn

from backend.api.middleware.stopping import Stopping
from backend.api.server.protocol import protocol_class
from backend.contract.settings import Settings


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

    async def on_tick(self, counter: int) -> bool:
        began = self.stopping.began
        if began is not None and time.monotonic() - began >= self.drain_s:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn then skips the lifespan, which ends the workers
            await self.lifespan.shutdown()


def server_of(app: object, settings: Settings, stopping: Stopping, host: str, port: int) -> Server:
    """Return a server for `app` with the limits of `settings`, not yet started."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        loop="asyncio",  # uvloop, which uvicorn prefers, has no `max_size` for the protocol to set
        http=protocol_class(settings),
        ws="none",
        log_level="error",  # our own log has one line per request; malformed requests need none
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.stop_deadline_s,
        h11_max_incomplete_event_size=64 * 1024,
        proxy_headers=False,  # `TrustedProxies` does it, and notes which connections come from a proxy
    )
    return Server(config, stopping, settings.drain_s)
