"""uvicorn's HTTP/1.1 protocol with time limits against slow clients (slowloris).

uvicorn waits without limit for a request's head, for a client to read its response, and for the rest of a body that the
service no longer wants. Here each of these waits ends. `backend.api.middleware.uploads` limits how slowly a body may
arrive, because it can answer the client.
"""

import asyncio
import json
import re
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import h11
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from backend.api.middleware.paths import PROBES, path_of
from backend.api.middleware.proxies import is_trusted
from backend.api.problems import error_answer
from backend.api.streams import MEDIA_TYPE as EVENT_STREAM
from backend.contract.errors import OverloadedError, Problem, body_of
from backend.contract.settings import Settings

MAX_HEAD_BYTES = 64 * 1024
if sys.platform == "linux":
    import fcntl
    import termios

READ_BYTES = 256 * 1024  # largest read from a socket: one connection's turn in the event loop
# Parsing a chunk costs as much as a short request, however small: one-byte chunks would block the event loop.
READ_CHUNKED_BYTES = 16 * 1024  # largest read of a chunked body, or of a head, which may announce one
WRITE_BYTES = 16 * 1024  # unsent bytes at which a response pauses: what a client that does not read costs
MIN_MEAN_CHUNK_BYTES = 128  # of the chunks that end in one read
EXTRA_CHUNKS = 64  # small chunks allowed per read beyond that mean
PROBE_CONNECTIONS = 8  # beyond MAX_CONNECTIONS, for /healthz and /readyz alone: a busy service is not dead
ABSOLUTE_FORM = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
TOO_MANY = "Too many connections are open; try again soon."
LINGER_S = 5.0  # how long the rest of an unwanted body is discarded, so that its sender can read the response


@dataclass
class SharedState:
    """State that all connections of one server share."""

    settings: Settings
    count_refusal: Callable[[int], None]  # called with the status of a response that the app does not see
    idle: "dict[TimeLimitedH11, None]" = field(default_factory=dict)  # without a request, longest first
    streams: "dict[TimeLimitedH11, None]" = field(default_factory=dict)  # sending events, longest first
    per_address: Counter[str] = field(default_factory=Counter)  # open connections


def protocol_class(settings: Settings, count_refusal: Callable[[int], None]) -> "type[TimeLimitedH11]":
    """Return the protocol class of one server with `settings`, for `uvicorn.Config(http=…)`."""
    return type("Protocol", (TimeLimitedH11,), {"shared": SharedState(settings, count_refusal)})


class _Connection(h11.Connection):
    """An HTTP/1.1 connection with few small chunks, whose requests all have the address in the short form."""

    chunks_left = 0  # that may still end in what has been read

    def allow_chunks(self, read_bytes: int) -> None:
        """Allow the chunks of another read, and no more of what the reads before it left."""
        unread = len(self.trailing_data[0])
        self.chunks_left = (unread + read_bytes) // MIN_MEAN_CHUNK_BYTES + EXTRA_CHUNKS

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event. Raises RemoteProtocolError, also for a body in small chunks."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            return _origin_form(event)
        if isinstance(event, h11.Data) and event.chunk_end:
            self.chunks_left -= 1
            if self.chunks_left < 0:
                raise h11.RemoteProtocolError("The chunks of the body are too small.")
        return event


def _origin_form(request: h11.Request) -> h11.Request:
    """Return `request` with its path as the target and, where the target was a whole address, its host as the header
    (RFC 9112, 3.2.2)."""
    found = ABSOLUTE_FORM.fullmatch(request.target)
    if found is None:
        return request
    host, rest = found.groups()
    headers = [(name, value) for name, value in request.headers if name != b"host"]
    target = rest if rest.startswith(b"/") else b"/" + rest
    return h11.Request(
        method=request.method, target=target, headers=[(b"host", host), *headers], http_version=request.http_version
    )


class TimeLimitedH11(H11Protocol):
    """HTTP/1.1 for one client, within the time limits of `shared.settings`."""

    shared: SharedState

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn: _Connection = _Connection(h11.SERVER, MAX_HEAD_BYTES)
        self._head_timer = _Timer(self.loop)
        self._response_timer = _Timer(self.loop)
        self._deadline_timer = _Timer(self.loop)  # of a response whose client does not read as fast as it is sent
        self._address = ""
        self._closing = False
        self._probes_only = False  # accepted beyond the limit
        self._inner_app, self.app = self.app, self._call_app

    # Called by the event loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._socket = transport
        transport.set_write_buffer_limits(high=WRITE_BYTES)
        transport.max_size = READ_CHUNKED_BYTES  # type: ignore[attr-defined]  # asyncio has no option for it
        self._holding = _LingeringTransport(transport, self)
        super().connection_made(cast(asyncio.Transport, self._holding))
        self._address = str((transport.get_extra_info("peername") or [""])[0])
        self.shared.per_address[self._address] += 1
        excess = max(self._excess_of_address(), len(self.connections) - self.shared.settings.max_connections)
        if excess > 0 and (self._excess_of_address() > 0 or not self._make_way()):
            self._probes_only = excess <= PROBE_CONNECTIONS
            if not self._probes_only:
                self._refuse(503, "overloaded", "The service is busy", TOO_MANY)
                return
        self.shared.idle[self] = None
        self._head_timer.start(self.shared.settings.head_deadline_s, self._on_late_head)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self.conn.allow_chunks(len(data))
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self._head_timer.is_running:
            self._head_timer.start(self.shared.settings.head_deadline_s, self._on_late_head)

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self._deadline_timer.is_running:
            self._deadline_timer.start(self.shared.settings.answer_deadline_s, self._socket.abort)
        self._watch_response()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._response_timer.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._head_timer.stop()
        self._response_timer.stop()
        self._deadline_timer.stop()
        self.shared.idle.pop(self, None)
        self.shared.streams.pop(self, None)
        self.shared.per_address[self._address] -= 1
        if not self.shared.per_address[self._address]:
            del self.shared.per_address[self._address]
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn does this only after an orderly close

    # Called by uvicorn.

    def handle_events(self) -> None:
        super().handle_events()
        is_body = self.conn.their_state is h11.SEND_BODY
        is_chunked = is_body and any(name == b"transfer-encoding" for name, _ in self.headers)
        # Until the head is read, a chunked body may follow it.
        self._socket.max_size = READ_BYTES if is_body and not is_chunked else READ_CHUNKED_BYTES  # type: ignore[attr-defined]
        if self.conn.their_state is h11.IDLE and not self._closing:
            self._deadline_timer.stop()
            self.shared.idle.setdefault(self)
        else:
            self._head_timer.stop()
            self.shared.idle.pop(self, None)

    def send_400_response(self, msg: str) -> None:
        crumbs = self.conn.chunks_left < 0
        detail = "The chunks of the body are too small." if crumbs else "The request is not valid HTTP/1.1."
        self._refuse(400, "bad-request", "The request cannot be read", detail)

    def shutdown(self) -> None:
        if not self._closing:
            super().shutdown()
        elif not self._socket.get_write_buffer_size():
            self._socket.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: any client can send the header, and the request is served without the upgrade."""

    # The limits.

    @property
    def is_closing(self) -> bool:
        return self._closing

    async def _call_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, and note while an event stream is sent."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith(EVENT_STREAM):
                    self.shared.streams[self] = None
                if self._probes_only:
                    headers["Connection"] = "close"
                if "content-length" in headers:  # a stream's head goes at once: its first piece may take long
                    self._holding.hold()
                await send(message)
                return
            await send(message)
            self._holding.release()

        app = self._inner_app
        if self._probes_only and path_of(scope) not in PROBES:
            app = error_answer(Request(scope), OverloadedError(TOO_MANY))
        try:
            await app(scope, receive, watched)
        finally:
            self._holding.release()
            self.shared.streams.pop(self, None)

    def _make_way(self) -> bool:
        """Close the connection that has been idle for longest, or else the oldest event stream; False if neither is
        there. The client of a stream resumes it."""
        for candidates in (self.shared.idle, self.shared.streams):
            longest = next(iter(candidates), None)
            if longest is not None:
                longest._socket.abort()
                del candidates[longest]
                return True
        return False

    def _excess_of_address(self) -> int:
        """Return how many connections more than allowed this address has; a trusted proxy stands for many clients."""
        settings = self.shared.settings
        excess = self.shared.per_address[self._address] - settings.max_connections_per_address
        if excess > 0 and is_trusted(self._address, settings.trusted_proxies):
            return 0
        return excess

    def _on_late_head(self) -> None:
        received, _ = self.conn.trailing_data
        if received:
            self._refuse(408, "request-too-slow", "The request came too slowly", "The request's head took too long.")
        else:  # a browser's spare connection: it would take a 408 for the response to its next request
            self.transport.close()

    def _watch_response(self) -> None:
        unsent = self._unread_bytes()
        self._response_timer.start(self.shared.settings.answer_patience_s, lambda: self._check_response_rate(unsent))

    def _check_response_rate(self, unsent_before: int) -> None:
        """Drop a client that read its response more slowly than the minimum rate since the last check."""
        settings = self.shared.settings
        unsent = self._unread_bytes()
        if unsent and unsent_before - unsent < settings.min_bytes_per_s * settings.answer_patience_s:
            self._socket.abort()
        else:
            self._watch_response()

    def _unread_bytes(self) -> int:
        """Return the bytes of responses that the client has not acknowledged, those in the kernel's buffer included.

        The kernel takes more only when a third of its buffer is free: at a slow pace that looks like none for minutes.
        """
        unsent: int = self._socket.get_write_buffer_size()
        if sys.platform == "linux" and unsent:
            queued = fcntl.ioctl(self._socket.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
            unsent += int.from_bytes(queued, sys.byteorder)
        return unsent

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        """Send a problem if a response can still begin, then close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # wakes a handler that waits for the rest of this request's body
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = body_of(Problem(status, code, title), detail, f"urn:mattemesh:request:{uuid.uuid4().hex[:16]}", {})
            self._send_problem(status, json.dumps(body).encode())
            self.shared.count_refusal(status)
        self.transport.close()

    def _send_problem(self, status: int, body: bytes) -> None:
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        response = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def close_lingering(self) -> None:
        """Close the connection. If more of a request may arrive, first give its sender time to read the response.

        Closing a socket that has unread bytes resets it, and the response is lost.
        """
        if self._closing:
            return
        self._closing = True
        self._head_timer.stop()
        self.shared.idle.pop(self, None)
        if self._socket.get_write_buffer_size():
            self._watch_response()
        # IDLE: the rest of a late head may arrive.
        if self.conn.their_state not in (h11.SEND_BODY, h11.ERROR, h11.IDLE) or not self._socket.can_write_eof():
            self._socket.close()
            return
        self.flow.resume_reading()
        self._socket.write_eof()
        self.loop.call_later(LINGER_S, self._end_lingering)

    def _end_lingering(self) -> None:
        if not self._socket.get_write_buffer_size():
            self._socket.abort()
        else:  # the client is still reading a long response
            self.loop.call_later(LINGER_S, self._end_lingering)


class _Timer:
    """One timer of the event loop that can be restarted and stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._handle is not None

    def start(self, seconds: float, callback: Callable[[], None]) -> None:
        self.stop()
        self._handle = self._loop.call_later(seconds, callback)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _LingeringTransport:
    """The transport that uvicorn gets: its `close` is the protocol's `close_lingering`, and a response's head leaves
    with the first piece of its body. A server that is killed between the two would leave half of a small response,
    which no proxy can ask for again."""

    def __init__(self, transport: asyncio.Transport, protocol: TimeLimitedH11) -> None:
        self._transport = transport
        self._protocol = protocol
        self._held: list[bytes] | None = None

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(data)

    def hold(self) -> None:
        """Keep what is written until `release`."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Write what was kept in one piece."""
        if self._held is not None:
            held, self._held = b"".join(self._held), None
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self.release()
        self._protocol.close_lingering()

    def is_closing(self) -> bool:
        return self._protocol.is_closing or self._transport.is_closing()
