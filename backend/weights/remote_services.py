"""Remote services by name: what they are, on which terms, and which setting holds the operator's key.

Facts only; nothing here opens a connection.
"""

from dataclasses import dataclass

from backend.contract.errors import ModelUnavailableError
from backend.contract.settings import Settings


@dataclass(frozen=True)
class RemoteService:
    """One remote service."""

    name: str  # what a request gives as `model`
    title: str  # its name in a sentence
    licence: str
    variable: str  # the environment variable that holds the key; the setting's name in capitals
    address: str  # base URL of its API
    cost: str  # what a picture may cost there
    about: str


REMOTE_SERVICES: dict[str, RemoteService] = {
    service.name: service
    for service in (
        RemoteService(
            "removebg",
            "remove.bg",
            "remove.bg's terms",
            "REMOVEBG_API_KEY",
            "https://api.remove.bg/v1.0",
            "up to 1 credit a picture",
            "Any object, at remove.bg: the picture leaves this machine and may cost a credit; needs REMOVEBG_API_KEY.",
        ),
        RemoteService(
            "bria",
            "Bria",
            "Bria's terms",
            "BRIA_API_KEY",
            "https://engine.prod.bria-api.com/v2",
            "one call of Bria's background removal, as the account's plan prices it",
            "Any object, at Bria (RMBG 2.0): the picture leaves this machine and may cost money; needs BRIA_API_KEY.",
        ),
    )
}


def key_of(name: str, settings: Settings) -> str:
    """Return the operator's key for the service called `name`, "" without one."""
    secret = {"removebg": settings.removebg_api_key, "bria": settings.bria_api_key}[name]
    return "" if secret is None else secret.get_secret_value().strip()


def address_of(name: str, settings: Settings) -> str:
    """Return the base address of the API of the service called `name`: the published one, or the operator's."""
    own = {"removebg": settings.removebg_api_url, "bria": settings.bria_api_url}[name]
    return own or REMOTE_SERVICES[name].address


def with_keys(settings: Settings) -> frozenset[str]:
    """Return the names of the services whose key is set."""
    return frozenset(name for name in REMOTE_SERVICES if key_of(name, settings))


def require_key(name: str, settings: Settings) -> str:
    """Return the operator's key. Raises ModelUnavailableError, with what to do, when it is absent or no printable
    ASCII, which is all that a header can hold."""
    service, key = REMOTE_SERVICES[name], key_of(name, settings)
    if not key:
        raise ModelUnavailableError(
            f"{service.title} needs your key: start the service with {service.variable}=… in its environment. "
            "Without it no picture is sent.",
            model=name,
        )
    if not (key.isascii() and key.isprintable()):
        raise ModelUnavailableError(
            f"{service.variable} holds something that cannot be a key of {service.title}.", model=name
        )
    return key
