"""`python -m backend serve`: starts the service in one uvicorn process and prints its engines and two examples."""

import errno
import logging
import socket
import sys
from pathlib import Path
from typing import Any

from backend.api.logs import set_up_logging
from backend.api.server.open_files import allow_open_files
from backend.api.server.process import server_of
from backend.api.startup import StartError, check_choices, check_folders, keep_files_private
from backend.commands.summary import service_lines
from backend.contract.clock import outlast_the_calendar
from backend.contract.settings import Settings
from backend.jobs.database import DataFolderError
from backend.main import create_app

logger = logging.getLogger("mattemesh")


def serve(host: str, port: int, fetch: bool | None, cluster: str | None = None) -> int:
    """Serve until a signal and return the exit status. `fetch` and `cluster` None: as the environment says."""
    chosen: dict[str, Any] = {"fetch_weights": fetch, "cluster": cluster}
    settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
    try:
        listening = bind(host, port)  # first, before anything is loaded or announced
    except OSError as error:
        print(_why_not_bound(error, host, port), file=sys.stderr)
        return 1
    try:
        outlast_the_calendar()
        settings, lowered = allow_open_files(settings)
        keep_files_private()
        check_folders(settings)
        check_choices(settings)
        set_up_logging(settings.logs_dir, settings.log_level, settings.log_format)
        app = create_app(settings)
        app.state.jobs.hold()
    except (StartError, DataFolderError) as error:
        print(error, file=sys.stderr)
        return 1
    if lowered:
        logger.warning(lowered)
    server = server_of(app, settings, app.state.stopping, host, port, app.state.metrics.refused)
    if settings.log_format == "text":  # a program that reads JSON gets nothing else
        local = host in ("127.0.0.1", "0.0.0.0", "::1", "::")
        _greet(f"{'localhost' if local else host}:{listening.getsockname()[1]}", settings)
    server.run(sockets=[listening])
    return 0 if server.started else 1


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that holds the address and does not listen yet: clients are refused until the service is up."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if sys.platform != "win32":  # there it would let two services share one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _why_not_bound(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken: another program listens there. Choose a free one with --port, as --port 8123."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than you have. Choose one above 1023 with --port, as --port 8000."
    return f"The service cannot listen on {host}, port {port}: {error.strerror}. Choose others with --host and --port."


def _greet(address: str, settings: Settings) -> None:
    picture = "examples/jug.jpg" if Path("examples/jug.jpg").is_file() else "photo.jpg"
    engines = "".join(f"  {line}\n" for line in service_lines(settings))
    print(
        f"\nMattemesh starts on http://{address} (documentation: /docs).\n{engines}Try:\n"
        f"  curl -X POST -F file=@{picture} {address}/remove-bg -o mask.png\n"
        f"  curl -X POST -F file=@{picture} {address}/generate-mesh -o model.glb\n",
        file=sys.stderr,
        flush=True,
    )
