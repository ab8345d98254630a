"""API keys. Without `API_KEY` every request is allowed, and a key in a request means nothing."""

import contextlib
import hmac
from hashlib import sha256

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.middleware.paths import is_open, path_of
from backend.api.problems import error_answer
from backend.contract.errors import UnauthorizedError


class ApiKeys:
    """The accepted keys, stored as digests of equal length, so that comparing leaks neither content nor length."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._digests = [sha256(encoded).digest() for key in keys for encoded in _encodings(key)]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepted(self, scope: Scope) -> str | None:
        """Return an identifier of the valid key in a request, unique to that key, or None."""
        for given in _given(scope):
            digest = sha256(given).digest()
            if any(hmac.compare_digest(digest, known) for known in self._digests):
                return digest.hex()[:16]
        return None


def _encodings(key: str) -> set[bytes]:
    """Return the byte forms in which `key` can arrive: curl sends UTF-8, a browser's fetch Latin-1."""
    encodings = {key.encode()}
    with contextlib.suppress(UnicodeEncodeError):  # then no browser can send this key
        encodings.add(key.encode("latin-1"))
    return encodings


def _given(scope: Scope) -> list[bytes]:
    """Return the keys in a request's headers: `X-API-Key: …` or `Authorization: Bearer …`."""
    given = []
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            given.append(value.strip())
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            given.append(value[7:].strip())
    return given


class Authentication:
    """ASGI middleware that answers 401 to a request without a valid key, before its body is read."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(path_of(scope)) or self.keys.accepted(scope) is not None:
            await self.app(scope, receive, send)
            return
        error = UnauthorizedError("This service needs an API key. Send it as X-API-Key or as Authorization: Bearer.")
        answer = error_answer(Request(scope), error, {"WWW-Authenticate": 'Bearer realm="mattemesh"'})
        await answer(scope, receive, send)
