"""A loop that outlives what goes wrong in one of its turns."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from backend.contract.errors import StorageFullError

logger = logging.getLogger("mattemesh")


async def keep_on(what: str, turn: Callable[[], Awaitable[None]], wanted: Callable[[], bool], rest_s: float) -> None:
    """Take one turn after another while they are `wanted`, with a rest after each one that fails."""
    while wanted():
        try:
            await turn()
        except StorageFullError:
            await asyncio.sleep(rest_s)
        except Exception:  # a fault that nobody foresaw costs this turn, not all turns until the next start
            logger.exception("%s met a fault and goes on", what)
            await asyncio.sleep(rest_s)
