"""The multipart parser: limits while receiving, and an error that names every fault of a form."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from backend.api import problems
from backend.api.forms import PIECE_BYTES, read_files, read_form, read_options
from backend.api.middleware.request_log import RequestLog
from backend.contract.work import KINDS

LIMIT = 1000
KIND = KINDS["remove-bg"]
BOUNDARY = "edge"


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A service whose only route says what it read."""
    app = FastAPI()
    app.state.limit = LIMIT

    @app.post("/form")
    async def form_route(request: Request) -> dict[str, object]:
        async with read_form(request, app.state.limit, KIND) as form:
            files = await read_files(form, KIND)
            options = read_options(form, request.query_params, KIND)
        return {**{name: len(data) for name, data in files.items()}, **options.model_dump()}

    problems.install(app)
    app.add_middleware(RequestLog, observe=lambda request, status, seconds: None)
    with TestClient(app) as client:
        yield client


def part(name: str, content: bytes, file_name: str | None = "a.jpg") -> bytes:
    end = f'; filename="{file_name}"' if file_name is not None else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{end}\r\n\r\n'.encode() + content + b"\r\n"


CLOSING = f"--{BOUNDARY}--\r\n".encode()
FORM = "multipart/form-data; boundary="
HEADERS = {"content-type": FORM + BOUNDARY}


def test_files_and_options_are_read_from_the_form_and_the_query(client: TestClient) -> None:
    answer = client.post(
        "/form?quality=fast", files={"file": b"12345", "mask": b"12"}, data={"crop": "true", "margin": "0.25"}
    )
    body = answer.json()
    assert (body["file"], body["mask"]) == (5, 2)
    assert (body["quality"], body["crop"], body["margin"]) == ("fast", True, 0.25)


def test_the_form_wins_over_the_query(client: TestClient) -> None:
    assert client.post("/form?quality=fast", files={"file": b"1"}, data={"quality": "best"}).json()["quality"] == "best"


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        ({"data": {"quality": "fast"}}, "missing-file"),
        ({"content": b"raw bytes", "headers": {"content-type": "image/jpeg"}}, "missing-file"),
        ({"content": b""}, "missing-file"),
        ({"files": {"other": b"1"}}, "missing-file"),
        ({"content": part("file", b"text", None) + CLOSING, "headers": HEADERS}, "missing-file"),
        ({"files": [("file", b"1"), ("file", b"2")]}, "too-many-files"),
        ({"files": [("file", b"1"), ("photo", b"2")]}, "too-many-files"),
        ({"files": [("file", b"1")] * 17}, "too-many-files"),
        ({"files": {"file": b"1"}, "data": {"quality": "perfect"}}, "invalid-parameter"),
        ({"files": {"file": b"1"}, "data": {"margin": "2"}}, "invalid-parameter"),
        ({"files": {"file": b"1"}, "data": {"margin": "nan"}}, "invalid-parameter"),
        ({"files": {"file": b"1"}, "data": {"qualty": "fast"}}, "invalid-parameter"),
        ({"files": {"file": b"1"}, "data": {"background": "red"}}, "invalid-parameter"),
        ({"files": {"file": b"1"}, "data": {"background": "#ff0000", "output": "mask"}}, "invalid-parameter"),
        ({"files": {"file": b"1"}, "data": {"model": "../../etc/passwd"}}, "invalid-parameter"),
        ({"files": {"file": b"1"}, "data": {"quality": ["fast", "best"]}}, "invalid-parameter"),
        ({"content": b"no boundary at all", "headers": HEADERS}, "invalid-parameter"),
        ({"content": part("file", b"1"), "headers": {"content-type": "multipart/form-data"}}, "invalid-parameter"),
        ({"content": part("file", b"1") + CLOSING, "headers": {"content-type": f'{FORM}"a\\"b"'}}, "invalid-parameter"),
        ({"content": part("file", b"1") + part("mask", b"12")[:-4], "headers": HEADERS}, "invalid-parameter"),
        ({"files": {"file": b"1" * (LIMIT + 1)}}, "upload-too-large"),
    ],
)
def test_a_faulty_form_gets_its_code(client: TestClient, request_body: dict[str, object], code: str) -> None:
    answer = client.post("/form", **request_body)  # type: ignore[arg-type]
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == answer.status_code
    assert body["instance"].endswith(answer.headers["x-request-id"])


@pytest.mark.parametrize("charset", ["utf-8", "undefined", "punycode", "utf-7", "hex", "no-such-thing"])
def test_a_form_is_utf_8_whatever_charset_it_claims(client: TestClient, charset: str) -> None:
    headers = {"content-type": f"{FORM}{BOUNDARY}; charset={charset}"}
    body = part("file", b"12345", "photo-é.jpg") + part("quality", b"fast", None) + CLOSING
    answer = client.post("/form", content=body, headers=headers).json()
    assert (answer["file"], answer["quality"]) == (5, "fast")
    odd = part("file", b"1") + part("é\\ud800+2AA-", b"\xff\xfe", None) + CLOSING
    assert client.post("/form", content=odd, headers=headers).json()["code"] == "invalid-parameter"


def test_a_complaint_names_the_option(client: TestClient) -> None:
    body = client.post("/form", files={"file": b"1"}, data={"margin": "2"}).json()
    assert body["parameter"] == "margin"
    assert "margin" in body["detail"]


def test_a_file_of_exactly_the_limit_is_taken(client: TestClient) -> None:
    assert client.post("/form", files={"file": b"1" * LIMIT}).json()["file"] == LIMIT


def test_a_declared_excess_is_refused_before_anything_is_read(client: TestClient) -> None:
    answer = client.post("/form", content=b"", headers={**HEADERS, "content-length": "900000"})
    assert answer.status_code == 413
    assert answer.json()["limit"] == LIMIT
    assert answer.json()["actual"] == 900000


def test_an_endless_chunked_upload_is_stopped_soon_after_the_limit(client: TestClient) -> None:
    taken = 0

    async def endless() -> dict[str, object]:
        nonlocal taken
        taken += 1
        body = part("file", b"").removesuffix(b"\r\n") if taken == 1 else b"x" * 500
        return {"type": "http.request", "body": body, "more_body": True}

    sent: list[dict[str, object]] = []

    async def collect(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"content-type", HEADERS["content-type"].encode())]
    scope = {"type": "http", "method": "POST", "path": "/form", "query_string": b"", "headers": headers}
    asyncio.run(client.app(scope, endless, collect))  # type: ignore[arg-type]
    assert sent[0]["status"] == 413
    assert taken <= 5


def test_a_long_body_is_read_with_pauses_in_which_others_are_answered(client: TestClient) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": part("file", b"\r\n--edg" * 2 * PIECE_BYTES), "more_body": False}

    async def forget(message: dict[str, object]) -> None:
        pass

    async def ask() -> None:
        beside = asyncio.create_task(others())
        await client.app(scope, receive, forget)  # type: ignore[arg-type]
        beside.cancel()

    headers = [(b"content-type", HEADERS["content-type"].encode())]
    scope = {"type": "http", "method": "POST", "path": "/form", "query_string": b"", "headers": headers}
    client.app.state.limit = 2**20
    asyncio.run(ask())
    assert turns > 8


def test_two_files_may_each_have_the_whole_limit(client: TestClient) -> None:
    answer = client.post("/form", files={"file": b"1" * LIMIT, "mask": b"1" * LIMIT})
    assert answer.json()["mask"] == LIMIT


def test_a_depth_percentile_is_a_number_or_auto(client: TestClient) -> None:
    for sent, read in (("auto", "auto"), ("20", 20.0)):
        answer = client.post("/form", files={"file": b"1"}, data={"depth_percentile": sent})
        assert answer.json()["depth_percentile"] == read
    for wrong in ("0", "100", "nan", "often"):
        body = client.post("/form", files={"file": b"1"}, data={"depth_percentile": wrong}).json()
        assert (body["code"], body["parameter"]) == ("invalid-parameter", "depth_percentile")


def test_a_mask_sent_as_text_is_named_in_the_error(client: TestClient) -> None:
    body = client.post("/form", files={"file": b"1"}, data={"mask": "iVBORw0KGgo"}).json()
    assert (body["code"], body["parameter"]) == ("invalid-parameter", "mask")


def test_a_background_behind_a_mask_names_the_background(client: TestClient) -> None:
    body = client.post("/form", files={"file": b"1"}, data={"background": "#ff0000", "output": "mask"}).json()
    assert (body["code"], body["parameter"]) == ("invalid-parameter", "background")


def test_what_surrounds_the_parts_counts_against_the_limit(client: TestClient) -> None:
    filling = b"x" * 1024

    async def endless() -> AsyncIterator[bytes]:
        yield part("file", b"1") + CLOSING
        for _ in range(1000):
            yield filling

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as sender:
            return await sender.post("/form", content=endless(), headers=HEADERS)

    answer = asyncio.run(send())
    assert answer.status_code == 413
    assert answer.json()["actual"] < 200_000


@pytest.mark.parametrize(
    "disposition",
    [
        "name=\"file\"; filename*=utf-8''%C3%A9.png",
        "name=file; filename*=\"utf-8''%C3%A9.png\"",
        "FileName*=utf-8''a.png; name=\"file\"",
        'name="file"; filename="a.png"; filename*=utf-8\'\'%C3%A9.png',
    ],
)
def test_a_part_with_an_extended_name_is_a_file(client: TestClient, disposition: str) -> None:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
    answer = client.post("/form", content=head + b"12345\r\n" + CLOSING, headers=HEADERS)
    assert answer.json()["file"] == 5


def test_a_name_that_only_mentions_an_extended_name_is_text(client: TestClient) -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file; filename*=x"\r\n\r\n'.encode()
    body = part("file", b"1") + head + b"12345\r\n" + CLOSING
    assert client.post("/form", content=body, headers=HEADERS).json()["parameter"] == "file; filename*=x"


def test_an_optional_part_that_a_browser_sends_unfilled_is_absent(client: TestClient) -> None:
    body = part("file", b"12345") + part("mask", b"", "") + CLOSING
    assert "mask" not in client.post("/form", content=body, headers=HEADERS).json()
    body = part("file", b"12345") + part("mask", b"", "") + part("mask", b"12") + CLOSING
    assert client.post("/form", content=body, headers=HEADERS).json()["mask"] == 2


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("file", part("file", b"", "")),
        ("file", part("file", b"")),
        ("mask", part("file", b"1") + part("mask", b"", "a.png")),
    ],
)
def test_a_file_without_bytes_is_refused_with_the_name_of_its_part(client: TestClient, name: str, body: bytes) -> None:
    problem = client.post("/form", content=body + CLOSING, headers=HEADERS).json()
    assert (problem["code"], problem["parameter"]) == ("empty-file", name)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "preamble", [b"\r\n", b"for old readers\r\n", b"--edg\r\n--ed\r\n\r\n", b"-" * 50 + b"\r\n", b"a --edge\r\nb\r\n"]
)
def test_what_comes_before_the_first_boundary_is_ignored(client: TestClient, preamble: bytes, size: int) -> None:
    body = preamble + part("file", b"12345") + CLOSING

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    assert client.post("/form", content=pieces(), headers=HEADERS).json()["file"] == 5


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, identity", "x"])
def test_a_compressed_form_is_refused_by_name(client: TestClient, coding: str) -> None:
    answer = client.post("/form", files={"file": b"x"}, headers={"Content-Encoding": coding})
    assert (answer.status_code, answer.json()["parameter"]) == (422, "Content-Encoding")


def test_a_body_without_a_boundary_is_malformed(client: TestClient) -> None:
    assert client.post("/form", content=b"x" * 500, headers=HEADERS).json()["parameter"] == "body"


def test_an_option_that_is_repeated_in_the_query_is_refused(client: TestClient) -> None:
    problem = client.post("/form?quality=fast&quality=best", files={"file": b"1"}).json()
    assert (problem["code"], problem["parameter"]) == ("invalid-parameter", "quality")


def json_body(client: TestClient, **fields: object) -> dict[str, object]:
    return client.post("/form?quality=fast", json=fields).json()


def test_a_json_body_is_a_form_with_its_files_in_base64(client: TestClient) -> None:
    body = json_body(client, file="MTIzNDU=", mask="data:image/png;base64,MTI=", crop=True, margin=0.25, roi=None,
                     points=[{"x": 1, "y": 2, "mode": "keep"}])  # fmt: skip
    assert (body["file"], body["mask"], body["crop"], body["margin"], body["quality"]) == (5, 2, True, 0.25, "fast")
    assert body["points"] == [{"x": 1, "y": 2, "mode": "keep"}]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid-parameter"),
        (b"{", "invalid-parameter"),
        (b"[1]", "invalid-parameter"),
        (b"\xff", "invalid-parameter"),
        (b"[" * 100_0, "invalid-parameter"),
        (b"{}", "missing-file"),
        (b'{"file": "***"}', "missing-file"),
        (b'{"file": 7}', "missing-file"),
        (b'{"file": ""}', "empty-file"),
        (b'{"file": "MTI=", "file": "MTI="}', "invalid-parameter"),
        (b'{"file": "MTI=", "qualty": "fast"}', "invalid-parameter"),
        (b'{"file": "MTI=", "margin": {"a": 1}}', "invalid-parameter"),
        (b'{"file": "MTI=", "classes": "' + b"x" * 17_000 + b'"}', "invalid-parameter"),
        (b'{"file": "' + b"A" * 2000 + b'"}', "upload-too-large"),
        (b'{"file": "' + b"A" * 200_000 + b'"}', "upload-too-large"),
    ],
)
def test_a_faulty_json_body_gets_its_error(client: TestClient, content: bytes, code: str) -> None:
    answer = client.post("/form", content=content, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.json()["code"] == code
