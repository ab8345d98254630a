"""Names of jobs: 26 lowercase letters and digits that sort by time and cannot be guessed."""

import re
import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, as ULIDs are written, in lower case
TIME_DIGITS, RANDOM_DIGITS = 10, 16  # milliseconds since 1970 (50 bits), then 80 random bits
PATTERN = re.compile(f"[{ALPHABET}]{{{TIME_DIGITS + RANDOM_DIGITS}}}")


class Ids:
    """Hands out ids, each greater than all before it, even when the clock is set back."""

    def __init__(self, last: str | None = None) -> None:
        self._last_ms = -1 if last is None else _number(last[:TIME_DIGITS])

    def next(self) -> str:
        self._last_ms = max(self._last_ms + 1, time.time_ns() // 1_000_000)
        return _digits(self._last_ms, TIME_DIGITS) + _digits(secrets.randbits(5 * RANDOM_DIGITS), RANDOM_DIGITS)


def _digits(number: int, count: int) -> str:
    return "".join(ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(count)))


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 32 + ALPHABET.index(digit)
    return number
