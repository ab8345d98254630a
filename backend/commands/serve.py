"""Starting the service from the command line: one process of uvicorn, and the two lines to try it with."""

import sys

from starlette.formparsers import MultiPartParser

from backend.api.server.process import server_of
from backend.contract.settings import Settings
from backend.jobs.database import DataFolderError
from backend.main import create_app

SPARE_FILES = 256  # logs, stores and the workers' pipes, beside connections and uploads


def serve(host: str, port: int, fetch: bool | None) -> int:
    """Serve until a signal comes and return the exit status. `fetch` None: as the environment says."""
    settings = Settings() if fetch is None else Settings(fetch_weights=fetch)
    spools = settings.max_uploads_bytes // MultiPartParser.spool_max_size  # what is smaller stays in memory
    _allow_open_files(settings.max_connections + spools + SPARE_FILES)
    app = create_app(settings)
    try:
        app.state.jobs.hold()
    except DataFolderError as error:
        print(error, file=sys.stderr)
        return 1
    server = server_of(app, settings, app.state.stopping, host, port)
    listening = server.config.bind_socket()  # says why and exits when the port is taken, before anything is promised
    address = f"{'localhost' if host in ('127.0.0.1', '0.0.0.0', '::1') else host}:{listening.getsockname()[1]}"
    if settings.log_format == "text":  # whoever reads JSON wants nothing else
        _greet(address)
    server.run(sockets=[listening])
    return 0 if server.started else 1


def _greet(address: str) -> None:
    print(
        f"\nMattemesh starts on http://{address} (documentation: /docs). Try:\n"
        f"  curl -X POST -F file=@examples/jug.jpg {address}/remove-bg -o mask.png\n"
        f"  curl -X POST -F file=@examples/jug.jpg {address}/generate-mesh -o model.glb\n",
        file=sys.stderr,
        flush=True,
    )


def _allow_open_files(count: int) -> None:
    """Raise the process's own limit of open files to `count` where that may be done: each connection is one."""
    if sys.platform == "win32":  # has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
