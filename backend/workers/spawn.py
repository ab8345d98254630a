"""Starts a worker process: its command, its environment, its end of the socket."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from backend.contract.settings import REPOSITORY

WITHHELD = frozenset({"API_KEY", "JOBS_URL", "FILES_URL", "RATE_LIMIT_URL"})  # FILES_URL is refused without JOBS_URL
BUCKETS = ("AWS_", "GOOGLE_", "AZURE_")  # how the names of the keys to buckets begin


def spawn(devices: Sequence[str], index: int, drives: bool = False) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start worker number `index` and return it with our end of its socket. Raises OSError when it cannot start.

    `drives`: it passes its work on to a cluster, so it needs the token of that.
    Its output goes to our stderr. `-P` keeps modules of the current folder from shadowing the installed ones.
    """
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    command = [sys.executable, "-P", "-m", "backend.workers", str(fd), str(os.getpid()), *["drives"] * drives]
    try:
        with _interrupts_blocked():
            process = subprocess.Popen(
                command, pass_fds=(fd,), stdin=subprocess.DEVNULL, stdout=2, env=_environment(devices, index, drives)
            )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C while the body starts a process, which inherits that: until the worker ignores the signal itself, it
    would die with a trace on the terminal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def describe_ending(code: int) -> str:
    """Return how a process with return code `code` ended, for the log."""
    if code >= 0:
        return f"ended with status {code}"
    return f"was ended by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"was ended by {-code}"


def memory_bytes(pid: int) -> int | None:
    """Return the resident memory of a process, None when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def _environment(devices: Sequence[str], index: int, drives: bool = False) -> dict[str, str]:
    """Return the worker's environment: our modules, one GPU where there are several, and no key that it has no use for:
    a decoder that a picture has taken over must not reach the jobs of others, or the other machines of a cluster."""
    families = BUCKETS if drives else (*BUCKETS, "RAY_")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in WITHHELD and not name.upper().startswith(families)
    }
    path = [*filter(None, sys.path)]  # "" is the working directory, where this process found us: REPOSITORY
    ours = [] if str(REPOSITORY) in path else [str(REPOSITORY)]  # installed, it never goes before the standard library
    environment["PYTHONPATH"] = os.pathsep.join([*ours, *path])
    environment.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads slow a machine with shared cores down
    environment.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    if devices:
        environment["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
    return environment
