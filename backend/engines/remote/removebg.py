"""remove.bg's API, version 1.0 (https://www.remove.bg/api): a JPEG in, the matte out."""

from typing import Any

from backend.engines.remote.exchange import Answer, Exchange, code_in
from backend.engines.remote.matte_of import RemoteMatte, matte_of, nothing_found


def ask_removebg(exchange: Exchange, key: str, picture: bytes, size: tuple[int, int]) -> RemoteMatte:
    """Return what remove.bg makes of a JPEG of `size` (height, width): the alpha alone, as large as the account's
    credits allow. Raises what `Exchange.ask` raises and ModelUnavailableError."""
    answer = exchange.ask(
        "POST",
        f"{exchange.address}/removebg",
        headers={"X-Api-Key": key, "Accept": "image/png"},
        files={"image_file": ("picture.jpg", picture, "image/jpeg")},
        data={"size": "auto", "format": "png", "channels": "alpha"},
    )
    if answer.status == 200:
        return matte_of(answer.body, size, exchange, grey=True, charged=answer.headers.get("x-credits-charged", ""))
    code = _code(answer)
    if code == "unknown_foreground":
        return nothing_found(size)
    if answer.status == 402:
        raise exchange.failed(f"has no credits left for this account{code_in(code)}; buy some there")
    if answer.status in (401, 403):
        raise exchange.failed(f"refuses the key in {exchange.service.variable}{code_in(code)}")
    raise exchange.failed(f"refuses the picture with {answer.status}{code_in(code)}")


def _code(answer: Answer) -> Any:
    """Return the code of the first error in `{"errors": [{"title", "code", …}]}`, None where there is none."""
    body = answer.json()
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    return first.get("code") if isinstance(first, dict) else None
