"""Folders that cannot be used end the start with one sentence that names the variable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.api.startup import StartError, check_folders
from backend.contract.settings import REPOSITORY, Settings
from tests.helpers.small_disk import fill, small_disk

NO_FOLDER = Path("/dev/null")  # nothing can be below it, not even for root


def settings(folder: Path, **changes: object) -> Settings:
    folders = {"checkpoints_dir": folder / "c", "logs_dir": folder / "l", "data_dir": folder / "d"}
    return Settings(**{**folders, **changes})  # type: ignore[arg-type]


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    check_folders(settings(tmp_path, debug_dir=tmp_path / "b"))
    made = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert made == {"c": 0o700, "l": 0o700, "d": 0o700, "b": 0o700}
    assert not list((tmp_path / "b").iterdir())


@pytest.mark.parametrize("name", ["logs_dir", "checkpoints_dir", "data_dir", "debug_dir"])
@pytest.mark.parametrize("folder", [NO_FOLDER, NO_FOLDER / "x", Path("/proc/x"), Path("/" + "x" * 300)])
def test_a_folder_that_cannot_be_used_is_named_with_its_variable(name: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StartError) as raised:
        check_folders(settings(tmp_path, **{name: folder}))
    message = str(raised.value)
    assert message.startswith(f"{name.upper()}={folder} cannot be used") and "\n" not in message
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("target", ["nowhere", "spool", "file"])
def test_a_spool_that_leads_nowhere_is_named_with_data_dir(target: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").touch()
    (tmp_path / "d" / "spool").symlink_to(target)
    with pytest.raises(StartError, match=r"^DATA_DIR=.*/d cannot be used \(spool: [^)]*\)[^\n]*$"):
        check_folders(settings(tmp_path))


def test_weights_may_lie_in_a_folder_that_cannot_be_written_unless_some_are_fetched(tmp_path: Path) -> None:
    read_only = Path("/proc/self/fd")  # for root, too, nothing can be made there
    check_folders(settings(tmp_path, checkpoints_dir=read_only))
    with pytest.raises(StartError, match="CHECKPOINTS_DIR"):
        check_folders(settings(tmp_path, checkpoints_dir=read_only, fetch_weights=True))


def test_a_full_disk_is_fatal_only_for_what_each_request_needs(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2_000_000) as disk:
        for name in ("logs", "bundles"):
            (disk / name).mkdir()
        fill(disk)
        check_folders(settings(tmp_path, logs_dir=disk / "logs"))
        with pytest.raises(StartError, match=r"DEBUG_DIR=.* \(No space left on device\)"):
            check_folders(settings(tmp_path, debug_dir=disk / "bundles"))


def start(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("command", [("backend", "serve", "--port", "0"), ("uvicorn", "backend.main:app")])
@pytest.mark.parametrize("name", ["DEBUG_DIR", "RESULT_TTL_S"])
def test_the_command_ends_with_status_1_and_one_line(command: tuple[str, ...], name: str, tmp_path: Path) -> None:
    ended = start(
        *command, **{"LOGS_DIR": str(tmp_path / "l"), "CHECKPOINTS_DIR": str(tmp_path / "c"), name: "/dev/null/x"}
    )
    assert ended.returncode == 1
    assert name in ended.stderr and ended.stderr.count("\n") == 1
    assert ended.stdout == ""


@pytest.mark.parametrize("name", ["DATA_DIR", "LOGS_DIR", "CHECKPOINTS_DIR"])
def test_every_folder_is_checked_before_the_command_serves(name: str, tmp_path: Path) -> None:
    ended = start("backend", "serve", "--port", "0", **{"LOGS_DIR": str(tmp_path), name: "/dev/null/x"})
    assert ended.returncode == 1
    assert name in ended.stderr and ended.stderr.count("\n") == 1
