"""Whose page may ask, and by what name. A browser on this machine reaches the service too, and runs strangers' pages:

- A page of another origin can send a form here, and have this machine work, without reading the answer. Its POST and
  DELETE are refused unless `CORS_ORIGINS` names the origin. Programs send neither Origin nor Sec-Fetch-Site and pass.
- A page whose own name is made to point at 127.0.0.1 (DNS rebinding) is of the same origin for the browser and could
  read everybody's jobs. So a connection over loopback must have asked for `localhost` or for an address, unless
  `ALLOWED_HOSTS` says more or a front server (`TRUSTED_PROXIES`) stands before the service.
"""

import ipaddress

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.middleware.paths import PROBES, path_of
from backend.api.problems import error_answer
from backend.contract.errors import CallerError, CrossSiteError, HostNotAllowedError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class OriginCheck:
    """ASGI middleware that answers 403 `cross-site` and 421 `host-not-allowed`.

    `allowed_hosts` empty: the rule for loopback above, or none where `behind_proxy`. `*` allows any name, and a name
    that begins with `*.` all below it. An address, or no name at all, is always fine: no page can have got at it by a
    name of its own.
    """

    def __init__(
        self, app: ASGIApp, allowed_hosts: tuple[str, ...], allowed_origins: tuple[str, ...], behind_proxy: bool
    ) -> None:
        self.app = app
        self.allowed_hosts = allowed_hosts
        self.allowed_origins = allowed_origins
        self.behind_proxy = behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._objection(scope) if scope["type"] == "http" else None
        app = self.app if error is None else error_answer(Request(scope), error)
        await app(scope, receive, send)

    def _objection(self, scope: Scope) -> CallerError | None:
        headers = Headers(scope=scope)
        if path_of(scope) not in PROBES and not self._host_is_fine(scope, host_name(headers.get("host", ""))):
            return HostNotAllowedError("The service is not known by this name; ALLOWED_HOSTS can add it.")
        if scope["method"] not in SAFE_METHODS and not self._origin_is_fine(headers):
            return CrossSiteError("Another site's page may not ask for this; CORS_ORIGINS can allow its origin.")
        return None

    def _host_is_fine(self, scope: Scope, name: str) -> bool:
        if name in ("", "localhost") or name.endswith(".localhost") or _address(name) is not None:
            return True
        if self.allowed_hosts:
            return any(_matches(name, pattern) for pattern in self.allowed_hosts)
        return self.behind_proxy or not _is_loopback(scope.get("server"))

    def _origin_is_fine(self, headers: Headers) -> bool:
        origin = headers.get("origin", "")
        site = headers.get("sec-fetch-site", "")
        if "*" in self.allowed_origins or origin.lower() in self.allowed_origins:
            return True
        if site:  # where the browser says it, it has compared more than names
            return site in ("same-origin", "none")
        return not origin or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".").lower()


def _matches(name: str, pattern: str) -> bool:
    return pattern == "*" or name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_loopback(server: tuple[str, int | None] | None) -> bool:
    """Whether the connection came in on this machine's own address."""
    address = _address(server[0]) if server is not None else None
    return address is not None and address.is_loopback
