"""The environment of a worker process, and its first steps."""

import os
import signal
import subprocess
import sys

import pytest

from backend.contract.settings import REPOSITORY
from backend.workers.spawn import _environment

HERE = str(REPOSITORY)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["/lib/python", "/venv/site-packages", HERE], ["/lib/python", "/venv/site-packages", HERE]),  # installed there
        (["", "/lib/python"], [HERE, "/lib/python"]),  # `python -c` in the checkout
        ([HERE, "/lib/python"], [HERE, "/lib/python"]),
    ],
)
def test_a_worker_looks_for_modules_in_the_service_s_order(
    path: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", path)
    assert _environment((), 0)["PYTHONPATH"].split(os.pathsep) == expected


# Starts the worker's program up to its first import of ours, and prints what the kernel and the interpreter know then.
FIRST_IMPORT = """
import ctypes, os, runpy, signal, sys

class FirstImport:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("backend.") and name not in ("backend.workers", "backend.workers.__main__"):
            number = ctypes.c_int()
            ctypes.CDLL(None).prctl(2, ctypes.byref(number))  # PR_GET_PDEATHSIG
            print(name, number.value, signal.getsignal(signal.SIGINT) is signal.SIG_IGN, flush=True)
            os._exit(0)

sys.meta_path.insert(0, FirstImport())
sys.argv = ["worker", "0", str(os.getppid())]
runpy.run_module("backend.workers", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a signal at the parent's death is Linux's")
def test_a_worker_is_bound_to_its_service_before_it_imports_anything() -> None:
    command = [sys.executable, "-c", FIRST_IMPORT]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    name, *bound = ended.stdout.split()
    assert name.startswith("backend.") and bound == [str(int(signal.SIGKILL)), "True"], ended.stderr


def test_a_worker_whose_service_has_gone_ends_at_once() -> None:
    command = [sys.executable, "-P", "-m", "backend.workers", "0", "1"]  # its parent is this process, not number 1
    environment = {**os.environ, "PYTHONPATH": HERE}
    assert subprocess.run(command, env=environment, timeout=60).returncode == 1


def test_a_worker_is_given_no_key_to_the_service_or_to_the_jobs_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    services = ("API_KEY", "JOBS_URL", "FILES_URL", "RATE_LIMIT_URL")
    buckets = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_KEY")
    for name in (*services, *buckets):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in _environment((), 0).values()
