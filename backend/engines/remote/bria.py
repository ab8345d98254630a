"""Bria's API, version 2 (https://docs.bria.ai): a JPEG in, the address of a cutout out, fetched from Bria's storage."""

import base64
from typing import Any
from urllib.parse import urlsplit

from backend.engines.remote.exchange import Answer, Exchange, code_in
from backend.engines.remote.matte_of import RemoteMatte, matte_of

# Hosts of results: public ones, none of a private network.
STORES = (".bria-api.com", ".bria.ai", ".cloudfront.net", ".s3.amazonaws.com")


def ask_bria(exchange: Exchange, key: str, picture: bytes, size: tuple[int, int]) -> RemoteMatte:
    """Return what Bria makes of a JPEG of `size` (height, width). Raises what `Exchange.ask` raises and
    ModelUnavailableError, also for a result that lies anywhere but in Bria's storage or at the API's own address."""
    answer = exchange.ask(
        "POST",
        f"{exchange.address}/image/edit/remove_background",
        headers={"api_token": key},
        json={"image": base64.b64encode(picture).decode("ascii"), "sync": True},
    )
    url = _result_of(answer, exchange, key)
    if not (is_in_store(url) or is_same_place(url, exchange.address)):
        raise exchange.failed("names no address that may be fetched")
    stored = exchange.ask("GET", url)  # without the key, which the storage does not need
    if stored.status != 200:
        raise exchange.failed(f"refuses to hand out its result: {stored.status}")
    return matte_of(stored.body, size, exchange, grey=False)


def _result_of(answer: Answer, exchange: Exchange, key: str) -> str:
    """Return the result's address. Where Bria answers before it is done, its status address is polled.

    Only at the API's own address, because the key is sent along.
    """
    state = ""
    while True:
        if answer.status not in (200, 202):
            raise _refusal(answer, exchange)
        reply = _object(answer.json())
        if reply.get("status") in ("ERROR", "UNKNOWN"):
            raise exchange.failed(f"could not process the picture{_code(reply)}")
        url = _object(reply.get("result")).get("image_url")
        if isinstance(url, str):
            return url
        state = str(reply.get("status_url", state))
        if not is_same_place(state, exchange.address):
            raise exchange.failed("names no address that may be fetched")
        exchange.wait(exchange.config.poll_s)
        answer = exchange.ask("GET", state, headers={"api_token": key})


def is_in_store(url: str) -> bool:
    """Whether `url` is a plain https address in Bria's storage: no other port, no name and password in it."""
    place = _place(url)
    return place is not None and place[::2] == ("https", 443) and place[1].endswith(STORES)


def is_same_place(url: str, address: str) -> bool:
    """Whether both are plain addresses with the same scheme, host and port."""
    place = _place(url)
    return place is not None and place == _place(address)


def _place(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of a plain address, None for anything else."""
    if not url.isascii() or not url.isprintable() or len(url) > 4096 or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    if port is None or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _code(reply: dict[str, Any]) -> str:
    error = reply.get("error")
    return code_in(str(error.get("code", "")) if isinstance(error, dict) else error)


def _refusal(answer: Answer, exchange: Exchange) -> Exception:
    code = _code(_object(answer.json()))
    if answer.status == 402:
        return exchange.failed(f"has no credit left for this account{code}")
    if answer.status in (401, 403):
        return exchange.failed(f"refuses the key in {exchange.service.variable}{code}")
    return exchange.failed(f"refuses the picture with {answer.status}{code}")
