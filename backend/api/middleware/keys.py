"""API keys. Without `API_KEY` every request is allowed, and a key in a request means nothing."""

import contextlib
import hmac
import ipaddress
from hashlib import sha256

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.middleware.paths import is_open, path_of
from backend.api.problems import error_answer
from backend.contract.errors import UnauthorizedError

IPV6_PREFIX = 64  # one subscriber's network, and so one client


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


def client_of(scope: Scope, keys: ApiKeys) -> str:
    """Return the identifier of a request's client: its valid key, or else its IP address.

    Invalid keys do not identify a client; otherwise a fresh bogus key per request would dodge every limit.
    """
    key = keys.accepted(scope)
    if key is not None:
        return f"key:{key}"
    host = scope["client"][0] if scope.get("client") else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)[:64]
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address.packed, IPV6_PREFIX), strict=False))
    return str(address)


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
