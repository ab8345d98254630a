"""API keys: who may ask. Without `API_KEY` everybody may; a key that nobody asked for then means nothing."""

import contextlib
import hmac
from hashlib import sha256

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.middleware.paths import is_open, path_of
from backend.api.problems import error_answer
from backend.contract.errors import UnauthorizedError


class ApiKeys:
    """The keys that are accepted, kept as digests: of one length, so that comparing tells nothing of theirs."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._digests = [sha256(encoded).digest() for key in keys for encoded in _encodings(key)]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepted(self, scope: Scope) -> str | None:
        """Return a name for the valid key that a request brings, fit for telling clients apart, or None."""
        for given in _given(scope):
            digest = sha256(given).digest()
            if any(hmac.compare_digest(digest, known) for known in self._digests):
                return digest.hex()[:16]
        return None


def _encodings(key: str) -> set[bytes]:
    """Return the bytes that `key` can arrive as: curl sends UTF-8, a browser's fetch Latin-1."""
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
    """ASGI middleware that lets a request with a valid key pass and answers 401 to others, their bodies unread."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(path_of(scope)) or self.keys.accepted(scope) is not None:
            await self.app(scope, receive, send)
            return
        error = UnauthorizedError("This service needs a key: send it as X-API-Key, or as Authorization: Bearer.")
        answer = error_answer(Request(scope), error, {"WWW-Authenticate": 'Bearer realm="mattemesh"'})
        await answer(scope, receive, send)
