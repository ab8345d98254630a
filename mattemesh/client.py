"""A client of the service: masks and meshes over HTTP, and jobs with their events; `Client`, or `AsyncClient` to await.

    from mattemesh.client import Client
    with Client("http://localhost:8000") as client:
        client.remove_bg("photo.jpg").save("mask.png")
        job = client.submit("generate-mesh", "photo.jpg")
        for event in client.events(job["id"]):
            print(event.name, event.data)
        client.result(job["id"]).save("model.glb")

Options are the library's own: `MaskOptions`, `MeshOptions`. A call that met no server, or a busy one, is made again; a
job is submitted under an Idempotency-Key, so that it is never made twice.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import httpx

from backend.contract.errors import MattemeshError
from backend.contract.files import translate_write_errors, write_atomically
from backend.contract.options import MaskOptions, MeshOptions

Kind = Literal["remove-bg", "generate-mesh"]
Photo = str | Path | bytes
Options = MaskOptions | MeshOptions
TIMEOUT = httpx.Timeout(330.0, connect=10.0)  # a mesh may take 300 s
STREAM_TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # a stream says something every 15 s
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
BUSY = (429, 502, 503, 504)


class ApiError(MattemeshError):
    """The service refused: `code` is stable, `status` is HTTP's, `detail` a sentence for people."""

    def __init__(self, detail: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(detail)
        self.status, self.code = status, code

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.detail, self.status, self.code)


def _rebuilt(detail: str, status: int, code: str) -> ApiError:
    return ApiError(detail, status=status, code=code)


@dataclass(frozen=True, repr=False)
class Answer:
    """A finished file. `report` is empty for a file of a job, whose document has it."""

    name: str
    media_type: str
    data: bytes
    report: Mapping[str, Any]

    def save(self, path: str | Path) -> None:
        """Write the file as it is. Raises InvalidParameterError for a path that cannot be written."""
        with translate_write_errors(Path(path)):
            write_atomically(Path(path), self.data)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.data):,} bytes of {self.media_type}>"


@dataclass(frozen=True)
class Event:
    """One event of a job: `state`, `stage` or, last, `done` with the whole job."""

    number: str
    name: str
    data: Mapping[str, Any]


class Client:
    """Calls that wait. Use it in a `with`, or call `close`."""

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`key` is the service's API_KEY; `retries` is how often a call is made again where the service is busy."""
        self._http = httpx.Client(base_url=address, headers=_headers(key), timeout=TIMEOUT, transport=transport)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def remove_bg(self, photo: Photo, options: MaskOptions | None = None, *, mask: Photo | None = None) -> Answer:
        """Return the mask or the cutout with its report. Raises ApiError, and httpx.TransportError without a server."""
        return _answer(self._send(_work("remove-bg", photo, options, mask)))

    def generate_mesh(self, photo: Photo, options: MeshOptions | None = None, *, mask: Photo | None = None) -> Answer:
        """Return the mesh with its report; errors as of `remove_bg`."""
        return _answer(self._send(_work("generate-mesh", photo, options, mask)))

    def submit(
        self,
        kind: Kind,
        photo: Photo,
        options: Options | None = None,
        *,
        mask: Photo | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Return the document of a new job, or of the earlier one with this key; without one a key is made up."""
        return _document(self._send(_job(kind, photo, options, mask, idempotency_key)))

    def job(self, job_id: str) -> dict[str, Any]:
        """Return the job's document."""
        return _document(self._send(_Call("GET", f"/jobs/{job_id}")))

    def events(self, job_id: str) -> Iterator[Event]:
        """Yield the job's events from the first on, and wait for those to come; a stream that breaks is taken up."""
        last, attempt = "", 0
        while True:
            lines = _EventLines()
            try:
                with self._http.stream("GET", f"/jobs/{job_id}/events", **_streaming(last)) as response:
                    if response.status_code == 204:
                        return
                    if response.status_code != 200:
                        response.read()
                        _check(response)
                    for line in response.iter_lines():
                        if event := lines.add(line):
                            last, attempt = event.number, 0
                            yield event
                            if event.name == "done":
                                return
            except (httpx.TransportError, ApiError) as error:
                if attempt >= self._retries or not _may_help(error):
                    raise
            attempt += 1
            time.sleep(_pause_s(attempt, None))

    def result(self, job_id: str) -> Answer:
        """Return the main file of a job that has succeeded; raises its problem where it has failed."""
        return _answer(self._send(_Call("GET", f"/jobs/{job_id}/result")))

    def file(self, job_id: str, name: str) -> Answer:
        """Return one of the files that the job's document lists."""
        return _answer(self._send(_Call("GET", f"/jobs/{job_id}/files/{name}")))

    def remove(self, job_id: str) -> None:
        """Cancel the job, or remove it with its files."""
        self._send(_Call("DELETE", f"/jobs/{job_id}"))

    def _send(self, call: _Call) -> httpx.Response:
        for attempt in range(1, self._retries + 2):
            last = attempt > self._retries
            try:
                response = self._http.request(call.method, call.path, **call.arguments)
            except httpx.TransportError:
                if last:
                    raise
                time.sleep(_pause_s(attempt, None))
                continue
            if response.status_code not in BUSY or last:
                break
            time.sleep(_pause_s(attempt, response))
        _check(response)
        return response


class AsyncClient:
    """The calls of `Client`, to await. Use it in an `async with`, or await `close`."""

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Arguments as of `Client`."""
        self._http = httpx.AsyncClient(base_url=address, headers=_headers(key), timeout=TIMEOUT, transport=transport)
        self._retries = retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def remove_bg(self, photo: Photo, options: MaskOptions | None = None, *, mask: Photo | None = None) -> Answer:
        """As `Client.remove_bg`."""
        return _answer(await self._send(await asyncio.to_thread(_work, "remove-bg", photo, options, mask)))

    async def generate_mesh(
        self, photo: Photo, options: MeshOptions | None = None, *, mask: Photo | None = None
    ) -> Answer:
        """As `Client.generate_mesh`."""
        return _answer(await self._send(await asyncio.to_thread(_work, "generate-mesh", photo, options, mask)))

    async def submit(
        self,
        kind: Kind,
        photo: Photo,
        options: Options | None = None,
        *,
        mask: Photo | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """As `Client.submit`."""
        call = await asyncio.to_thread(_job, kind, photo, options, mask, idempotency_key)
        return _document(await self._send(call))

    async def job(self, job_id: str) -> dict[str, Any]:
        """As `Client.job`."""
        return _document(await self._send(_Call("GET", f"/jobs/{job_id}")))

    async def events(self, job_id: str) -> AsyncIterator[Event]:
        """As `Client.events`."""
        last, attempt = "", 0
        while True:
            lines = _EventLines()
            try:
                async with self._http.stream("GET", f"/jobs/{job_id}/events", **_streaming(last)) as response:
                    if response.status_code == 204:
                        return
                    if response.status_code != 200:
                        await response.aread()
                        _check(response)
                    async for line in response.aiter_lines():
                        if event := lines.add(line):
                            last, attempt = event.number, 0
                            yield event
                            if event.name == "done":
                                return
            except (httpx.TransportError, ApiError) as error:
                if attempt >= self._retries or not _may_help(error):
                    raise
            attempt += 1
            await asyncio.sleep(_pause_s(attempt, None))

    async def result(self, job_id: str) -> Answer:
        """As `Client.result`."""
        return _answer(await self._send(_Call("GET", f"/jobs/{job_id}/result")))

    async def file(self, job_id: str, name: str) -> Answer:
        """As `Client.file`."""
        return _answer(await self._send(_Call("GET", f"/jobs/{job_id}/files/{name}")))

    async def remove(self, job_id: str) -> None:
        """As `Client.remove`."""
        await self._send(_Call("DELETE", f"/jobs/{job_id}"))

    async def _send(self, call: _Call) -> httpx.Response:
        for attempt in range(1, self._retries + 2):
            last = attempt > self._retries
            try:
                response = await self._http.request(call.method, call.path, **call.arguments)
            except httpx.TransportError:
                if last:
                    raise
                await asyncio.sleep(_pause_s(attempt, None))
                continue
            if response.status_code not in BUSY or last:
                break
            await asyncio.sleep(_pause_s(attempt, response))
        _check(response)
        return response


class _Call:
    """One request, which may be sent several times."""

    def __init__(self, method: str, path: str, **arguments: Any) -> None:
        self.method, self.path, self.arguments = method, path, arguments


class _EventLines:
    """The lines of an event stream -> events."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def add(self, line: str) -> Event | None:
        """Return the event that `line` completes."""
        if line:
            name, _, value = line.partition(":")
            if name:  # else a comment
                before = self._fields.get("data")
                text = value.removeprefix(" ")
                self._fields[name] = f"{before}\n{text}" if name == "data" and before is not None else text
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        return Event(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"X-API-Key": key}


def _work(kind: Kind, photo: Photo, options: Options | None, mask: Photo | None) -> _Call:
    return _Call("POST", f"/{kind}", headers={"Accept": "application/json"}, **_form(photo, options, mask))


def _job(kind: Kind, photo: Photo, options: Options | None, mask: Photo | None, key: str | None) -> _Call:
    form = _form(photo, options, mask)
    form["data"]["kind"] = kind
    return _Call("POST", "/jobs", headers={"Idempotency-Key": key or uuid.uuid4().hex}, **form)


def _form(photo: Photo, options: Options | None, mask: Photo | None) -> dict[str, Any]:
    files = {name: (name, _bytes_of(value)) for name, value in (("file", photo), ("mask", mask)) if value is not None}
    given = {} if options is None else options.model_dump(mode="json", exclude_unset=True)
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    return {"files": files, "data": {name: text for name, text in texts.items() if text != "null"}}


def _bytes_of(photo: Photo) -> bytes:
    return photo if isinstance(photo, bytes) else Path(photo).read_bytes()


def _streaming(last: str) -> dict[str, Any]:
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    return {"headers": headers, "timeout": STREAM_TIMEOUT}


def _answer(response: httpx.Response) -> Answer:
    """Return the file of a response, which is the file itself or JSON with the report beside it."""
    media_type = response.headers.get("content-type", "")
    if media_type == "application/json":
        body = response.json()
        if isinstance(body, dict) and {"report", "result"} <= set(body):
            result = body["result"]
            return Answer(result["name"], result["media_type"], base64.b64decode(result["base64"]), body["report"])
    name = response.headers.get("content-disposition", "").partition('filename="')[2].rstrip('"')
    return Answer(name or "result", media_type, response.content, {})


def _document(response: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = response.json()
    return document


def _check(response: httpx.Response) -> None:
    """Raise ApiError for a response that is none."""
    if response.is_success:
        return
    try:
        body = response.json()
    except ValueError:
        body = {}
    detail = body.get("detail") if isinstance(body, dict) else None
    code = body.get("code", "") if isinstance(body, dict) else ""
    raise ApiError(
        str(detail or f"The service answered {response.status_code}."), status=response.status_code, code=code
    )


def _may_help(error: Exception) -> bool:
    return not isinstance(error, ApiError) or error.status in BUSY


def _pause_s(attempt: int, response: httpx.Response | None) -> float:
    """Return how long to wait before the next attempt: what the service says, or twice as long each time."""
    told = "" if response is None else response.headers.get("retry-after", "")
    return min(LONGEST_PAUSE_S, float(told) if told.isdecimal() else FIRST_PAUSE_S * 2 ** (attempt - 1))
