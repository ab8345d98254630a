"""The client behind a reverse proxy: the headers of a proxy that TRUSTED_PROXIES names are believed, no others."""

from functools import cache
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

FROM_PROXY = "from_trusted_proxy"  # key in scope["state"]


class TrustedProxies:
    """ASGI middleware that notes whether the connection comes from a trusted proxy, and then puts the client's address
    and scheme, which that proxy forwards, in place of its own."""

    def __init__(self, app: ASGIApp, addresses: tuple[str, ...]) -> None:
        self._forwarded = ProxyHeadersMiddleware(app, trusted_hosts=list(addresses))  # type: ignore[arg-type]
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else None
            scope.setdefault("state", {})[FROM_PROXY] = is_trusted(peer, self._addresses)
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]


def is_trusted(address: str | None, addresses: tuple[str, ...]) -> bool:
    """Whether `address` is one of `addresses` or lies in one of their networks, by uvicorn's own rules."""
    return address in _trusted_hosts(addresses)


@cache
def _trusted_hosts(addresses: tuple[str, ...]) -> Any:
    return ProxyHeadersMiddleware(None, trusted_hosts=list(addresses)).trusted_hosts  # type: ignore[arg-type]


def is_from_proxy(scope: Scope) -> bool:
    """Whether the connection of `scope` comes from a trusted proxy, whatever client it forwards."""
    return bool(scope.get("state", {}).get(FROM_PROXY, False))
