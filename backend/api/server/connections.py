"""One client's connection: uvicorn's HTTP protocol with a limit on everything that a client can be slow at.

uvicorn waits for ever for a request's head, for a client to take its answer, and for the rest of a body that nobody
wants any more. Here each of these ends. `backend.api.middleware.uploads` decides how slowly a body may come, because it
can say so in an answer. Numbers are seconds unless their names say otherwise.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from backend.api.server.alarm import Alarm
from backend.contract.errors import Problem, body_of
from backend.contract.settings import Settings

# A chunk costs as much as a short request to read, whatever is in it: chunks of one byte would hold up everybody.
READ_BYTES, READ_CHUNKED_BYTES = 256 * 1024, 16 * 1024  # at once; a fair turn for one connection
LEAST_CHUNK_BYTES, SPARE_CHUNKS = 128, 64  # on average in what is read at once, and how many may be smaller
LINGER_S = 5.0  # how long the rest of an unwanted body is thrown away, so that its sender gets to read the answer


@dataclass
class Door:
    """What the connections of one server share."""

    settings: Settings
    without_request: "dict[PatientProtocol, None]" = field(default_factory=dict)  # longest first


def patient_protocol(settings: Settings) -> "type[PatientProtocol]":
    """Return the protocol class for one server with `settings`, for `uvicorn.Config(http=…)`."""
    return type("Protocol", (PatientProtocol,), {"door": Door(settings)})


class PatientProtocol(H11Protocol):
    """HTTP/1.1 for one client, patient up to the limits of `door.settings`."""

    door: Door

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_alarm = Alarm(self.loop)
        self._answer_alarm = Alarm(self.loop)
        self._leaving = False
        self._is_chunked = False  # the body that is being received

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._socket = transport
        transport.max_size = READ_CHUNKED_BYTES  # type: ignore[attr-defined]  # asyncio's own, without an option for it
        super().connection_made(cast(asyncio.Transport, _GentlyClosed(transport, self)))
        if len(self.connections) > self.door.settings.max_connections and not self._make_room():
            self._refuse(503, "overloaded", "The service is busy", "Too many connections are open; try again soon.")
            return
        self.door.without_request[self] = None
        self._head_alarm.set(self.door.settings.head_deadline_s, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        if self._is_chunked and data.count(b"\r\n") > 2 * (len(data) // LEAST_CHUNK_BYTES + SPARE_CHUNKS):
            self._refuse(400, "bad-request", "Not a request that can be read", "The body comes in too small chunks.")
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self._head_alarm.is_set:
            self._head_alarm.set(self.door.settings.head_deadline_s, self._head_is_late)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_answer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._answer_alarm.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leaving = True
        self._head_alarm.clear()
        self._answer_alarm.clear()
        self.door.without_request.pop(self, None)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn's own does it only where nothing went wrong

    # What uvicorn calls.

    def handle_events(self) -> None:
        super().handle_events()
        is_body = self.conn.their_state is h11.SEND_BODY
        self._is_chunked = is_body and any(name == b"transfer-encoding" for name, _ in self.headers)
        # Until a head is read nobody knows what follows it.
        self._socket.max_size = READ_BYTES if is_body and not self._is_chunked else READ_CHUNKED_BYTES  # type: ignore[attr-defined]
        if self.conn.their_state is h11.IDLE and not self._leaving:
            self.door.without_request.setdefault(self)
        else:
            self._head_alarm.clear()
            self.door.without_request.pop(self, None)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad-request", "Not a request that can be read", "What was sent is not HTTP/1.1.")

    def shutdown(self) -> None:
        if not self._leaving:
            super().shutdown()
        elif not self._socket.get_write_buffer_size():
            self._socket.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a stranger's header is not worth a line in the log, and the request is served without it."""

    # The limits.

    @property
    def is_leaving(self) -> bool:
        return self._leaving

    def _make_room(self) -> bool:
        """Close the connection that has been without a request for longest; False where there is none."""
        longest = next(iter(self.door.without_request), None)
        if longest is None:
            return False
        longest._socket.abort()
        del self.door.without_request[longest]
        return True

    def _head_is_late(self) -> None:
        begun, _ = self.conn.trailing_data
        if begun:
            self._refuse(408, "request-too-slow", "The request came too slowly", "The request's head took too long.")
        else:  # a browser keeps a connection in hand and must not take a 408 for the answer to its next request
            self.transport.close()

    def _watch_answer(self) -> None:
        untaken = self._socket.get_write_buffer_size()
        self._answer_alarm.set(self.door.settings.answer_patience_s, lambda: self._judge_answer(untaken))

    def _judge_answer(self, untaken_before: int) -> None:
        """Give the client up when it has taken less of its answer than the lowest rate asks for."""
        settings = self.door.settings
        taken = untaken_before - self._socket.get_write_buffer_size()
        if taken < settings.min_bytes_per_s * settings.answer_patience_s and self._socket.get_write_buffer_size():
            self._socket.abort()
        else:
            self._watch_answer()

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        """Answer with a problem where an answer can still be given, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever waits for the rest of this request's body learns that none comes
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = body_of(Problem(status, code, title), detail, f"urn:mattemesh:request:{uuid.uuid4().hex[:16]}", {})
            self._send_problem(status, json.dumps(body).encode())
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

    def leave(self) -> None:
        """Close the connection; where more of a request may come, only after its sender could read the answer.

        A socket closed with unread bytes in it is reset, and the answer is lost with it.
        """
        if self._leaving:
            return
        self._leaving = True
        self._head_alarm.clear()
        self.door.without_request.pop(self, None)
        if self._socket.get_write_buffer_size():
            self._watch_answer()
        # IDLE: of a head that came too slowly more may come.
        if self.conn.their_state not in (h11.SEND_BODY, h11.ERROR, h11.IDLE) or not self._socket.can_write_eof():
            self._socket.close()
            return
        self.flow.resume_reading()
        self._socket.write_eof()
        self.loop.call_later(LINGER_S, self._end_lingering)

    def _end_lingering(self) -> None:
        if not self._socket.get_write_buffer_size():
            self._socket.abort()
        else:  # a long answer is still being taken
            self.loop.call_later(LINGER_S, self._end_lingering)


class _GentlyClosed:
    """The transport as uvicorn sees it: as it is, but closed by its protocol's `leave`."""

    def __init__(self, transport: asyncio.Transport, protocol: PatientProtocol) -> None:
        self._transport = transport
        self._protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self._protocol.leave()

    def is_closing(self) -> bool:
        return self._protocol.is_leaving or self._transport.is_closing()
