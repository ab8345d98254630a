"""Taking a data folder into use: for one service alone, and in order whatever the one before left behind."""

import logging
import time
from pathlib import Path

from filelock import FileLock, Timeout

from backend.contract.errors import WorkerLostError, translate_disk_full
from backend.jobs.database import DataFolderError
from backend.jobs.folders import JobFolders
from backend.jobs.records import DISK_FULL, MAX_ATTEMPTS, failure
from backend.jobs.store import JobStore

logger = logging.getLogger("mattemesh")


def hold(lock: FileLock) -> None:
    """Keep every other service out of the folder of `lock` until it is released or this process ends.

    Raises DataFolderError where another one is in there or the folder cannot be written, StorageFullError where there
    is no room for it.
    """
    folder = Path(lock.lock_file).parent
    try:
        with translate_disk_full(DISK_FULL):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not lock.is_locked:
                lock.acquire(timeout=0)
    except Timeout:
        raise DataFolderError(
            f"Another service uses {folder}; stop it, or give this one a folder of its own by DATA_DIR."
        ) from None
    except OSError as error:
        raise DataFolderError(f"{folder} cannot be used ({error.strerror}); name another by DATA_DIR.") from error


def recover(store: JobStore, folders: JobFolders, ttl_s: float) -> None:
    """Make rows and files agree: what ran waits again or, the second time, is lost; what is half there is gone."""
    for job_id in store.recover(MAX_ATTEMPTS):
        lost = WorkerLostError(f"The service ended {MAX_ATTEMPTS} times in the middle of this job.")
        store.finish(job_id, failure(lost, job_id), time.time(), ttl_s)
    waiting, succeeded, incomplete = set[str](), set[str](), []
    for job in store.everything():
        if not folders.complete(job):
            incomplete.append(job.id)
        elif not job.final:
            waiting.add(job.id)
        elif job.state == "succeeded":
            succeeded.add(job.id)
    folders.sweep(waiting, succeeded)
    for job_id in incomplete:
        logger.warning("job %s: its files are gone, so it is removed", job_id)
        store.remove(job_id)
