"""Rate limit per client and window, counted in memory. A client is a valid key, or else an IP address.

Probes, metrics and the page's files do not count. Each process counts on its own: N processes allow N times the rate.
"""

import math
import time
from collections import OrderedDict

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


class RateLimit:
    """ASGI middleware; `rate` as the `limits` library writes it: "60/minute", "10/second;500/hour"."""

    def __init__(self, app: ASGIApp, rate: str, keys: ApiKeys, max_clients: int = MAX_CLIENTS) -> None:
        self.app = app
        self.rates = parse_many(rate)
        self.keys = keys
        self.max_clients = max_clients
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._clients: OrderedDict[str, None] = OrderedDict()  # least recently seen first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope) if scope["type"] == "http" else ""
        if scope["type"] != "http" or path in UNCOUNTED or is_open(path):
            await self.app(scope, receive, send)
            return
        client = client_of(scope, self.keys)
        self._touch(client)
        passes = all(self._limiter.hit(rate, client) for rate in self.rates)
        tightest, remaining, reset_s = self._state(client)
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

    def _state(self, client: str) -> tuple[RateLimitItem, int, int]:
        """Return the rate with the fewest requests left, that number, and the seconds until its window resets."""
        states = [(rate, self._limiter.get_window_stats(rate, client)) for rate in self.rates]
        rate, stats = min(states, key=lambda state: (state[1].remaining, -state[1].reset_time))
        return rate, stats.remaining, max(1, math.ceil(stats.reset_time - time.time()))
