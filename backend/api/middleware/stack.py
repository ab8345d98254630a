"""The middleware in the order that a request meets it."""

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from backend.api.middleware.head import HeadAsGet
from backend.api.middleware.headers import SecurityHeaders
from backend.api.middleware.keys import ApiKeys, Authentication
from backend.api.middleware.origins import OriginCheck
from backend.api.middleware.proxies import TrustedProxies
from backend.api.middleware.ranges import WholeFiles
from backend.api.middleware.rate_limit import RateLimit
from backend.api.middleware.request_log import Observe, RequestLog
from backend.api.middleware.stopping import RefuseWhileStopping, Stopping
from backend.api.middleware.uploads import PacedUploads, Uploads
from backend.contract.settings import Settings

METHODS = ("GET", "POST", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-API-Key",
    "X-Request-ID",
)
RESPONSE_HEADERS = (
    "Content-Disposition",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Server-Timing",
    "X-Cache",
    "X-Notes",
    "X-Request-ID",
)


def add_middleware(app: FastAPI, settings: Settings, observe: Observe, uploads: Uploads, stopping: Stopping) -> None:
    """Add to `app` the middleware that `settings` ask for."""
    keys = ApiKeys(settings.api_keys)
    stack = [
        # Outermost: any of the others may refuse a request and leave its body unread.
        Middleware(PacedUploads, settings=settings, uploads=uploads, stopping=stopping),
        Middleware(SecurityHeaders),
        Middleware(RequestLog, observe=observe),
        Middleware(
            OriginCheck,
            allowed_hosts=settings.allowed_hosts,
            allowed_origins=settings.cors_origins,
        ),
    ]
    if settings.trusted_proxies:  # before everything that looks at the client
        stack.insert(0, Middleware(TrustedProxies, addresses=settings.trusted_proxies))
    if settings.cors_origins:  # before rate and key: a preflight brings no key, and the page must be able to read a 401
        stack.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=METHODS,
                allow_headers=REQUEST_HEADERS,
                expose_headers=RESPONSE_HEADERS,
            )
        )
    if settings.rate_limit is not None:  # before the key: guesses at keys count too
        shared = None if settings.rate_limit_url is None else settings.rate_limit_url.get_secret_value()
        stack.append(Middleware(RateLimit, rate=settings.rate_limit, keys=keys, url=shared))
    if keys:
        stack.append(Middleware(Authentication, keys=keys))
    stack.append(Middleware(RefuseWhileStopping, stopping=stopping))
    stack.append(Middleware(HeadAsGet))
    stack.append(Middleware(WholeFiles))
    for middleware in reversed(stack):  # Starlette runs first what was added last
        app.add_middleware(middleware.cls, *middleware.args, **middleware.kwargs)
