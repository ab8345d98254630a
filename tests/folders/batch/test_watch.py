"""Watching: a file is taken once it has come to rest, and again when it changes."""

from pathlib import Path

from backend.folders.batch.watch import Resting


def test_a_file_is_taken_when_it_has_not_changed_for_a_while_and_only_once(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"1")
    resting = Resting(tmp_path, rest_s=2)
    assert resting.take(["x.jpg"], 0) == []
    assert resting.take(["x.jpg"], 1.9) == []
    assert resting.waiting
    assert resting.take(["x.jpg"], 2.1) == ["x.jpg"]
    assert resting.take(["x.jpg"], 9) == []
    assert not resting.waiting


def test_a_file_still_being_written_is_waited_for(tmp_path: Path) -> None:
    resting = Resting(tmp_path, rest_s=2)
    for second in range(5):
        (tmp_path / "x.jpg").write_bytes(b"1" * (second + 1))
        assert resting.take(["x.jpg"], second) == []
    assert resting.take(["x.jpg"], 6.1) == ["x.jpg"]


def test_a_file_that_changes_is_taken_again_and_one_that_goes_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"1")
    resting = Resting(tmp_path, rest_s=2)
    resting.take(["x.jpg"], 0)
    resting.take(["x.jpg"], 3)
    (tmp_path / "x.jpg").write_bytes(b"12")
    resting.take(["x.jpg"], 4)
    assert resting.take(["x.jpg"], 7) == ["x.jpg"]
    (tmp_path / "x.jpg").unlink()
    assert resting.take(["x.jpg"], 9) == []
