"""Jobs that several services share: rows in PostgreSQL, files in a bucket or in a folder that all of them see."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

from backend.jobs.database import DataFolderError
from backend.jobs.folders import JobFolders
from backend.jobs.home import Hooks
from backend.jobs.objects import JobObjects
from backend.jobs.postgres import BEAT_S, PostgresJobStore
from backend.jobs.records import FINAL, MAX_ATTEMPTS, made_at, time_now

SWEEP_S = 600.0  # how often files are looked for that no job needs
ORPHAN_S = 3600.0  # age of those that no row names: a job is handed in with its photo first


class SharedHome:
    """The database at `jobs_url` and the bucket or folder at `files_url`, as one of the services that share them.

    Raises DataFolderError where the packages for it are missing.
    """

    def __init__(self, jobs_url: str, files_url: str) -> None:
        for package in ("psycopg_pool", "psycopg", "obstore"):
            if find_spec(package) is None:
                raise DataFolderError(f"JOBS_URL needs {package}: pip install -r requirements-cluster.txt")
        self.store = PostgresJobStore(jobs_url)
        self.files: JobFolders | JobObjects = (
            JobObjects(files_url) if files_url.startswith("s3:") else JobFolders(Path(files_url))
        )

    @property
    def is_open(self) -> bool:
        return self.store.is_open

    def hold(self) -> None:
        """Prepare the folder; whether the database answers is seen when it is opened, and it may come later."""
        if isinstance(self.files, JobFolders):
            try:
                self.files.prepare()
            except OSError as error:
                raise DataFolderError(f"FILES_URL cannot be used ({error.strerror}); name another folder.") from None

    async def open(self) -> None:
        await asyncio.to_thread(self.hold)
        await self.store.open()

    def chores(self, hooks: Hooks) -> dict[str, Callable[[], Awaitable[None]]]:
        async def beat() -> None:
            for job_id in await self.store.beat(MAX_ATTEMPTS):
                await hooks.on_lost(job_id)
            await asyncio.sleep(BEAT_S)

        async def sweep() -> None:
            await asyncio.sleep(SWEEP_S)
            async with self.store.alone() as alone:
                if alone:
                    await self.sweep()

        return {
            "telling that this service lives": beat,
            "hearing of changes": lambda: self.store.listen(hooks),
            "removing files that no job needs": sweep,
        }

    async def sweep(self) -> None:
        """Remove what a killed service, or one that was taken for lost, has left: photos of ended jobs, and files older
        than ORPHAN_S of no job."""
        photos = await asyncio.to_thread(self.files.stored_ids, "inputs")
        stored = photos | await asyncio.to_thread(self.files.stored_ids, "results")
        known = await self.store.known(list(stored))
        for job_id in photos:
            if known.get(job_id, "queued") in FINAL:
                await asyncio.to_thread(self.files.remove_inputs, job_id)
        for job_id in stored - known.keys():
            if (made_at(job_id) or 0.0) < time_now() - ORPHAN_S:
                await asyncio.to_thread(self.files.remove, job_id)

    async def close(self) -> None:
        await self.store.close()
