"""The client behind a reverse proxy: the headers of a proxy that TRUSTED_PROXIES names are believed, no others."""

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

FROM_PROXY = "from_trusted_proxy"  # key in scope["state"]


class TrustedProxies:
    """ASGI middleware that notes whether the connection comes from a trusted proxy, and then puts the client's address
    and scheme, which that proxy forwards, in place of its own."""

    def __init__(self, app: ASGIApp, addresses: tuple[str, ...]) -> None:
        self._forwarded = ProxyHeadersMiddleware(app, trusted_hosts=list(addresses))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else None
            scope.setdefault("state", {})[FROM_PROXY] = peer in self._forwarded.trusted_hosts
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]


def is_from_proxy(scope: Scope) -> bool:
    """Whether the connection of `scope` comes from a trusted proxy, whatever client it forwards."""
    return bool(scope.get("state", {}).get(FROM_PROXY, False))
