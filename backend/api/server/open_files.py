"""Limits the connections to what the process may have open: each connection is an open file."""

import sys

from starlette.formparsers import MultiPartParser

from backend.api.startup import StartError
from backend.contract.settings import Settings

SPARE_FILES = 256  # logs, stores and the workers' sockets, in addition to connections and spools
FILES_PER_CONNECTION = 2  # its socket, and a response on disk
MAX_SPOOLS_PER_CONNECTION = 2  # an upload has two files at most
MIN_CONNECTIONS = 16


def allow_open_files(settings: Settings) -> tuple[Settings, str]:
    """Raise this process's limit of open files to what `settings` need, as far as the system allows.

    Returns the settings with a MAX_CONNECTIONS that fits, and a sentence for the log where it had to be lowered.
    Raises StartError where not even MIN_CONNECTIONS fit.
    """
    limit = _raised_limit(_files_for(settings.max_connections, settings))
    if limit is None or _files_for(settings.max_connections, settings) <= limit:
        return settings, ""
    room = limit - SPARE_FILES
    fits = max(
        room // (FILES_PER_CONNECTION + MAX_SPOOLS_PER_CONNECTION),
        (room - _max_spools(settings)) // FILES_PER_CONNECTION,
    )
    if fits < MIN_CONNECTIONS:
        needed = _files_for(MIN_CONNECTIONS, settings)
        raise StartError(f"This process may open only {limit} files, and needs {needed}; raise the limit (ulimit -n).")
    why = (
        f"MAX_CONNECTIONS is lowered to {fits}, because this process may open only {limit} files"
        " (ulimit -Hn, LimitNOFILE)"
    )
    return settings.model_copy(update={"max_connections": fits}), why


def _files_for(connections: int, settings: Settings) -> int:
    spools = min(MAX_SPOOLS_PER_CONNECTION * connections, _max_spools(settings))
    return SPARE_FILES + FILES_PER_CONNECTION * connections + spools


def _max_spools(settings: Settings) -> int:
    """Return how many uploads can be spooled to a file at once: smaller ones stay in memory."""
    return settings.max_uploads_bytes // MultiPartParser.spool_max_size


def _raised_limit(count: int) -> int | None:
    """Raise the soft limit of open files to `count` or the hard limit, and return it; None where there is none."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(soft, allowed)
