"""Event streams: the only responses without an end of their own, so each client has a few at most.

Where connections run short, `backend.api.server.protocol` closes the oldest stream; its client resumes with
`Last-Event-ID`.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

from backend.api.middleware.keys import ApiKeys, client_of
from backend.contract.errors import OverloadedError
from backend.contract.settings import Settings

MEDIA_TYPE = "text/event-stream"


class Streams:
    """The open event streams of each client: a valid key, or else an IP address."""

    def __init__(self, settings: Settings) -> None:
        self._keys = ApiKeys(settings.api_keys)
        self._max = settings.max_streams_per_client
        self._open: Counter[str] = Counter()

    @contextmanager
    def opened(self, scope: Scope) -> Iterator[None]:
        """Count a stream of the request's client during the body. Raises OverloadedError when it has too many."""
        client = client_of(scope, self._keys)
        if self._open[client] >= self._max:
            raise OverloadedError(
                f"{self._max} event streams are open; close one, or ask for the job itself.", limit=self._max
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class EventStream(EventSourceResponse):
    """An event stream that counts while it is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams: Streams = scope["app"].state.streams
        with streams.opened(scope):
            await super().__call__(scope, receive, send)
