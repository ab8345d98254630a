"""Whether a request comes from whoever runs the service: it may then change what all users share, as the weights."""

import ipaddress

from starlette.requests import Request

from backend.api.middleware.origins import host_name
from backend.api.middleware.proxies import is_from_proxy
from backend.contract.errors import OwnerOnlyError
from backend.contract.settings import Settings

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_owner(request: Request, settings: Settings) -> bool:
    """Whether the request has an API key, or where none is set comes from this machine: over loopback, by a loopback
    name, from no other site's page, and through no proxy, whose clients all seem to be local."""
    if settings.api_keys:
        return True  # without a valid key nobody gets here
    headers = request.headers
    origin = headers.get("origin", "")
    return (
        request.client is not None
        and _is_loopback(request.client.host)
        and not is_from_proxy(request.scope)
        and not any(name in headers for name in FORWARDED)
        and _is_loopback(host_name(headers.get("host", "")))
        and (not origin or _is_loopback(host_name(origin.partition("://")[2])))
        and headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    )


def check_owner(request: Request, settings: Settings) -> None:
    """Raise OwnerOnlyError unless `is_owner`."""
    if not is_owner(request, settings):
        raise OwnerOnlyError("Open the page on the machine of the service, or have its operator set an API_KEY.")


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
