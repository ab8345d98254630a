"""Starting the service from the command line: one process of uvicorn, and the two lines to try it with."""

import contextlib
import sys

import uvicorn

from backend.main import create_app
from backend.settings import Settings

SHUTDOWN_S = 20  # a half-sent upload must not hold up a stop for ever


def serve(host: str, port: int, fetch: bool | None) -> int:
    """Serve until a signal comes and return the exit status. `fetch` None: as the environment says."""
    settings = Settings() if fetch is None else Settings(fetch_weights=fetch)
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port,
        log_level="warning",  # our own log has one line a request
        timeout_graceful_shutdown=SHUTDOWN_S,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 * 1024,
    )
    listening = config.bind_socket()  # says why and exits when the port is taken, before anything is promised
    address = f"{'localhost' if host in ('127.0.0.1', '0.0.0.0', '::1') else host}:{port}"
    print(
        f"\nMattemesh starts on http://{address} (documentation: /docs). Try:\n"
        f"  curl -X POST -F file=@examples/jug.jpg {address}/remove-bg -o mask.png\n"
        f"  curl -X POST -F file=@examples/jug.jpg {address}/generate-mesh -o model.glb\n",
        file=sys.stderr,
        flush=True,
    )
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn hands Ctrl-C on after it has shut down
        server.run(sockets=[listening])
    return 0 if server.started else 1
