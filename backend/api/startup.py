"""Checks before the service starts: a folder that cannot be used ends the start with one sentence, not each request."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from backend.contract.errors import is_disk_full
from backend.contract.settings import Settings
from backend.weights.availability import check_segmenter


class StartError(Exception):
    """The service cannot start; the message is one sentence that names the variable to change."""


def keep_files_private() -> None:
    """Let this process and its workers create files for their user alone: photos, results, bundles and logs."""
    os.umask(0o077)


def check_folders(settings: Settings) -> None:
    """Create the folders of `settings` that are missing. Raises StartError for one that cannot be used.

    Of DATA_DIR, the jobs are checked where their store opens. A full disk is fatal for DEBUG_DIR alone: each request
    fills it.
    """
    _check("LOGS_DIR", settings.logs_dir, "the log is written there")
    weights = "weights are fetched into it" if settings.fetch_weights else ""  # else it may be read-only
    _check("CHECKPOINTS_DIR", settings.checkpoints_dir, weights)
    _check("DATA_DIR", settings.data_dir, "large results pass through it", below="spool")
    if settings.debug_dir is not None:
        _check("DEBUG_DIR", settings.debug_dir, "each request leaves its bundle there", full_is_fatal=True)


def check_choices(settings: Settings) -> None:
    """Raise StartError where SEGMENTER names no segmenter that `auto` may mean, or CLUSTER needs what is not here."""
    if mistake := check_segmenter(settings):
        raise StartError(mistake)
    if settings.cluster is not None and find_spec("ray") is None:
        raise StartError("CLUSTER needs Ray: pip install -c constraints.txt -r requirements-cluster.txt")


def _check(variable: str, folder: Path, why_written: str, below: str = "", full_is_fatal: bool = False) -> None:
    """Raise StartError if `folder`, or `below` in it, is not one or, where `why_written` is not empty, cannot be
    written."""
    place = folder / below
    try:
        for each in (folder, place):  # `parents` would make them for everybody
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.scandir(place):
            pass
        if why_written:
            with tempfile.TemporaryFile(dir=place) as probe:
                probe.write(b"probe")
                probe.flush()
                os.fsync(probe.fileno())
    except OSError as error:
        if is_disk_full(error) and not full_is_fatal:
            return
        because = f": {why_written}" if why_written else ""
        reason = f"{below}: {error.strerror}" if below else error.strerror
        raise StartError(f"{variable}={folder} cannot be used ({reason}){because}. Name another.") from None
