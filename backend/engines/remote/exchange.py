"""Requests to a remote service, bounded in time, in size and in attempts.

Only what the service itself calls temporary (429 and 5xx) is retried, with back-off. A broken connection is not: the
picture may have been processed and charged for already.
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
    """Limits of one exchange; in total it stays below the deadline of a mask (30 s)."""

    attempts: int = 3  # requests in a row while the service answers 429 or 5xx
    backoff_s: float = 1.0  # before the second attempt; doubles with each further one
    poll_s: float = 1.0  # between two looks at a result that the service is still working on
    connect_timeout_s: float = 5.0  # until the connection stands
    read_timeout_s: float = 20.0  # without a single byte of the answer
    total_s: float = 25.0  # all requests for one picture
    max_bytes: int = 32 << 20  # of one answer, as it is unpacked


@dataclass(frozen=True)
class Answer:
    """A status with its whole body."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """Return the body as JSON, None where it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass
class Exchange:
    """Requests to one service for one picture; they share one time limit."""

    service: RemoteService
    address: str  # base URL of its API
    client: httpx.Client
    config: ExchangeConfig
    begun: float = field(default_factory=time.monotonic)

    def ask(self, method: str, url: str, **content: Any) -> Answer:
        """Return the answer with a status below 500 other than 429; redirects are answers too.

        Raises TimedOutError, OverloadedError (429 at the last attempt), ModelUnavailableError (5xx at the last attempt,
        unreachable, cut off, larger than `max_bytes`).
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
            raise OverloadedError(f"{self.service.title} accepts no more pictures from this account for now.")
        raise self.failed(f"answers {answer.status}")

    def failed(self, reason: str) -> ModelUnavailableError:
        """Return the error whose sentence is the service's title and `reason`."""
        return ModelUnavailableError(f"{self.service.title} {reason}.", model=self.service.name)

    def wait(self, seconds: float) -> None:
        """Wait before the next request. Raises TimedOutError where no time would be left for one."""
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
            raise self.failed("sends an answer that cannot be unpacked") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self.failed("broke the connection off") from error

    def _body(self, answer: httpx.Response) -> bytes:
        if answer.headers.get("content-encoding", "identity") not in ("identity", "gzip"):
            raise self.failed("sends an answer that cannot be unpacked")  # packed twice, it could fill the memory
        parts, size = [], 0
        for part in answer.iter_bytes():  # as they come: parts of a fixed size could outlast the time limit
            size += len(part)
            if size > self.config.max_bytes:
                raise self.failed("sends too large an answer")
            self._left_s()
            parts.append(part)
        return b"".join(parts)

    def _left_s(self) -> float:
        """Return how much time is left. Raises TimedOutError when there is none."""
        left_s = self.begun + self.config.total_s - time.monotonic()
        if left_s <= 0:
            raise self._late()
        return left_s

    def _late(self) -> TimedOutError:
        return TimedOutError(f"{self.service.title} did not answer in time.", limit=self.config.total_s)


def _retry_after(answer: Answer) -> float:
    """Return the seconds of Retry-After, 0 without one; its form as a date is not read."""
    wait = answer.headers.get("retry-after", "")
    return float(wait) if re.fullmatch(r"\d{1,6}", wait) else 0.0


def code_in(error: Any) -> str:
    """Return a service's own error code in brackets, for a sentence of ours; "" where it has none.

    Only a single word passes for a code: no other text of the service is shown.
    """
    return f" ({error})" if isinstance(error, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", error) else ""
