"""Telling listeners that something happened, and keeping a running job's stages as they begin."""

import asyncio
import logging
import time
from typing import Any
from weakref import WeakValueDictionary

from backend.contract.errors import StorageFullError
from backend.jobs.progress import Progress
from backend.jobs.store import JobStore
from backend.jobs.store_thread import StoreThread

logger = logging.getLogger("mattemesh")


class Changes:
    """A bell for each job. Nothing is kept of a job to which nobody listens."""

    def __init__(self) -> None:
        self._bells: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def next(self, job_id: str) -> asyncio.Event:
        """Return what is set at the next change of the job; ask before looking, so that none is missed."""
        return self._bells.setdefault(job_id, asyncio.Event())

    def tell(self, job_id: str) -> None:
        bell = self._bells.pop(job_id, None)
        if bell is not None:
            bell.set()

    def tell_all(self) -> None:
        for job_id in list(self._bells):
            self.tell(job_id)


class Recorder:
    """Keeps what a job's progress says, in order and beside the work: a slow disk holds up no stage."""

    def __init__(self, job_id: str, progress: Progress, store: StoreThread, changes: Changes) -> None:
        self._job_id, self._progress, self._store, self._changes = job_id, progress, store, changes
        self._heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()  # None: there is no more
        self._writing = asyncio.create_task(self._write())

    def hear(self, stage: str) -> None:
        """Note that `stage` begins, or by "start" that the work does; called in the event loop."""
        if stage == "start":
            self._progress.start()
            self._heard.put_nowait({})
        else:
            self._heard.put_nowait(self._progress.begin(stage))

    async def close(self) -> None:
        """Return when all that was heard is kept."""
        self._heard.put_nowait(None)
        await self._writing

    async def _write(self) -> None:
        ended = False
        while not ended:
            batch = [await self._heard.get()]
            while not self._heard.empty():
                batch.append(self._heard.get_nowait())
            ended = batch[-1] is None
            await self._keep([data for data in batch if data is not None])

    async def _keep(self, batch: list[dict[str, Any]]) -> None:
        try:
            if {} in batch:
                await self._store(JobStore.begin, self._job_id, time.time())
            await self._store(JobStore.record, self._job_id, [data for data in batch if data])
        except StorageFullError:
            logger.warning("job %s: its progress is not kept, the disk is full", self._job_id)
        self._changes.tell(self._job_id)
