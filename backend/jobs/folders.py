"""The photos and the results of jobs as files, each job's in a folder of its own that appears whole or not at all.

A folder is written beside its place, made safe on the disk, and renamed; what a killed service leaves half-written lies
in `partial/` and is swept away at the next start. All functions raise StorageFullError where the disk is full.
"""

import os
import shutil
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path

from backend.contract.errors import translate_disk_full
from backend.jobs.ids import PATTERN
from backend.jobs.records import DISK_FULL, Job, StoredFile

RESERVE_BYTES = 256 * 1024  # what SQLite writes to forget a job is a tenth of it


class JobFolders:
    """`inputs/ID`, `results/ID` and `partial/` under `root`; only the owner may look into them."""

    def __init__(self, root: Path) -> None:
        self._inputs, self._results, self._partial = root / "inputs", root / "results", root / "partial"
        self._reserve = root / "reserve"

    def prepare(self) -> None:
        """Make the folders that are not there yet."""
        with translate_disk_full(DISK_FULL):
            for folder in (self._inputs, self._results, self._partial):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def reserve(self) -> None:
        """Set some room aside, so that on a full disk a job can still be cancelled or removed; where there is any."""
        if not self._reserve.exists():
            try:
                self._reserve.write_bytes(bytes(RESERVE_BYTES))
            except OSError:
                self.use_reserve()

    def use_reserve(self) -> None:
        """Give the room free that was set aside."""
        self._reserve.unlink(missing_ok=True)

    def keep_inputs(self, job_id: str, files: Mapping[str, bytes]) -> None:
        """Keep what was sent, by the name of its part."""
        self._write(self._inputs / job_id, files)

    def keep_results(self, job_id: str, files: Mapping[str, bytes]) -> None:
        """Keep what came of it."""
        self._write(self._results / job_id, files)

    def inputs(self, job_id: str) -> dict[str, bytes] | None:
        """Return what was sent; None when it is not there any more."""
        try:
            return {path.name: path.read_bytes() for path in (self._inputs / job_id).iterdir()}
        except FileNotFoundError:  # cancelled, perhaps while it was read
            return None

    def result(self, job_id: str, file: StoredFile) -> Path:
        """Return where a finished file lies."""
        return self._results / job_id / file.name

    def remove_inputs(self, job_id: str) -> None:
        self._remove(self._inputs / job_id)

    def remove(self, job_id: str) -> None:
        """Remove everything of a job."""
        self._remove(self._inputs / job_id)
        self._remove(self._results / job_id)

    def sweep(self, waiting: Collection[str], succeeded: Collection[str]) -> None:
        """Remove what belongs to no job: all but the photos of the `waiting` ids and the results of `succeeded` ones,
        and what was half written."""
        for leftover in self._partial.iterdir():
            _delete(leftover)
        for folder, wanted in ((self._inputs, waiting), (self._results, succeeded)):
            for path in folder.iterdir():
                if PATTERN.fullmatch(path.name) and path.name not in wanted:  # nothing of another's making
                    _delete(path)

    def complete(self, job: Job) -> bool:
        """Whether all that the store says of the job's files is there."""
        if not job.final:
            return (self._inputs / job.id).is_dir()
        return all(_size(self.result(job.id, file)) == file.size for file in job.outcome.files)

    def _write(self, place: Path, files: Mapping[str, bytes]) -> None:
        draft = self._partial / f"{place.name}-{uuid.uuid4().hex}"
        with translate_disk_full(DISK_FULL):
            try:
                draft.mkdir(mode=0o700)
                for name, data in files.items():
                    with (draft / name).open("xb") as file:
                        file.write(data)
                        file.flush()
                        os.fsync(file.fileno())
                _make_safe(draft)
                draft.rename(place)
                _make_safe(place.parent)
            except OSError:
                _delete(draft)
                raise

    def _remove(self, place: Path) -> None:
        """Take a folder away at once, then free its room; one that is not there is no fault."""
        if not place.exists():
            return
        grave = self._partial / f"{place.name}-{uuid.uuid4().hex}"
        try:
            place.rename(grave)
        except OSError:  # a full disk may have no room for the new name
            grave = place
        _delete(grave)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _delete(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _make_safe(folder: Path) -> None:
    """Have the names in `folder` survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
