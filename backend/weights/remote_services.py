"""The one table of remote services: their terms, the functions that ask them, and their settings.

A new service is its own file in `backend/engines/remote/`, a row here, and its two settings. Facts only: `ask` names
the function that sends a picture, so that nothing here opens a connection.
"""

from dataclasses import dataclass

from pydantic import SecretStr

from backend.contract.errors import ModelUnavailableError
from backend.contract.options import WorkOptions
from backend.contract.settings import Settings
from backend.contract.work import Lane


@dataclass(frozen=True)
class RemoteService:
    """One remote service."""

    name: str  # what a request gives as `model`
    title: str  # the service's name in a sentence
    ask: str  # "module:function" that sends one picture and returns its matte; see `backend.engines.remote.segmenter`
    key_setting: str  # the setting that holds the operator's key
    url_setting: str  # the setting that replaces `address`
    address: str  # base URL of its API
    licence: str
    cost: str  # what a picture may cost there
    about: str

    @property
    def variable(self) -> str:
        """The environment variable that holds the key."""
        return self.key_setting.upper()


REMOTE_SERVICES: dict[str, RemoteService] = {
    service.name: service
    for service in (
        RemoteService(
            "removebg",
            "remove.bg",
            "backend.engines.remote.removebg:ask_removebg",
            "removebg_api_key",
            "removebg_api_url",
            "https://api.remove.bg/v1.0",
            "remove.bg's terms",
            "up to 1 credit a picture",
            "Any object, at remove.bg: the picture leaves this machine and may cost a credit; needs REMOVEBG_API_KEY.",
        ),
        RemoteService(
            "bria",
            "Bria",
            "backend.engines.remote.bria:ask_bria",
            "bria_api_key",
            "bria_api_url",
            "https://engine.prod.bria-api.com/v2",
            "Bria's terms",
            "one call of Bria's background removal, as the account's plan prices it",
            "Any object, at Bria (RMBG 2.0): the picture leaves this machine and may cost money; needs BRIA_API_KEY.",
        ),
    )
}


def asks_remote(options: WorkOptions) -> bool:
    """Whether work with these options asks a remote service, where that has a key."""
    return getattr(options, "model", "") in REMOTE_SERVICES


def lane_of(lane: Lane, options: WorkOptions) -> Lane:
    """Return the queue for work with these options whose kind has `lane`: a slow service must not hold up local masks.

    Meshes keep their lane: its workers alone have the mesh engines, and a mesh takes far longer than a service may.
    """
    return "remote" if lane == "mask" and asks_remote(options) else lane


def key_of(name: str, settings: Settings) -> str:
    """Return the operator's key for the service called `name`, "" without one."""
    secret: SecretStr | None = getattr(settings, REMOTE_SERVICES[name].key_setting)
    return "" if secret is None else secret.get_secret_value().strip()


def address_of(name: str, settings: Settings) -> str:
    """Return the base address of the API of the service called `name`: the published one, or the operator's."""
    service = REMOTE_SERVICES[name]
    return getattr(settings, service.url_setting) or service.address


def with_keys(settings: Settings) -> frozenset[str]:
    """Return the names of the services whose key is set."""
    return frozenset(name for name in REMOTE_SERVICES if key_of(name, settings))


def require_key(name: str, settings: Settings) -> str:
    """Return the operator's key. Raises ModelUnavailableError, with what to do, when it is absent or not ASCII, which
    is all that a header can hold; the settings refuse control characters."""
    service, key = REMOTE_SERVICES[name], key_of(name, settings)
    if not key:
        raise ModelUnavailableError(
            f"{service.title} needs your key: start the service with {service.variable}=… in its environment. "
            "Without it no picture is sent.",
            model=name,
        )
    if not key.isascii():
        raise ModelUnavailableError(
            f"{service.variable} holds something that cannot be a key of {service.title}.", model=name
        )
    return key
