"""The summary of engines: what runs, what is on its way, what is missing and how to get it."""

from pathlib import Path

import pytest

from backend.commands import summary
from backend.commands.summary import engine_lines, service_lines
from backend.contract.settings import Settings
from backend.weights.catalogue import CATALOGUE, DEFAULT_SEGMENTER


def test_what_is_fetched_is_named_with_its_size(tmp_path: Path) -> None:
    lines = engine_lines(Settings(checkpoints_dir=tmp_path, fetch_weights=True))
    assert lines[0] == f"segmenter: border, until {DEFAULT_SEGMENTER} (176 MB) is here"
    assert lines[2] == "mesh: form, until triposr (1.7 GB) is here"
    assert lines[-1].startswith("Fetching 2.0 GB of weights")


def test_what_is_not_fetched_comes_with_the_command(tmp_path: Path) -> None:
    lines = engine_lines(Settings(checkpoints_dir=tmp_path))
    assert lines[0].startswith("segmenter: border. ")
    assert lines[0].endswith(f"models fetch {DEFAULT_SEGMENTER} (176 MB)")
    assert not any("Fetching" in line for line in lines)


def test_a_network_that_is_here_stands_alone(tmp_path: Path) -> None:
    for file in CATALOGUE[DEFAULT_SEGMENTER].files:
        with (tmp_path / file.path).open("wb") as sparse:
            sparse.truncate(file.size_bytes or 0)
    assert engine_lines(Settings(checkpoints_dir=tmp_path))[0] == f"segmenter: {DEFAULT_SEGMENTER}"


def test_a_page_without_its_viewer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "VIEWER", tmp_path / "none.js")
    assert summary.NO_VIEWER in service_lines(Settings(checkpoints_dir=tmp_path))
