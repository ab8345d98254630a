"""A small file server on this machine that can misbehave in every way that a real one has been seen to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Misdeed = Callable[[BaseHTTPRequestHandler, bytes], bool]  # answers itself and returns True, or leaves it to the server


@dataclass
class WeightsServer:
    """The files to serve and a record of the requests. `misdeeds` are used up one a request, then it behaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)  # media types of files that are not plain bytes
    headers: dict[str, str] = field(default_factory=dict)  # sent along with every file
    misdeeds: list[Misdeed] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def ranges(self) -> list[str]:
        """The Range header of each request so far, "" where there was none."""
        return [headers.get("Range", "") for _, headers in self.requests]


@contextmanager
def serving() -> Iterator[WeightsServer]:
    """Run a server on 127.0.0.1 while the body runs."""
    served = WeightsServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.requests.append((self.path, dict(self.headers.items())))
            body = served.files.get(self.path)
            if served.misdeeds and served.misdeeds.pop(0)(self, body or b""):
                return
            if body is None:
                send(self, 404, b"no such file")
                return
            typed = {"Content_Type": served.types[self.path]} if self.path in served.types else {}
            serve_file(self, body, served.etags.get(self.path, '"v1"'), served.headers | typed)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that hung up is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Answer in full; header names are given with underscores. `Content_Length` may lie."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    handler.send_response(status)
    for name, value in ({"Content-Type": "application/octet-stream", "Content-Length": str(len(body))} | named).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def serve_file(handler: BaseHTTPRequestHandler, body: bytes, etag: str, headers: dict[str, str]) -> None:
    """Answer as a good server does: Range and If-Range of RFC 9110."""
    wanted = handler.headers.get("Range", "")
    if wanted and handler.headers.get("If-Range", etag) == etag:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            send(handler, 416, b"", Content_Range=f"bytes */{len(body)}")
            return
        span = f"bytes {start}-{len(body) - 1}/{len(body)}"
        send(handler, 206, body[start:], ETag=etag, Content_Range=span, **headers)
        return
    send(handler, 200, body, ETag=etag, **headers)


def cut_after(count: int, etag: str = '"v1"') -> Misdeed:
    """Promise the whole file, send `count` bytes of what is missing, and hang up."""

    def misdeed(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        wanted = handler.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        handler.send_response(206 if wanted else 200)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.send_header("ETag", etag)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        handler.wfile.write(body[start : start + count])
        handler.close_connection = True
        return True

    return misdeed


def answer(status: int, body: bytes = b"", **headers: str) -> Misdeed:
    """Answer with this whatever was asked for."""

    def misdeed(handler: BaseHTTPRequestHandler, _: bytes) -> bool:
        send(handler, status, body, **headers)
        return True

    return misdeed
