"""Bria's API (https://docs.bria.ai, version 2): a JPEG in, the address of a cutout out, fetched from Bria's storage."""

import base64
from urllib.parse import urlsplit

from backend.remote.exchange import Answer, Exchange, code_in
from backend.remote.matte_of import RemoteMatte, matte_of

ADDRESS = "https://engine.prod.bria-api.com/v2/image/edit/remove_background"
STORES = (".bria-api.com", ".bria.ai", ".cloudfront.net")  # where results lie: public hosts, none of a private network


def ask_bria(exchange: Exchange, key: str, picture: bytes, size: tuple[int, int]) -> RemoteMatte:
    """Return what Bria makes of a JPEG of `size` (height, width). Raises what `Exchange.ask` raises and
    ModelUnavailableError, also for a result that lies anywhere but in Bria's storage."""
    answer = exchange.ask(
        "POST",
        ADDRESS,
        headers={"api_token": key},
        json={"image": base64.b64encode(picture).decode("ascii"), "sync": True},
    )
    if answer.status != 200:
        raise _refusal(answer, exchange)
    body = answer.json()
    result = body.get("result") if isinstance(body, dict) else None
    url = result.get("image_url") if isinstance(result, dict) else None
    if not isinstance(url, str) or not is_in_store(url):
        raise exchange.failed("names no result that may be fetched")
    stored = exchange.ask("GET", url)  # without the key: it is no affair of the store's
    if stored.status != 200:
        raise exchange.failed(f"does not hand out its result: {stored.status}")
    return matte_of(stored.body, size, exchange, grey=False)


def is_in_store(url: str) -> bool:
    """Whether `url` is a plain https address in Bria's storage: no other port, no name and password in it."""
    if not url.isascii() or not url.isprintable() or len(url) > 4096:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = parts.scheme == "https" and port in (None, 443) and "@" not in parts.netloc and "\\" not in url
    return plain and (parts.hostname or "").endswith(STORES)


def _refusal(answer: Answer, exchange: Exchange) -> Exception:
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    code = code_in(str(error.get("code", "")) if isinstance(error, dict) else error)
    if answer.status == 402:
        return exchange.failed(f"has no credit left for this account{code}")
    if answer.status in (401, 403):
        return exchange.failed(f"refuses the key in {exchange.service.variable}{code}")
    return exchange.failed(f"refuses the picture with {answer.status}{code}")
