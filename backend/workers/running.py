"""Work in progress on a worker, as the waiting side sees it."""

import asyncio
from collections.abc import Callable

from backend.contract.errors import TimedOutError
from backend.contract.work import Done, OnStage


class BystanderError(Exception):
    """The worker was killed because of other work; this work may run again."""


class Running:
    """Work in progress. `cancel(late)` asks its worker to stop it; `late`: it has passed its deadline."""

    def __init__(self, on_stage: OnStage, cancel: Callable[[bool], None]) -> None:
        self.on_stage = on_stage
        self.result: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._cancel = cancel
        self.hear("start")

    def hear(self, stage: str) -> None:
        """Report that `stage` begins, from the event loop and not from within the current call."""
        if not self.result.done():
            asyncio.get_running_loop().call_soon(self.on_stage, stage)

    def succeed(self, done: Done) -> None:
        if not self.result.done():
            self.result.set_result(done)

    def fail(self, error: BaseException) -> None:
        if not self.result.done():
            self.result.set_exception(error)

    def abandon(self, late: bool = False) -> None:
        """Stop the work: the client has left, or it is past its deadline (`late`)."""
        if not self.result.done():
            self.result.cancel()
            self._cancel(late)

    async def wait(self, deadline_s: float) -> Done:
        """Return the result. Raises TimedOutError, WorkerLostError, BystanderError, or what the work raised; cancelling
        the awaiting task abandons the work."""
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.shield(self.result)
        except TimeoutError:
            self.abandon(late=True)
            raise TimedOutError(f"The work took longer than {deadline_s:g} s.", limit=deadline_s) from None
        finally:
            self.abandon()
