"""What OpenAPI says of keys, rates and origins: where a key goes, and which refusals any route can give."""

from typing import Any

from fastapi import FastAPI

from backend.api.middleware.paths import is_open
from backend.api.problems import documented
from backend.contract.errors import (
    CrossSiteError,
    HostNotAllowedError,
    MattemeshError,
    RateLimitedError,
    UnauthorizedError,
)
from backend.contract.settings import Settings

SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def describe_security(app: FastAPI, settings: Settings) -> None:
    """Add to `app`'s OpenAPI document what `settings` ask of a request."""
    generate = app.openapi

    def with_security() -> dict[str, Any]:
        document = generate()
        if settings.api_keys:
            document["components"]["securitySchemes"] = SCHEMES
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                asks = _asks(settings, is_open(path), method)
                if UnauthorizedError in asks:
                    operation["security"] = [{name: []} for name in SCHEMES]
                for status, response in documented(*asks).items():
                    operation["responses"].setdefault(str(status), response)
        return document

    app.openapi = with_security  # type: ignore[method-assign]  # the way FastAPI documents for this


def _asks(settings: Settings, is_open_path: bool, method: str) -> list[type[MattemeshError]]:
    """Return the refusals that a request for one operation can meet."""
    asks: list[type[MattemeshError]] = [HostNotAllowedError]
    if method != "get":
        asks.append(CrossSiteError)
    if settings.api_keys and not is_open_path:
        asks.append(UnauthorizedError)
    if settings.rate_limit is not None and not is_open_path:
        asks.append(RateLimitedError)
    return asks
