"""uvicorn's server, with the order of a stop that a load balancer and a person at a terminal need."""

import signal
import socket
import time
from types import FrameType

import uvicorn

from backend.api.middleware.stopping import Stopping
from backend.api.server.connections import patient_protocol
from backend.contract.settings import Settings


class Server(uvicorn.Server):
    """Says on the first signal that it stops, goes on listening for `drain_s`, then stops; hurries on a second one.

    Its `run` returns after a stop: a service that was asked to stop and did has not failed.
    """

    def __init__(self, config: uvicorn.Config, stopping: Stopping, drain_s: float) -> None:
        super().__init__(config)
        self.stopping = stopping
        self.drain_s = drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.stopping.began is None:
            self.stopping.begin()
            self.should_exit = not self.started  # there is nobody to tell yet
        elif not self.stopping.hurried:
            self.stopping.hurried = True
            self.should_exit = self.force_exit = True
        else:  # whoever asks three times means it
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)

    async def on_tick(self, counter: int) -> bool:
        began = self.stopping.began
        if began is not None and time.monotonic() - began >= self.drain_s:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves it out then, and the workers would never hear of it
            await self.lifespan.shutdown()


def server_of(app: object, settings: Settings, stopping: Stopping, host: str, port: int) -> Server:
    """Return a server for `app` with the limits of `settings`, not yet started."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        http=patient_protocol(settings),
        ws="none",
        log_level="error",  # our own log has one line a request, and strangers' nonsense deserves none
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.stop_deadline_s,
        h11_max_incomplete_event_size=64 * 1024,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    return Server(config, stopping, settings.drain_s)
