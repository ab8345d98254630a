"""Nothing outside a confined folder is read, written, moved or removed, whatever a name or a link says."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.contract import confined_folder
from backend.contract.confined_folder import ConfinedFolder, LeadsOutError

BAD_NAMES = [
    "", ".", "..", "/", "/etc/passwd", "../home/letter", "a/../../home/letter", "a//b", "a/./b", "a/", "./a", "a\0b",
    "\ud800", "../" * 40 + "etc/passwd",
]  # fmt: skip
CALLS: dict[str, Callable[[ConfinedFolder, str], object]] = {
    "write": lambda folder, name: folder.write(name, b"planted"),
    "read": lambda folder, name: folder.read(name, 100),
    "append": lambda folder, name: folder.append_to(name).close(),
    "remove": lambda folder, name: folder.remove(name),
    "move": lambda folder, name: folder.move(name, "moved"),
    "move to": lambda folder, name: folder.move("mine", name),
    "clear": lambda folder, name: folder.clear(name),
    "list": lambda folder, name: folder.listed(name),
}


@pytest.fixture(params=["by descriptor", "by path"])
def out(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfinedFolder:
    if request.param == "by path":
        monkeypatch.setattr(confined_folder, "_BY_DESCRIPTOR", False)
    elif not confined_folder._BY_DESCRIPTOR:
        pytest.skip("this system has no descriptors of folders")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_bytes(b"dear")
    folder = ConfinedFolder(tmp_path / "out")
    folder.write("mine", b"mine")
    return folder


def outside(out: ConfinedFolder) -> dict[str, bytes]:
    home = out.path.parent / "home"
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def open_descriptors() -> int:
    descriptors = Path("/proc/self/fd")
    return len(list(descriptors.iterdir())) if descriptors.is_dir() else 0


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_name_that_leads_out_is_refused_by_every_call(out: ConfinedFolder, name: str, call: str) -> None:
    with pytest.raises(LeadsOutError):
        CALLS[call](out, name)
    assert out.size_of(name) is None and not out.has(f"{name}/x" if name else name)
    assert outside(out) == {"letter": b"dear"} and (out.path / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_link_on_the_way_is_refused_by_every_call(out: ConfinedFolder, depth: int, call: str) -> None:
    above = "".join(f"{level}/" for level in range(depth))
    (out.path / above).mkdir(parents=True, exist_ok=True)
    (out.path / above / "link").symlink_to(out.path.parent / "home")
    name = f"{above}link" if call in ("clear", "list") else f"{above}link/letter"
    with pytest.raises(LeadsOutError, match="link is a link"):
        CALLS[call](out, name)
    assert outside(out) == {"letter": b"dear"} and (out.path / "mine").read_bytes() == b"mine"


def test_a_link_in_place_of_a_file_is_replaced_or_removed_itself_and_never_read(out: ConfinedFolder) -> None:
    link = out.path / "link"
    for _ in range(2):
        link.symlink_to(out.path.parent / "home" / "letter")
        assert out.size_of("link") is None and out.has("link")
        for call in ("read", "append"):
            with pytest.raises(LeadsOutError):
                CALLS[call](out, "link")
        out.remove("link")
    link.symlink_to(out.path.parent / "home" / "letter")
    out.write("link", b"new")
    assert link.read_bytes() == b"new" and not link.is_symlink()
    assert outside(out) == {"letter": b"dear"}


def test_a_second_name_of_a_file_outside_is_given_up_before_anything_is_written(out: ConfinedFolder) -> None:
    for name in ("result", "list"):
        os.link(out.path.parent / "home" / "letter", out.path / name)
    out.write("result", b"new")
    with out.append_to("list") as file:
        file.write(b" reader")
    assert out.read("list", 100) == b"dear reader" and outside(out) == {"letter": b"dear"}


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_a_pipe_in_place_of_a_file_is_refused_at_once(out: ConfinedFolder) -> None:
    os.mkfifo(out.path / "pipe")
    for call in ("read", "append"):
        with pytest.raises(LeadsOutError, match="not a file"):
            CALLS[call](out, "pipe")
    out.write("pipe", b"new")
    assert out.read("pipe", 2) == b"ne"


def test_a_folder_that_becomes_a_link_in_the_middle_of_a_call_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not confined_folder._BY_DESCRIPTOR:
        pytest.skip("this system has no descriptors of folders")
    (tmp_path / "home").mkdir()
    out = ConfinedFolder(tmp_path / "out")
    out.write("a/b/x", b"old")
    checked = confined_folder._is_link

    def swapped(facts: os.stat_result) -> bool:
        result = checked(facts)
        if (out.path / "a" / "b").is_dir() and facts.st_ino == (out.path / "a" / "b").stat().st_ino:
            (out.path / "a" / "b").rename(out.path / "a" / "c")
            (out.path / "a" / "b").symlink_to(tmp_path / "home")
        return result

    monkeypatch.setattr(confined_folder, "_is_link", swapped)
    with pytest.raises(OSError):
        out.write("a/b/x", b"new")
    assert not list((tmp_path / "home").iterdir()) and (out.path / "a" / "c" / "x").read_bytes() == b"old"


def test_files_are_moved_removed_and_cleared_with_the_folders_that_they_leave_empty(out: ConfinedFolder) -> None:
    out.write("a/b/x", b"1")
    out.move("a/b/x", "c/y")
    assert not (out.path / "a").exists() and out.read("c/y", 10) == b"1"
    out.write("c/z", b"2")
    out.remove("c/y")
    assert out.listed("c") == ["z"]
    out.clear("c")
    assert out.listed("c") == [] and out.size_of("c/z") is None
    (out.path / "c" / "folder").mkdir()
    out.clear("c")
    out.remove("c/folder")
    assert out.listed("c") == ["folder"]


def test_a_link_to_the_folder_itself_is_the_choice_of_its_user(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with ConfinedFolder(tmp_path / "link") as out:
        out.write("a/x", b"1")
    assert (tmp_path / "real" / "a" / "x").read_bytes() == b"1"


def test_no_draft_and_no_descriptor_is_left_behind(out: ConfinedFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    before = open_descriptors()
    with pytest.raises(KeyboardInterrupt):
        out.write("a/b/mine", b"new")
    assert [path.name for path in out.path.rglob("*") if path.is_file()] == ["mine"]
    assert open_descriptors() == before
