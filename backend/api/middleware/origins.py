"""Checks of Origin and Host. A browser that reaches the service also runs the pages of other sites:

- CSRF: a page of another origin can post a form here without reading the response. Its POST and DELETE are refused
  unless `CORS_ORIGINS` names the origin. Programs send neither Origin nor Sec-Fetch-Site and pass.
- DNS rebinding: a page whose name resolves to 127.0.0.1 has the same origin for the browser and could read all jobs.
  So a request over loopback must name `localhost` or an IP address, unless `ALLOWED_HOSTS` allows more or it comes
  from a reverse proxy that `TRUSTED_PROXIES` names.
"""

import ipaddress

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.middleware.paths import PROBES, path_of
from backend.api.middleware.proxies import is_from_proxy
from backend.api.problems import error_answer
from backend.contract.errors import CallerError, CrossSiteError, HostNotAllowedError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class OriginCheck:
    """ASGI middleware that answers 403 `cross-site` and 421 `host-not-allowed`.

    `allowed_hosts` empty: the loopback rule above, and none for a trusted proxy. `*` allows any name, `*.example.org`
    all names below it. An IP address or a missing name is always allowed: rebinding needs a name.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...], allowed_origins: tuple[str, ...]) -> None:
        self.app = app
        self.allowed_hosts = allowed_hosts
        self.allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._refusal(scope) if scope["type"] == "http" else None
        app = self.app if error is None else error_answer(Request(scope), error)
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> CallerError | None:
        headers = Headers(scope=scope)
        if path_of(scope) not in PROBES and not self._host_allowed(scope, host_name(headers.get("host", ""))):
            return HostNotAllowedError(
                "The service does not answer to this name. Its operator can add it to ALLOWED_HOSTS."
            )
        if scope["method"] not in SAFE_METHODS and not self._origin_allowed(headers):
            return CrossSiteError(
                "This page belongs to another site. The operator can allow its origin with CORS_ORIGINS."
            )
        return None

    def _host_allowed(self, scope: Scope, name: str) -> bool:
        if name in ("", "localhost") or name.endswith(".localhost") or _address(name) is not None:
            return True
        if self.allowed_hosts:
            return any(_matches(name, pattern) for pattern in self.allowed_hosts)
        return is_from_proxy(scope) or not _is_loopback(scope.get("server"))

    def _origin_allowed(self, headers: Headers) -> bool:
        origin = headers.get("origin", "")
        site = headers.get("sec-fetch-site", "")
        if "*" in self.allowed_origins or origin.lower() in self.allowed_origins:
            return True
        if site:  # the browser compared scheme and port too
            return site in ("same-origin", "none")
        return not origin or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def host_name(host: str) -> str:
    """Return the name of a Host header in lower case, without port and brackets."""
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
    """Whether the connection arrived on a loopback address."""
    address = _address(server[0]) if server is not None else None
    return address is not None and address.is_loopback
