"""The photos and results of jobs as files. Each job has its own folder, which appears whole or not at all.

A folder is written in `partial/`, flushed to the disk and renamed into place; what a killed service leaves there is
removed at the next start. All functions raise StorageFullError where the disk is full, and StorageFailedError where it
cannot be used.
"""

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from backend.contract.errors import translate_disk_errors, translate_disk_full
from backend.contract.spool import SpooledFile
from backend.contract.work import File, check_result
from backend.jobs.records import DISK_FULL, MAX_TIME_S, STORE_FAILED, Job, StoredFile, made_at

RESERVE_BYTES = 256 * 1024  # ten times what SQLite writes to delete a job


class JobFolders:
    """`inputs/ID`, `results/ID` and `partial/` under `root`, readable by the owner alone."""

    def __init__(self, root: Path) -> None:
        self._inputs, self._results, self._partial = root / "inputs", root / "results", root / "partial"
        self._reserve = root / "reserve"

    def prepare(self) -> None:
        """Create the folders that are missing."""
        with translate_disk_full(DISK_FULL):
            for folder in (self._inputs, self._results, self._partial):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def reserve(self) -> None:
        """Set some space aside, where there is any, so that a job can be cancelled or removed on a full disk."""
        if not self._reserve.exists():
            try:
                with self._reserve.open("xb") as file:  # x: never through a link that leads to no file
                    file.write(bytes(RESERVE_BYTES))
            except OSError:
                self.use_reserve()

    def use_reserve(self) -> None:
        """Free the space that was set aside."""
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def keep_inputs(self, job_id: str, files: Mapping[str, bytes]) -> None:
        """Store the files of a request, by the names of their form parts."""
        self._write(self._inputs / job_id, {name: [data] for name, data in files.items()})

    def keep_results(self, job_id: str, files: Sequence[File | SpooledFile]) -> None:
        """Store the finished files by their names."""
        for file in files:
            check_result(file.name, file.media_type)
        self._write(self._results / job_id, {file.name: file.pieces() for file in files})

    def inputs(self, job_id: str) -> dict[str, bytes] | None:
        """Return the files of the request; None when they are gone."""
        with translate_disk_errors(DISK_FULL, STORE_FAILED):
            try:
                return {path.name: path.read_bytes() for path in (self._inputs / job_id).iterdir()}
            except FileNotFoundError:  # cancelled, perhaps while they were read
                return None

    def result(self, job_id: str, file: StoredFile) -> Path:
        """Return the path of a finished file. Raises ValueError for a row with a name that no result has."""
        check_result(file.name, file.media_type)
        return self._results / job_id / file.name

    def remove_inputs(self, job_id: str) -> None:
        self._remove(self._inputs / job_id)

    def remove(self, job_id: str) -> None:
        """Remove all files of a job."""
        self._remove(self._inputs / job_id)
        self._remove(self._results / job_id)

    def sweep(
        self, waiting: Collection[str], succeeded: Collection[str], others: Collection[str], since: float, until: float
    ) -> int:
        """Remove partial folders, and the folders of all jobs but the inputs of `waiting` and the results of
        `succeeded` ids. Return how many stay of jobs that are unknown, in none of the three: where a job is older than
        `since`, or has results and is newer than `until` (both in seconds since 1970), a store that was lost or
        replaced by a backup knows nothing of it."""
        for leftover in self._partial.iterdir():
            if _is_draft(leftover.name):  # DATA_DIR may be a folder that holds other things, too
                _delete(leftover)
        known = {*waiting, *succeeded, *others}
        left = 0
        for folder, wanted, end in ((self._inputs, waiting, MAX_TIME_S), (self._results, succeeded, until)):
            for path in folder.iterdir():
                made = made_at(path.name)
                if made is None or path.name in wanted:  # other names are not ours to remove
                    continue
                if path.name not in known and not since <= made <= end:
                    left += 1
                else:
                    _delete(path)
        return left

    def stored_ids(self, place: Literal["inputs", "results"]) -> set[str]:
        """Return the ids of all jobs that have files in `place`."""
        with translate_disk_errors(DISK_FULL, STORE_FAILED):
            found = {path.name for path in (self._inputs if place == "inputs" else self._results).iterdir()}
        return {job_id for job_id in found if made_at(job_id) is not None}

    def complete(self, job: Job) -> bool:
        """Whether all files that the store lists for the job exist, at their sizes."""
        if not job.final:
            return (self._inputs / job.id).is_dir()
        return all(_size(self.result(job.id, file)) == file.size for file in job.outcome.files)

    def _write(self, target: Path, files: Mapping[str, Iterable[bytes]]) -> None:
        draft = self._partial / _draft_name(target.name)
        with translate_disk_errors(DISK_FULL, STORE_FAILED):
            try:
                for folder in (self._partial, target.parent):  # somebody may have removed them
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                draft.mkdir(mode=0o700)
                for name, pieces in files.items():
                    with (draft / name).open("xb") as file:
                        file.writelines(pieces)
                        file.flush()
                        os.fsync(file.fileno())
                _sync(draft)
                if target.exists():  # of a service that was taken for lost: the newer result of the same job counts
                    self._remove(target)
                draft.rename(target)
                _sync(target.parent)
            except OSError:
                _delete(draft)
                raise

    def _remove(self, folder: Path) -> None:
        """Take a folder out of sight at once, then delete its files; a missing one is no error, and neither is an id
        that no job has: a damaged row may name the folder above."""
        if made_at(folder.name) is None or not os.path.lexists(folder):
            return
        doomed = self._partial / _draft_name(folder.name)
        try:
            folder.rename(doomed)
        except OSError:  # a full disk may have no room for the new name
            doomed = folder
        _delete(doomed)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _draft_name(job_id: str) -> str:
    return f"{job_id}-{uuid.uuid4().hex}"


def _is_draft(name: str) -> bool:
    job_id, _, number = name.partition("-")
    return made_at(job_id) is not None and re.fullmatch(r"[0-9a-f]{32}", number) is not None


def _delete(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Flush the names in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
