"""`batch` from outside: a folder in, results, manifest and report out, and again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.contract.settings import REPOSITORY
from backend.folders.batch.outlier_handling import Handling
from backend.workers.process_runner import ProcessRunner
from backend.workers.restarts import RestartPolicy
from tests.helpers.drawn import encoded, iou, toy
from tests.helpers.manifests import records
from tests.helpers.waiting import until

Folders = tuple[Path, Path]
BROKEN = encoded(toy()[0], "JPEG")[:900]


def run(folders: Folders, *options: str) -> int:
    return main(["batch", str(folders[0]), "-o", str(folders[1]), "--jobs", "1", "--quality", "fast", *options])


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and ".mattemesh" not in path.parts
    }


def test_a_folder_is_done_once_then_only_what_is_new_changed_or_failed(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = folders
    (pictures / "a" / "x.jpg").write_bytes(encoded(toy()[0], "JPEG"))
    (pictures / "a" / "x.png").write_bytes(encoded(toy()[0][:, ::-1]))
    (pictures / "broken.jpg").write_bytes(BROKEN)
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden.jpg").write_bytes(BROKEN)
    before = contents(pictures)
    assert run(folders) == 1  # one is broken
    captured = capsys.readouterr()
    assert "image-corrupt" in captured.err and "broken.jpg" in captured.err
    assert captured.out.strip() == str(out / "report.html")
    first = records(out)
    assert {name: each.state for name, each in first.items()} == {
        "a/x.jpg": "done", "a/x.png": "done", "broken.jpg": "failed",
    }  # fmt: skip
    assert iou(np.asarray(Image.open(out / "a/x.jpg.png")) > 127, toy()[1]) > 0.9
    assert iou(np.asarray(Image.open(out / "a/x.png.png")) > 127, toy()[1][:, ::-1]) > 0.9
    assert "a/x.jpg" in (out / "report.html").read_text()
    assert not list((out / ".mattemesh" / "partial").iterdir())

    results = contents(out)
    (pictures / "new.jpg").write_bytes(encoded(toy(200, 150)[0], "JPEG"))
    (pictures / "broken.jpg").write_bytes(encoded(toy()[0], "JPEG"))
    changed = encoded(toy()[0][::-1].copy())
    (pictures / "a" / "x.png").write_bytes(changed)
    assert run(folders, "--json") == 0
    events = lines(capsys.readouterr().out)
    assert {line["input"] for line in events if line.get("new") is True} == {"new.jpg", "broken.jpg", "a/x.png"}
    assert contents(out)["a/x.jpg.png"] == results["a/x.jpg.png"]
    assert iou(np.asarray(Image.open(out / "a/x.png.png")) > 127, toy()[1][::-1]) > 0.9
    assert contents(pictures)["a/x.jpg"] == before["a/x.jpg"]

    (out / "new.png").unlink()  # a result was removed
    assert run(folders, "--json") == 0
    events = lines(capsys.readouterr().out)
    assert [line["input"] for line in events if line.get("new") is True] == ["new.jpg"]
    assert events[-1] == {**events[-1], "event": "summary", "pictures": 4, "done": 4, "failed": 0}


@pytest.mark.usefixtures("no_drawings")
def test_other_options_do_all_again_and_another_grade_only_moves(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = folders
    cut = toy()[0][:, 55:]  # its object runs into the left edge
    (pictures / "a" / "cut.png").write_bytes(encoded(np.ascontiguousarray(cut)))
    (pictures / "whole.png").write_bytes(encoded(toy()[0]))
    assert run(folders, "--quiet") == 0
    assert (out / "a" / "cut.png").exists()
    grades = {name: each.grade for name, each in records(out).items()}
    assert grades["whole.png"] == "A" and str(grades["a/cut.png"]) > "A"
    assert run(folders, "--min-grade", "A", "--json") == 0
    events = lines(capsys.readouterr().out)
    assert not any(line.get("new") is True for line in events)
    assert {line["output"] for line in events[:-1]} == {
        "review/a/cut.png",
        "whole.png",
    }  # where it is, not where it was
    assert (out / "review" / "a" / "cut.png").exists() and not (out / "a").exists() and (out / "whole.png").exists()
    assert run(folders, "--background", "white", "--quiet") == 0
    assert not (out / "review").exists()
    assert Image.open(out / "whole.png").mode == "RGB"
    assert np.asarray(Image.open(out / "whole.png"))[0, 0].tolist() == [255, 255, 255]
    assert run(folders, "--background", "transparent", "--quiet") == 0
    assert Image.open(out / "whole.png").mode == "RGBA"


@pytest.mark.usefixtures("no_drawings")
def test_results_inside_the_folder_are_not_taken_for_pictures(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, _ = folders
    (pictures / "x.png").write_bytes(encoded(toy()[0]))
    for name in ("one", "one", "two"):
        assert run((pictures, pictures / name), "--json") == 0
        assert lines(capsys.readouterr().out)[-1]["pictures"] == 1


@pytest.mark.parametrize(
    ("folder", "out", "options", "words"),
    [
        ("nowhere", "out", [], "There is no folder"),
        ("file.jpg", "out", [], "is not a folder"),
        ("empty", "out", [], "There is no picture"),
        ("in", "file.jpg", [], "is a file"),
        ("in", "in", [], "holds the pictures"),
        ("in/a", "in", [], "holds the pictures"),
        ("in", "out", ["--resolution", "64"], "--resolution does not go with --kind remove-bg"),
        ("in", "out", ["--background", "pink"], "background"),
        ("in", "out", ["--watch", "--quality-handling"], "--watch"),
    ],
)
def test_a_call_that_cannot_be_served_is_reported_and_leaves_nothing(
    folders: Folders, capsys: pytest.CaptureFixture[str], folder: str, out: str, options: list[str], words: str
) -> None:
    root = folders[0].parent
    (root / "empty").mkdir()
    (root / "file.jpg").write_bytes(BROKEN)
    (folders[0] / "x.jpg").write_bytes(BROKEN)
    before = contents(root)
    assert main(["batch", str(root / folder), "-o", str(root / out), *options]) == 1
    assert words in capsys.readouterr().err
    assert contents(root) == before


def test_a_model_that_is_not_there_stops_the_run_and_fails_no_picture(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders[0] / "x.png").write_bytes(encoded(toy()[0]))
    assert run(folders, "--model", "u2net") == 1
    assert capsys.readouterr().err.startswith("model-unavailable")
    assert records(folders[1])["x.png"].state == "working"


def test_workers_that_cannot_be_started_stop_the_run_and_fail_no_picture(
    folders: Folders, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("backend.folders.runner.ProcessRunner", ProcessRunner)
    monkeypatch.setattr("backend.workers.process.spawn", nothing)
    monkeypatch.setattr("backend.folders.runner.POLICY", RestartPolicy(first_rest_s=0.02, longest_rest_s=0.05))
    monkeypatch.setattr("backend.folders.runner.MAX_RESTS", 2)
    (folders[0] / "x.png").write_bytes(encoded(toy()[0]))
    assert run(folders) == 1
    assert "No worker process stays alive" in capsys.readouterr().err
    assert records(folders[1])["x.png"].state == "working"


@pytest.mark.usefixtures("no_drawings")
def test_pictures_found_odd_lie_apart_and_one_too_small_may_be_refused(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, out = folders
    for name in ("plain", "tiny", "wide"):
        (pictures / f"{name}.png").write_bytes(encoded(toy(80, 60)[0]))
    odd = {"tiny.png": Handling(("small-picture",), True, "refuse"), "wide.png": Handling(("odd-shape",), True)}
    monkeypatch.setattr("backend.commands.batch.plan_handling", lambda *_: odd)
    assert run(folders, "--quality-handling", "--quiet") == 0  # a refused picture has not failed
    found = records(out)
    assert {name: (each.state, each.output) for name, each in found.items()} == {
        "plain.png": ("done", "plain.png"),
        "tiny.png": ("refused", None),
        "wide.png": ("done", "outliers/wide.png"),
    }
    odd["wide.png"] = Handling()  # the others have changed
    assert run(folders, "--quality-handling", "--quiet") == 0
    assert (out / "wide.png").exists() and not (out / "outliers").exists()
    odd["wide.png"] = Handling(("small-picture",), True, "refuse")
    assert run(folders, "--quality-handling", "--quiet") == 0
    assert records(out)["wide.png"].output is None and not (out / "wide.png").exists()


@pytest.mark.slow
def test_odd_pictures_are_treated_and_lie_apart(folders: Folders) -> None:
    pictures, out = folders
    for index in range(10):
        (pictures / f"p{index}.png").write_bytes(encoded(toy(400 + index, 300)[0]))
    (pictures / "large.png").write_bytes(encoded(toy(2400, 1800)[0]))
    (pictures / "small.png").write_bytes(encoded(toy(80, 60)[0]))
    (pictures / "strip.png").write_bytes(encoded(toy(1300, 280)[0]))
    (pictures / "plain.png").write_bytes(encoded(np.full((300, 400, 3), 90, np.uint8)))
    assert run(folders, "--quality-handling", "--quiet") == 0
    apart = {"large.png", "small.png", "strip.png", "plain.png"}
    assert {path.name for path in (out / "outliers").iterdir()} == apart
    found = records(out)
    assert found["large.png"].resize_plan == "reduce" and found["small.png"].resize_plan == "enlarge"
    assert "no-exif" in found["p0.png"].findings and found["p0.png"].output == "p0.png"  # none has any
    for name, size in (("large", (2400, 1800)), ("small", (80, 60))):
        mask = np.asarray(Image.open(out / "outliers" / f"{name}.png"))
        assert iou(mask > 127, toy(*size)[1]) > 0.93, name


def start(folders: Folders, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "backend", "batch", str(folders[0]), "-o", str(folders[1]), "--jobs", "1"]
    return subprocess.Popen(
        [*command, "--quality", "fast", "--quiet", *options], cwd=REPOSITORY, stderr=subprocess.DEVNULL
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.usefixtures("no_drawings")
def test_a_run_that_is_ended_in_the_middle_has_lost_nothing_that_was_done(folders: Folders, how: int) -> None:
    pictures, out = folders
    for index in range(30):
        (pictures / f"p{index:02d}.png").write_bytes(encoded(toy(60 + index, 48)[0]))
    process = start(folders)
    until(lambda: len(list(out.glob("p*.png"))) >= 3)  # the records of all but the last are written by then
    os.kill(process.pid, how)
    assert process.wait(60) == (-how if how == signal.SIGKILL else 130)
    done = {name for name, each in records(out).items() if each.state == "done"}
    finished = contents(out)
    assert 2 <= len(done) < 30
    for path in out.glob("p*.png"):
        Image.open(path).load()  # whole, every one that has its final name
    assert run(folders, "--quiet") == 0
    assert len(list(out.glob("p*.png"))) == 30
    after = contents(out)
    assert all(after[name] == finished[name] for name in done)


@pytest.mark.usefixtures("no_drawings")
def test_a_folder_of_masks_takes_no_meshes(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    (folders[0] / "x.png").write_bytes(encoded(toy()[0]))
    assert run(folders, "--quiet") == 0
    before = contents(folders[1])
    assert run(folders, "--kind", "generate-mesh") == 1
    assert "remove-bg" in capsys.readouterr().err
    assert contents(folders[1]) == before


@pytest.mark.skipif(sys.platform == "win32", reason="locks")
def test_two_runs_do_not_write_to_one_folder(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    (folders[0] / "x.png").write_bytes(encoded(toy()[0]))
    (folders[1] / ".mattemesh").mkdir(parents=True)
    with (folders[1] / ".mattemesh" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(folders) == 1
    assert "Another run" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_watched_folder_is_done_as_it_fills(folders: Folders) -> None:
    pictures, out = folders
    process = start(folders, "--watch")
    try:
        data = encoded(toy()[0])
        with (pictures / "slow.png").open("wb") as file:
            for begin in range(0, len(data), len(data) // 4 + 1):
                file.write(data[begin : begin + len(data) // 4 + 1])
                file.flush()
                time.sleep(0.4)
                assert not (out / "slow.png").exists()
        until((out / "slow.png").exists)
        until(lambda: "slow.png" in (out / "report.html").read_text() if (out / "report.html").exists() else False)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert [each.state for each in records(out).values()] == ["done"]


def test_results_end_as_their_format_does(folders: Folders) -> None:
    pictures, out = folders
    (pictures / "x.png").write_bytes(encoded(toy()[0]))
    assert run(folders, "--output", "cutout", "--output-format", "webp") == 0
    with Image.open(out / "x.webp") as written:
        assert (written.format, written.mode) == ("WEBP", "RGBA")
    assert run(folders, "--background", "white", "--output-format", "jpeg") == 0
    with Image.open(out / "x.jpg") as written:
        assert written.format == "JPEG"
