"""API keys: without one only the open paths answer."""

import asyncio
import logging

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from backend.api.middleware.keys import ApiKeys, Authentication
from backend.contract.settings import Settings
from tests.helpers.guarded import guarded

KEY = "correct horse"


def test_without_a_key_of_its_own_the_service_asks_for_none() -> None:
    assert guarded().get("/jobs").status_code == 200
    assert guarded().get("/jobs", headers={"X-API-Key": "anything"}).status_code == 200


@pytest.mark.parametrize("path", ["/jobs", "/metrics", "/nowhere", "/static", "/healthz/", "/docs/x"])
def test_what_is_not_open_answers_401_to_a_request_without_a_key(path: str) -> None:
    answer = guarded(api_key=KEY).get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "unauthorized"


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/page.en.js", "/docs", "/openapi.json"])
def test_signs_of_life_the_page_and_the_documentation_are_open(path: str) -> None:
    assert guarded(api_key=KEY).get(path).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer  {KEY}"}],
)
def test_the_key_is_taken_from_either_header(headers: dict[str, str]) -> None:
    client = guarded(api_key=KEY)
    assert client.get("/jobs", headers=headers).status_code == 200
    assert client.post("/remove-bg", headers=headers).status_code == 200
    assert client.get("/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY + "x"},
        {"X-API-Key": KEY.upper()},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Cookie": f"X-API-Key={KEY}"},
    ],
)
def test_anything_else_is_not_the_key(headers: dict[str, str]) -> None:
    assert guarded(api_key=KEY).get("/jobs", headers=headers).status_code == 401
    assert guarded(api_key=KEY).get(f"/jobs?api_key={KEY}", headers=headers).status_code == 401


def test_each_of_several_keys_opens() -> None:
    client = guarded(api_key="one, two")
    codes = [client.get("/jobs", headers={"X-API-Key": key}).status_code for key in ("one", "two", "one, two", "")]
    assert codes == [200, 200, 401, 401]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_key_that_is_not_ascii_opens_in_both_ways_of_sending_it(encoding: str) -> None:
    client = guarded(api_key="schlüssel")
    assert client.get("/jobs", headers={b"X-API-Key": "schlüssel".encode(encoding)}).status_code == 200
    assert client.get("/jobs", headers={b"X-API-Key": "schlussel".encode(encoding)}).status_code == 401
    assert guarded(api_key="ключ").get("/jobs", headers={b"X-API-Key": "ключ".encode()}).status_code == 200


def test_a_setting_without_a_key_in_it_does_not_open_the_service() -> None:
    with pytest.raises(ValueError, match="no key"):
        Settings(api_key=" , ")


def test_a_key_is_shown_and_logged_nowhere(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("mattemesh"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    client = guarded(api_key=KEY)
    client.get("/jobs", headers={"X-API-Key": KEY})
    client.get("/jobs", headers={"Authorization": f"Bearer {KEY}x"})
    assert KEY not in repr(Settings(api_key=KEY))
    assert KEY not in caplog.text


def test_a_refusal_reads_nothing_of_the_body() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the route was reached")

    async def receive() -> Message:
        raise AssertionError("the body was read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/remove-bg", "headers": [], "query_string": b""}
    Request(scope).state.request_id = "one"
    asyncio.run(Authentication(app, ApiKeys((KEY,)))(scope, receive, send))
    assert sent[0]["status"] == 401


def test_openapi_documents_the_key_only_where_one_is_needed() -> None:
    document = guarded(api_key=KEY, rate_limit="60/minute").get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"key", "bearer"}
    assert document["paths"]["/remove-bg"]["post"]["security"] == [{"key": []}, {"bearer": []}]
    assert {"401", "403", "421", "429"} <= set(document["paths"]["/remove-bg"]["post"]["responses"])
    assert "security" not in document["paths"]["/healthz"]["get"]
    assert "401" not in guarded().get("/openapi.json").json()["paths"]["/jobs"]["get"]["responses"]
