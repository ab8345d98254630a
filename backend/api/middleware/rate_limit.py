"""Rate limit per client and window. A client is a valid key, or else an IP address.

Probes, metrics and the page's files do not count. Requests are counted in memory, so N services allow N times the rate,
or in a Redis that they share; while that cannot be used, each counts for itself.
"""

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.middleware.keys import ApiKeys, client_of
from backend.api.middleware.paths import is_open, path_of
from backend.api.problems import error_answer
from backend.contract.errors import RateLimitedError

MAX_CLIENTS = 10_000  # counted at once, about 5 MB; one with more addresses than this can reset its oldest count
UNCOUNTED = ("/metrics", "/health")
REDIS_TIMEOUT_S = 0.5  # of one command: every request waits for it
REDIS_PAUSE_S = 5.0  # without Redis after an error: a request would wait for each timeout anew
logger = logging.getLogger("mattemesh")


@dataclass(frozen=True)
class Count:
    """A client's requests in the window of one rate."""

    rate: RateLimitItem
    passes: bool
    remaining: int
    reset_time: float  # seconds since 1970


class RateLimit:
    """ASGI middleware; `rate` as the `limits` library writes it: "60/minute", "10/second;500/hour"."""

    def __init__(
        self, app: ASGIApp, rate: str, keys: ApiKeys, url: str | None = None, max_clients: int = MAX_CLIENTS
    ) -> None:
        """`url`: of the Redis that counts for several services; None: this process counts."""
        self.app = app
        self.rates = parse_many(rate)
        self.keys = keys
        self.max_clients = max_clients
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._clients: OrderedDict[str, None] = OrderedDict()  # least recently seen first
        self._shared = None if url is None else SharedCounts(url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope) if scope["type"] == "http" else ""
        if scope["type"] != "http" or path in UNCOUNTED or is_open(path):
            await self.app(scope, receive, send)
            return
        client = client_of(scope, self.keys)
        counts = None if self._shared is None else await self._shared.count(self.rates, client)
        if counts is None:
            counts = self._count(client)
        passes = all(count.passes for count in counts)
        tight = min(counts, key=lambda count: (count.remaining, -count.reset_time))
        tightest, remaining = tight.rate, tight.remaining
        reset_s = max(1, math.ceil(tight.reset_time - time.time()))
        policy = f'"default";q={tightest.amount};w={tightest.get_expiry()}'
        state = f'"default";r={remaining};t={reset_s}'

        async def send_with_state(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = policy
                headers["RateLimit"] = state
            await send(message)

        if passes:
            await self.app(scope, receive, send_with_state)
            return
        error = RateLimitedError(
            f"More than {tightest.amount} requests in {tightest.get_expiry()} s. Try again in {reset_s} s.",
            limit=tightest.amount,
        )
        answer = error_answer(Request(scope), error, {"Retry-After": str(reset_s)})
        await answer(scope, receive, send_with_state)

    def _touch(self, client: str) -> None:
        self._clients[client] = None
        self._clients.move_to_end(client)
        while len(self._clients) > self.max_clients:
            evicted, _ = self._clients.popitem(last=False)
            for rate in self.rates:
                self._limiter.clear(rate, evicted)

    def _count(self, client: str) -> list[Count]:
        """Count a request in memory, by each rate until one refuses it."""
        self._touch(client)
        passes, counts = True, []
        for rate in self.rates:
            passes = passes and self._limiter.hit(rate, client)
            stats = self._limiter.get_window_stats(rate, client)
            counts.append(Count(rate, passes, stats.remaining, stats.reset_time))
        return counts


class SharedCounts:
    """Counts in a Redis that several services share. Fail-open: what goes wrong is logged, and nobody is refused."""

    def __init__(self, url: str) -> None:
        from limits.aio.storage import RedisStorage  # where nobody shares, nothing of it is loaded
        from limits.aio.strategies import FixedWindowRateLimiter as AsyncFixedWindowRateLimiter
        from redis import RedisError
        from redis.asyncio import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = ConnectionPool.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="mattemesh:rate",
            connection_pool=pool,  # type: ignore[arg-type]
        )
        self._limiter = AsyncFixedWindowRateLimiter(storage)
        self._errors = (RedisError, OSError)
        self._paused_until = 0.0

    async def count(self, rates: Sequence[RateLimitItem], client: str) -> list[Count] | None:
        """Count a request, by each rate until one refuses it; None where Redis cannot be used now."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            passes, counts = True, []
            for rate in rates:
                passes = passes and await self._limiter.hit(rate, client)
                stats = await self._limiter.get_window_stats(rate, client)
                counts.append(Count(rate, passes, stats.remaining, stats.reset_time))
            return counts
        except self._errors as error:
            self._paused_until = time.monotonic() + REDIS_PAUSE_S
            logger.warning(
                "the Redis of RATE_LIMIT_URL cannot be used (%s): requests are counted here for %.0f s",
                type(error).__name__,
                REDIS_PAUSE_S,
            )
            return None
