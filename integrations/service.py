"""Has a photo made into a mask or a mesh by a running service, with Python's standard library alone.

Blender and ComfyUI bring their own Python, into which nothing has to be installed; pack.py puts this file into each
package. The photo goes in as a job, so that its progress is seen, it can be cancelled, and a short outage is survived.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

POLL_S = 0.25
TIMEOUT_S = 60.0  # of one request; none waits for the work itself
RETRIES, FIRST_PAUSE_S, LONGEST_PAUSE_S = 4, 0.5, 30.0
BUSY = (429, 502, 503, 504)

OnProgress = Callable[[float, str], None]


class ServiceError(Exception):
    """One sentence for the person who can put it right."""


class Service:
    """One service by its address and key. Raises ServiceError for an address that is none."""

    def __init__(self, address: str, key: str = "") -> None:
        address = address.strip()
        try:
            parts = urlsplit(address if "//" in address else f"http://{address}")
            host, self._port = parts.hostname or "", parts.port
        except ValueError:  # a bracket or a port
            host = ""
        if not host or parts.scheme not in ("http", "https"):
            raise ServiceError(f"{address!r} is not an address; one looks like http://127.0.0.1:8000")
        if not (key.isascii() and key.isprintable()):
            raise ServiceError("The API key has a character that no key has: copy it again.")
        self.address, self.host = address, host
        self._connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._prefix = parts.path.rstrip("/")
        self._headers = {"X-API-Key": key} if key else {}

    @contextmanager
    def job(
        self,
        kind: str,
        photo: bytes,
        options: Mapping[str, str],
        on_progress: OnProgress,
        *,
        mask: bytes | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the document of the job once it has succeeded; it is removed when the block ends.

        `on_progress` gets the finished share, 0 to 1, and the stage; what it raises cancels the job. Raises
        ServiceError where the service refuses the photo, fails or does not answer.
        """
        files = {"file": photo} if mask is None else {"file": photo, "mask": mask}
        body, content_type = _form({"kind": kind, **options}, files)
        headers = {"Content-Type": content_type, "Idempotency-Key": uuid.uuid4().hex}  # a repeat makes no second job
        waiting = lambda: on_progress(0.0, "waiting for the service")  # noqa: E731
        job = self._document("POST", "/jobs", body, headers, waiting)
        path = f"/jobs/{job['id']}"
        try:
            while job["finished_at"] is None:
                progress = job["progress"]
                on_progress(progress["fraction"], progress["stage"] or job["state"])
                time.sleep(POLL_S)
                job = self._document("GET", path, while_waiting=waiting)
            if job["state"] != "succeeded":
                problem = job["problem"] or {"detail": "The job was cancelled at the service."}
                raise ServiceError(problem["detail"])
            yield job
        finally:
            with suppress(ServiceError):
                self._ask("DELETE", path, retries=0)

    def file(self, job: Mapping[str, Any], name: str = "") -> bytes:
        """Return one of the job's files by name; without one its result."""
        path = f"/jobs/{job['id']}/files/{name}" if name else f"/jobs/{job['id']}/result"
        return self._ask("GET", path)

    def _document(self, *request: Any, **arguments: Any) -> dict[str, Any]:
        """Return the job that the answer tells of; arguments as of `_ask`."""
        try:
            document: dict[str, Any] = json.loads(self._ask(*request, **arguments))
            document["finished_at"]
        except (ValueError, TypeError, KeyError) as error:
            raise ServiceError(f"What answers at {self.address} is not a Mattemesh service.") from error
        return document

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        while_waiting: Callable[[], None] = lambda: None,
        retries: int = RETRIES,
    ) -> bytes:
        """Return the body of the answer. Where the service is busy or gone for a moment, ask again."""
        for attempt in range(retries + 1):
            is_last = attempt == retries
            pause_s = FIRST_PAUSE_S * 2**attempt
            try:
                response, data = self._exchange(method, path, body, {**self._headers, **(headers or {})})
            except (OSError, http.client.HTTPException) as error:
                # Nothing is lost yet when a photo finds no service: say so at once.
                if is_last or (method == "POST" and isinstance(error, (ConnectionRefusedError, socket.gaierror))):
                    reason = str(error) or type(error).__name__
                    raise ServiceError(f"No service answers at {self.address} ({reason}).") from error
            else:
                if response.status not in BUSY or is_last:
                    return self._checked(response, data)
                told = response.getheader("Retry-After", "")
                pause_s = float(told) if told.isdecimal() else pause_s
            end = time.monotonic() + min(pause_s, LONGEST_PAUSE_S)
            while time.monotonic() < end:
                while_waiting()
                time.sleep(POLL_S)
        raise AssertionError("the last attempt returns or raises")

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connection(self.host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, self._prefix + path, body, dict(headers))
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def _checked(self, response: http.client.HTTPResponse, data: bytes) -> bytes:
        """Return the body of an answer, or raise what it says went wrong."""
        if response.status < 300:
            return data
        if response.getheader("Content-Type", "").startswith("application/problem+json"):
            raise ServiceError(json.loads(data)["detail"])
        raise ServiceError(f"What answers at {self.address} is not a Mattemesh service (status {response.status}).")


def _form(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return a multipart body and its Content-Type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
        parts += [head.encode(), data, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
