"""Ctrl-C interrupts once."""

import os
import signal
import subprocess
import sys

import pytest

from backend.commands.interrupts import Interrupts
from backend.contract.settings import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
# A stand-in command that goes through the entry point, so that every line between its end and the process's is met.
PROGRAM = """
import sys, threading, os, signal
sys.argv = ["mattemesh", "models", "list"]
import backend.cli, backend.__main__
def command():
    def press():
        while True:
            os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press, daemon=True).start()
    while True:
        pass
backend.cli.main = command
sys.exit(backend.__main__.run())
"""


def test_the_first_call_raises_and_others_do_nothing() -> None:
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        interrupts(signal.SIGINT, None)
    interrupts(signal.SIGINT, None)


def test_a_given_function_is_called_once_in_place_of_raising() -> None:
    interrupts, calls = Interrupts(), []
    with interrupts.calling(lambda: calls.append(1)):
        interrupts(signal.SIGINT, None)
        interrupts(signal.SIGINT, None)
    interrupts(signal.SIGINT, None)
    assert calls == [1]


def test_the_body_over_the_first_call_raises_again() -> None:
    interrupts = Interrupts()
    with interrupts.calling(lambda: None):
        pass
    with pytest.raises(KeyboardInterrupt):
        interrupts(signal.SIGINT, None)


def test_a_storm_of_signals_ends_with_a_status_and_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, env=os.environ
    )
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr and ended.stderr.count("interrupted") == 1
