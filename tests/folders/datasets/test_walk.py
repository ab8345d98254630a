"""A folder's files: each once, whatever links, devices and loops are in it."""

import os
from pathlib import Path

import pytest

from backend.contract.errors import InvalidParameterError
from backend.folders.datasets.walk import walk


def test_files_come_sorted_by_their_names_below_the_folder(tmp_path: Path) -> None:
    for name in ("b/two.jpg", "a.jpg", "b/c/three.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert walk(tmp_path).files == ["a.jpg", "b/c/three.png", "b/two.jpg"]


def test_a_loop_of_links_ends_and_a_linked_folder_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "one.jpg").write_bytes(b"x")
    (tmp_path / "real" / "up").symlink_to("..")
    (tmp_path / "zlink").symlink_to("real")
    found = walk(tmp_path)
    assert found.files == ["real/one.jpg"]
    assert set(found.problems) == {"real/up", "zlink"}


def test_special_files_are_reported_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")  # opening it would wait for ever
    (tmp_path / "dead.jpg").symlink_to("nowhere")
    (tmp_path / "good.jpg").write_bytes(b"x")
    found = walk(tmp_path)
    assert found.files == ["good.jpg"]
    assert set(found.problems) == {"pipe.jpg", "dead.jpg"}


def test_hidden_folders_and_the_results_are_left_out(tmp_path: Path) -> None:
    for name in (".git/a.jpg", "out/b.jpg", "in/._c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = walk(tmp_path, leave_out=tmp_path / "out")
    assert found.files == ["in/._c.jpg"] and found.hidden == 1 and not found.problems


def test_five_hundred_folders_in_each_other_are_walked(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(500):
        deep = deep / "d"
        deep.mkdir()
    (deep / "a.jpg").write_bytes(b"x")
    assert len(walk(tmp_path).files) == 1


@pytest.mark.parametrize("kind", ["absent", "file"])
def test_what_is_no_folder_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / kind).write_bytes(b"x")
    with pytest.raises(InvalidParameterError, match=kind):
        walk(tmp_path / kind)
