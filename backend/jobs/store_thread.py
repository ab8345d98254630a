"""The store on a thread of its own, so that the disk never holds up the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from backend.contract.errors import StorageFullError
from backend.jobs.store import JobStore

P = ParamSpec("P")
T = TypeVar("T")


class StoreThread:
    """Runs the store's methods one at a time: `await thread(JobStore.get, job_id, now)`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: JobStore | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")

    async def open(self) -> None:
        """Raises DataFolderError, and StorageFullError where there is no room for a new store."""
        self._store = await self._run(partial(JobStore, self._path))

    async def __call__(self, method: Callable[Concatenate[JobStore, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the method returns. Raises what it raises, and StorageFullError while there is no store yet."""
        if self._store is None:
            raise StorageFullError("The disk is full; no job can be kept.")
        return await self._run(partial(method, self._store, *args, **kwargs))

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def close(self) -> None:
        if self._store is not None:
            await self._run(self._store.close)
            self._store = None
        self._thread.shutdown(wait=False)
