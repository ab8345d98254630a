"""HEAD on the routes that answer GET."""

import asyncio

import pytest
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.testclient import TestClient

from backend.api.middleware.head import HeadAsGet


def service() -> TestClient:
    app = FastAPI()

    @app.get("/text")
    def text() -> Response:
        return Response("some text", headers={"ETag": '"a"'})

    @app.get("/file")
    def file() -> Response:
        return FileResponse(__file__)

    @app.get("/endless")
    async def endless() -> Response:
        async def events() -> object:
            yield b"one"
            await asyncio.Event().wait()

        return StreamingResponse(events())  # type: ignore[arg-type]

    @app.get("/gone")
    def gone() -> Response:
        raise HTTPException(410)

    @app.get("/bug")
    def bug() -> Response:
        raise ZeroDivisionError

    @app.post("/form")
    def form() -> Response:
        return Response("done")

    app.add_middleware(HeadAsGet)
    return TestClient(app)


@pytest.mark.parametrize(("path", "status"), [("/text", 200), ("/file", 200), ("/gone", 410), ("/none", 404)])
def test_status_and_header_are_those_of_get(path: str, status: int) -> None:
    client = service()
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (status, b"")
    assert dict(head.headers) == dict(get.headers)


def test_a_stream_without_an_end_ends_with_its_head() -> None:
    assert service().head("/endless").status_code == 200


def test_a_route_without_get_has_no_head() -> None:
    answer = service().head("/form")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_wrong_method_learns_of_head() -> None:
    assert service().delete("/text").headers["allow"] == "GET, HEAD"


def test_a_bug_is_still_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        service().head("/bug")
