"""Streams that are closed, full or left by their reader, and Ctrl-C again and again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY
from tests.helpers.drawn import encoded, toy
from tests.helpers.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors and signals of POSIX")
COMMAND = (sys.executable, "-m", "backend")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(toy(60, 48)[0]))
    return path


def run(redirections: str, *arguments: str | Path) -> tuple[int, str]:
    """Run a command under a shell's redirections; return its status and what stderr got."""
    ended = subprocess.run(
        ["bash", "-c", f'"$@" {redirections}', "sh", *COMMAND, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("arguments", ["models list", "doctor", "--help"])
@pytest.mark.parametrize(("redirection", "code"), [(">&-", "invalid-parameter"), (">/dev/full", "storage-full")])
def test_stdout_that_cannot_be_written_is_reported_in_one_sentence(arguments: str, redirection: str, code: str) -> None:
    status, said = run(redirection, *arguments.split())
    assert status == 1
    assert said.startswith(f"{code}: stdout cannot be written: ") and said.count("\n") == 1


def test_a_reader_that_has_left_is_reported_in_one_sentence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*COMMAND, "models", "list"], cwd=REPOSITORY, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert ended.returncode == 1
    assert ended.stderr == "invalid-parameter: stdout cannot be written: Broken pipe.\n"


def test_a_photo_from_a_closed_stdin_is_reported_in_one_sentence(tmp_path: Path) -> None:
    status, said = run("<&-", "remove-bg", "-", "-o", tmp_path / "mask.png")
    assert (status, said) == (1, "invalid-parameter: stdin is closed.\n")


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_notes_that_cannot_be_written_cost_nothing(redirections: str, photo: Path, tmp_path: Path) -> None:
    assert run(redirections, "remove-bg", photo, "-o", tmp_path / "mask.png")[0] == 0
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")


def test_a_result_is_whole_where_no_stream_is_open(photo: Path, tmp_path: Path) -> None:
    status, _ = run("<&- >&- 2>&-", "remove-bg", photo, "-o", tmp_path / "mask.png")
    assert status == 1  # its path could not be printed
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "mask.png").read_bytes().endswith(b"IEND\xaeB`\x82")  # no line has gone into it


def test_ctrl_c_gives_130_however_often(photo: Path, tmp_path: Path) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for index in range(200):
        (pictures / f"{index}.png").write_bytes(
            photo.read_bytes() + bytes([index])
        )  # one that equals another is skipped
    batch = ["batch", pictures, "-o", out, "--jobs", "1", "--quality", "fast"]
    running = subprocess.Popen(
        [*COMMAND, *batch], cwd=REPOSITORY, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    until(lambda: list(out.glob("*.png")))
    for _ in range(100):
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said and said.count("interrupted") == 1
