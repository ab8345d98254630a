"""The progress of running jobs: stores their events and notifies the streams that follow them."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from backend.contract.errors import StorageFullError
from backend.contract.work import Stage
from backend.jobs.home import Store
from backend.jobs.records import time_now

NEWEST_WEIGHT = 0.3  # EWMA weight of the newest run in a stage's usual seconds
MIN_PACE, MAX_PACE = 0.05, 20.0  # bounds of a job's seconds over the usual ones; photos differ in size
HEAD_START = 0.1  # share of the work that counts as done at the usual pace: the first stages alone say little
logger = logging.getLogger("mattemesh")


class Changes:
    """Wakes the listeners of a job. Weak references: a job without listeners costs nothing."""

    def __init__(self) -> None:
        self._events: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def next(self, job_id: str) -> asyncio.Event:
        """Return the event of the job's next change; ask for it before reading the job, so that none is missed."""
        return self._events.setdefault(job_id, asyncio.Event())

    def notify(self, job_id: str) -> None:
        """Wake the listeners of one job."""
        event = self._events.pop(job_id, None)
        if event is not None:
            event.set()

    def notify_all(self) -> None:
        """Wake the listeners of all jobs."""
        for job_id in list(self._events):
            self.notify(job_id)


def timing_profile(kind: str, options: Mapping[str, Any]) -> str:
    """Return a name that work of about the same duration shares: its kind and the options that choose networks."""
    return " ".join([kind, *(str(options.get(name, "")) for name in ("model", "quality", "strategy", "engine"))])


def updated_stage_times(usual: Mapping[str, float], stages: tuple[Stage, ...]) -> dict[str, float]:
    """Return the usual seconds of each stage (an EWMA) after one more run; stages missing from that run are dropped."""
    taken: dict[str, float] = {}
    for stage in stages:
        taken[stage.name] = taken.get(stage.name, 0.0) + stage.seconds
    return {
        name: seconds + (1 - NEWEST_WEIGHT) * (usual[name] - seconds) if name in usual else seconds
        for name, seconds in taken.items()
    }


class Progress:
    """The stages of one run as they begin. `usual`: the seconds of each in order; empty when unknown."""

    def __init__(self, usual: Mapping[str, float]) -> None:
        self._usual = dict(usual)
        self._total = sum(usual.values())
        self._finished: list[dict[str, Any]] = []
        self._stage: str | None = None
        self._since = self._first = 0.0
        self._behind = 0.0  # usual seconds of the stages before the current one
        self.begun = False

    def start(self) -> None:
        """Note that the work begins."""
        self.begun = True
        self._first = time.monotonic()

    def begin(self, stage: str) -> dict[str, Any]:
        """Note that `stage` begins, and return the data of its event."""
        now = time.monotonic()
        if self._stage is not None:
            self._finished.append({"name": self._stage, "seconds": round(now - self._since, 4)})
        self._stage, self._since = stage, now
        if stage in self._usual:
            names = list(self._usual)
            before = sum(self._usual[name] for name in names[: names.index(stage)])
            self._behind = max(self._behind, before)  # a repeated stage must not lower the fraction
        snapshot = self.snapshot()
        index, fraction, left = len(self._finished), snapshot["fraction"], snapshot["seconds_left"]
        return {"name": stage, "index": index, "fraction": fraction, "seconds_left": left}

    def snapshot(self) -> dict[str, Any]:
        """Return the progress as the job's document shows it."""
        stage, finished = self._stage, [*self._finished]
        if stage is None or self._total <= 0:
            return {"stage": stage, "stages": finished, "fraction": 0.0, "seconds_left": None}
        now = time.monotonic()
        here = min(now - self._since, self._usual.get(stage, 0.0))
        fraction = min((self._behind + here) / self._total, 1.0)
        head_start = HEAD_START * self._total
        pace = (now - self._first + head_start) / (self._behind + here + head_start)
        left = (1.0 - fraction) * self._total * min(max(pace, MIN_PACE), MAX_PACE)
        return {"stage": stage, "stages": finished, "fraction": round(fraction, 3), "seconds_left": round(left, 2)}


class Recorder:
    """Stores a job's progress in order, beside the work: a slow disk delays no stage."""

    def __init__(self, job_id: str, progress: Progress, store: Store, changes: Changes) -> None:
        self._job_id, self._progress, self._store, self._changes = job_id, progress, store, changes
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()  # {}: the work begins; None: the end
        self._writing = asyncio.create_task(self._write())

    def on_stage(self, stage: str) -> None:
        """Note that `stage` begins, or with "start" that the work does; called in the event loop."""
        if stage == "start":
            self._progress.start()
            self._queue.put_nowait({})
        else:
            self._queue.put_nowait(self._progress.begin(stage))

    async def close(self) -> None:
        """Return when everything is stored."""
        self._queue.put_nowait(None)
        await self._writing

    async def _write(self) -> None:
        ended = False
        while not ended:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            ended = batch[-1] is None
            await self._keep([data for data in batch if data is not None])

    async def _keep(self, batch: list[dict[str, Any]]) -> None:
        try:
            if {} in batch:
                await self._store.begin(self._job_id, time_now())
            await self._store.add_stages(self._job_id, [data for data in batch if data])
        except StorageFullError:
            logger.warning("job %s: the disk is full, its progress is not stored", self._job_id)
        self._changes.notify(self._job_id)
