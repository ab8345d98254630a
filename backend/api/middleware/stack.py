"""The order in which a request is judged before it reaches a route: name and origin, CORS, rate, key."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from backend.api.middleware.keys import ApiKeys, Authentication
from backend.api.middleware.origins import OriginCheck
from backend.api.middleware.rate_limit import RateLimit
from backend.contract.settings import Settings

EXPOSED = ("Content-Disposition", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Server-Timing")
EXPOSED_OURS = ("X-Cache", "X-Notes", "X-Request-ID")
TAKEN = ("Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-API-Key")


def guard(app: FastAPI, settings: Settings) -> None:
    """Add to `app` what `settings` ask for. Starlette runs what was added last first."""
    keys = ApiKeys(settings.api_keys)
    if keys:
        app.add_middleware(Authentication, keys=keys)
    if settings.rate_limit is not None:  # before the key: guessing keys is counted as well
        app.add_middleware(RateLimit, rate=settings.rate_limit, keys=keys)
    if settings.cors_origins:  # before both: a preflight brings no key, and a 401 must be readable by the page
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=(*TAKEN, "X-Request-ID"),
            expose_headers=(*EXPOSED, *EXPOSED_OURS),
        )
    app.add_middleware(
        OriginCheck,
        allowed_hosts=settings.allowed_hosts,
        allowed_origins=settings.cors_origins,
        behind_proxy=bool(settings.trusted_proxies),
    )
