"""An application on a socket of this machine, for clients that bring their own connection."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.helpers.waiting import until


@contextmanager
def on_a_socket(app: Any) -> Iterator[str]:
    """Yield the address of `app`, served by a thread."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [held]}, daemon=True)
        thread.start()
        until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{held.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)
