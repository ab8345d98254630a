"""A real nginx with `deploy/nginx.conf` in front of services on this machine."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY
from tests.helpers.waiting import until

NEEDS_NGINX = "nginx is not installed; Debian's package nginx-light has it"
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason=NEEDS_NGINX)


def configuration(folder: Path, port: int, services: Sequence[int], read_timeout_s: int | None = None) -> str:
    """Return the project's configuration with everything in `folder`, on loopback, before the ports `services`."""
    text = (REPOSITORY / "deploy" / "nginx.conf").read_text()
    servers = "".join(f"server 127.0.0.1:{service} max_fails=3 fail_timeout=10s;" for service in services)
    text = text.replace("server mattemesh:8000 max_fails=3 fail_timeout=10s;", servers)
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace(" /tmp/", f" {folder}/")
    text = text.replace("worker_processes auto;", "worker_processes 1;").replace("/dev/stderr", f"{folder}/error.log")
    if read_timeout_s is not None:
        text = re.sub(r"proxy_read_timeout \d+s;", f"proxy_read_timeout {read_timeout_s}s;", text)
    return text


@contextmanager
def nginx_before(
    folder: Path, services: Sequence[int], read_timeout_s: int | None = None, connections: int = 32
) -> Iterator[int]:
    """Run nginx before the services at these ports of this machine, and yield its own port.

    `connections`: how many one client may have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    path = folder / "nginx.conf"
    text = configuration(folder, port, services, read_timeout_s)
    path.write_text(text.replace("limit_conn clients 32;", f"limit_conn clients {connections};"))
    # Started by root, its workers would be nobody, who may not enter the test's folder.
    options = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    process = subprocess.Popen(["nginx", "-c", str(path), "-e", str(folder / "error.log"), "-g", options])
    try:
        until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
