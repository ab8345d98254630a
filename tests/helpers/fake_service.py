"""A server on this machine that speaks the services' HTTP, or misbehaves; and a transport that leads there."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np

from backend.images.encode import encode_cutout_png, encode_mask_png

Act = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Heard:
    """One request as it arrived."""

    method: str
    url: str  # the address that was meant, with scheme and host; the path alone where nothing was rerouted
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass
class FakeService:
    """`acts` are used up one a request; the last one stays."""

    acts: list[Act] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    port: int = 0


@contextmanager
def running() -> Iterator[FakeService]:
    """Run a server on 127.0.0.1 while the body runs."""
    service = FakeService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            service.heard.append(Heard(self.command, headers.get("x-meant", self.path), headers, body))
            act = service.acts.pop(0) if len(service.acts) > 1 else service.acts[0]
            act(self)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that gave up is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


class Rerouted(httpx.HTTPTransport):
    """Sends every request to the fake service and adds the address that was meant."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["x-meant"] = str(request.url)
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return super().handle_request(request)


def answer(status: int, body: bytes = b"", **headers: str) -> Act:
    """Answer in full; header names are given with underscores."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def cut_off(promised: int, body: bytes) -> Act:
    """Promise more than is sent, and hang up."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        answer(200, body, Content_Length=str(promised))(handler)
        handler.close_connection = True

    return act


def dripping(event: threading.Event, pause_s: float = 0.02) -> Act:
    """Send a byte now and then until the test is over: no single wait is long."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        answer(200, b"", Content_Length="1000000")(handler)
        while not event.wait(pause_s):
            handler.wfile.write(b"x")

    return act


def silent(event: threading.Event) -> Act:
    """Say nothing until the test is over."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        event.wait(10)
        handler.close_connection = True

    return act


def endless(count: int) -> Act:
    """Send `count` MiB without saying so beforehand."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(count):
            handler.wfile.write(bytes(1 << 20))
        handler.close_connection = True

    return act


def disc(height: int = 60, width: int = 90) -> np.ndarray:
    """The alpha of a disc in the middle."""
    y, x = np.mgrid[:height, :width]
    inside = (y + 0.5 - height / 2) ** 2 + (x + 0.5 - width / 2) ** 2 < (0.35 * height) ** 2
    return inside.astype(np.float32)


def photo(height: int = 60, width: int = 90) -> np.ndarray:
    """A dark disc on a light ground."""
    return np.where(disc(height, width)[..., None] > 0, (60, 40, 30), (225, 228, 230)).astype(np.uint8)


def matte_png(height: int = 60, width: int = 90) -> bytes:
    """Return remove.bg's answer to channels=alpha."""
    return encode_mask_png(disc(height, width))


def cutout_png(height: int = 60, width: int = 90) -> bytes:
    """Return Bria's answer."""
    return encode_cutout_png(photo(height, width), disc(height, width))
