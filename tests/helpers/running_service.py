"""The service in a process of its own, as a person runs it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from backend.contract.settings import REPOSITORY

OUR_CODE = (sys.executable, "-m", "backend")


def serve(
    folder: Path, program: Sequence[str] = OUR_CODE, cwd: Path = REPOSITORY, **settings: str
) -> tuple[subprocess.Popen[bytes], str]:
    """Return a service that runs on the embedded engines, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"DATA_DIR": str(folder / "data"), "LOGS_DIR": str(folder / "logs"), "CHECKPOINTS_DIR": str(folder / "none")}
    command = [*program, "serve", "--no-fetch", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **own, **settings}, stdout=output, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=2).close()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return process, address
    process.kill()
    raise AssertionError(f"the service did not start: {(folder / 'output.txt').read_text()[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
