"""One question to a service of others and its answer: bounded in time, in size and in attempts.

Only what the service itself calls temporary (429 and 5xx) is asked again. A connection that breaks is not: the
picture may have been worked on and charged for already.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from backend.contract.errors import ModelUnavailableError, OverloadedError, TimedOutError
from backend.weights.remote_services import RemoteService


@dataclass(frozen=True)
class ExchangeConfig:
    """How patient an exchange is. In all it stays below the deadline of a mask (30 s)."""

    attempts: int = 3
    backoff_s: float = 1.0  # before the second attempt; doubles from there
    look_again_s: float = 1.0  # at what is worked on there
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0  # without a single byte
    total_s: float = 25.0
    most_bytes: int = 32 << 20  # of an answer


@dataclass(frozen=True)
class Answer:
    """A status below 500 with its whole body."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """Return the body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass
class Exchange:
    """Requests to one service for one picture; the clock runs over all of them together."""

    service: RemoteService
    address: str  # of its API, without the last part
    client: httpx.Client
    config: ExchangeConfig
    begun: float = field(default_factory=time.monotonic)

    def ask(self, method: str, url: str, **content: Any) -> Answer:
        """Return the answer, whatever it says; redirects are answers too.

        Raises TimedOutError, OverloadedError (429 to the last), ModelUnavailableError (5xx to the last, unreachable,
        cut off, more bytes than an answer may have).
        """
        for attempt in range(1, self.config.attempts + 1):
            answer = self._ask_once(method, url, content)
            if answer.status != 429 and answer.status < 500:
                return answer
            wait_s = max(self.config.backoff_s * 2.0 ** (attempt - 1), _retry_after(answer))
            if attempt == self.config.attempts or wait_s >= self._left_s():
                break
            time.sleep(wait_s)
        if answer.status == 429:
            raise OverloadedError(f"{self.service.title} takes no more pictures of this account now.")
        raise self.failed(f"answers {answer.status}")

    def failed(self, reason: str) -> ModelUnavailableError:
        """Return the error that says of the service that it `reason`."""
        return ModelUnavailableError(f"{self.service.title} {reason}.", model=self.service.name)

    def wait(self, seconds: float) -> None:
        """Let some time pass before the next question. Raises TimedOutError where it would be too late for one."""
        if seconds >= self._left_s():
            raise self._late()
        time.sleep(seconds)

    def _ask_once(self, method: str, url: str, content: Mapping[str, Any]) -> Answer:
        config, left_s = self.config, self._left_s()
        timeout = httpx.Timeout(min(config.read_timeout_s, left_s), connect=min(config.connect_timeout_s, left_s))
        try:
            with self.client.stream(method, url, timeout=timeout, follow_redirects=False, **content) as answer:
                return Answer(answer.status_code, self._body(answer), answer.headers)
        except httpx.TimeoutException as error:
            raise self._late() from error
        except httpx.ConnectError as error:
            raise self.failed("cannot be reached from here") from error
        except httpx.DecodingError as error:
            raise self.failed("sends what cannot be unpacked") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self.failed("broke the connection off") from error

    def _body(self, answer: httpx.Response) -> bytes:
        if answer.headers.get("content-encoding", "identity") not in ("identity", "gzip"):
            raise self.failed("sends what cannot be unpacked")  # packed twice, a small answer fills the memory
        parts, size = [], 0
        for part in answer.iter_bytes():  # as it comes: filling parts of a set size would outwait the clock
            size += len(part)
            if size > self.config.most_bytes:
                raise self.failed("sends more than an answer may have")
            self._left_s()
            parts.append(part)
        return b"".join(parts)

    def _left_s(self) -> float:
        """Return how much time is left. Raises TimedOutError when none is."""
        left_s = self.begun + self.config.total_s - time.monotonic()
        if left_s <= 0:
            raise self._late()
        return left_s

    def _late(self) -> TimedOutError:
        return TimedOutError(f"{self.service.title} did not answer in time.", limit=self.config.total_s)


def _retry_after(answer: Answer) -> float:
    """Return how many seconds the service asks for, 0 where it does not say; a date is not read."""
    wait = answer.headers.get("retry-after", "")
    return float(wait) if re.fullmatch(r"\d{1,6}", wait) else 0.0


def code_in(error: Any) -> str:
    """Return a service's own code of an error for our sentence, in brackets, "" where it has none; a code is a word,
    and nothing else of what it writes is shown on."""
    return f" ({error})" if isinstance(error, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", error) else ""
