"""`analyze` from the command line, over a folder in which something is wrong with much."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from backend.cli import main
from backend.contract.settings import REPOSITORY
from tests.helpers.drawn import encoded, toy
from tests.helpers.waiting import until


def photo(seed: int, kind: str = "JPEG", width: int = 420, height: int = 320) -> bytes:
    """A toy of its own colour and place; as a picture, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    image = np.roll(toy(width, height)[0], rng.integers(-60, 60, 2).tolist(), axis=(0, 1))
    image = np.clip(image * rng.uniform(0.3, 1.2, 3), 0, 255)
    grid = rng.uniform(-60, 60, (6, 8, 3))
    patches = np.asarray(Image.fromarray(np.uint8(grid + 60)).resize((width, height)), np.float64) - 60
    return encoded(np.uint8(np.clip(image + patches, 0, 255)), kind)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("set")
    for seed in range(12):
        path = top / ("cups" if seed % 2 else "toys") / f"{seed}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photo(seed))
    good = photo(100)
    odd = top / "odd"
    odd.mkdir()
    odd.joinpath("cut.jpg").write_bytes(good[: len(good) // 2])
    odd.joinpath("copy.jpg").write_bytes((top / "toys" / "0.jpg").read_bytes())
    small = Image.open(top / "cups" / "1.jpg").resize((380, 290))
    small.save(odd / "alike.jpg", quality=70)
    odd.joinpath("really.png").write_bytes(good)
    odd.joinpath("blank.png").write_bytes(encoded(np.full((300, 400, 3), 200, np.uint8)))
    odd.joinpath("empty.jpg").write_bytes(b"")
    odd.joinpath("<script>x</script>.jpg".replace("/", "_")).write_bytes(b"\xff\xd8\xff")
    odd.joinpath("=cmd.psd").write_bytes(b"8BPS" + bytes(60))
    Path(os.fsdecode(os.fsencode(odd) + b"/caf\xe9.jpg")).write_bytes(photo(101))
    odd.joinpath("notes.txt").write_text("hello")
    odd.joinpath("loop").symlink_to("..")
    return top


def run(folder: Path, out: Path, *options: str) -> dict[str, object]:
    assert main(["analyze", str(folder), "-o", str(out), "--jobs", "1", "--quiet", *options]) == 0
    return json.loads((out / "analysis.json").read_text())


def state(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    before, out = state(folder), tmp_path_factory.mktemp("out")
    found = run(folder, out)
    assert state(folder) == before  # inputs are never touched
    return found, out


def test_every_oddness_of_the_folder_is_found(result: tuple[dict, Path]) -> None:
    items = {each["name"]: each for each in result[0]["items"]}
    assert items["odd/cut.jpg"]["findings"] == ["truncated"]
    assert "identical" in items["odd/copy.jpg"]["findings"] and "identical" in items["toys/0.jpg"]["findings"]
    assert "near-duplicate" in items["odd/alike.jpg"]["findings"]
    assert "near-duplicate" in items["cups/1.jpg"]["findings"]
    assert "wrong-name" in items["odd/really.png"]["findings"] and items["odd/really.png"]["format"] == "jpeg"
    assert "nearly-uniform" in items["odd/blank.png"]["findings"]
    assert items["odd/empty.jpg"]["findings"] == ["empty"]
    assert items["odd/=cmd.psd"]["findings"] == ["not-decoded"]
    assert "odd/notes.txt" not in items and result[0]["others"] == {"text": 1}
    assert result[0]["unreadable_entries"] == {"odd/loop": "The link leads to a folder that was read before."}


def test_nothing_is_called_alike_that_is_not(result: tuple[dict, Path]) -> None:
    assert sorted(map(sorted, result[0]["near_duplicates"])) == [["cups/1.jpg", "odd/alike.jpg"]]
    assert sorted(map(sorted, result[0]["identical"])) == [["odd/copy.jpg", "toys/0.jpg"]]


def test_categories_are_the_folders_with_their_counts(result: tuple[dict, Path]) -> None:
    counts = {name: facts["pictures"] for name, facts in result[0]["categories"].items()}
    assert counts == {"cups": 6, "toys": 6, "odd": 9}


def test_exif_fields_are_counted(result: tuple[dict, Path]) -> None:
    assert result[0]["missing_exif"]["Make"] == result[0]["usable"] and result[0]["with_exif"] == 0


def test_the_table_has_a_row_for_each_picture_and_no_formula(result: tuple[dict, Path]) -> None:
    rows = list(csv.DictReader((result[1] / "analysis.csv").open(encoding="utf-8")))
    assert len(rows) == len(result[0]["items"])
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_the_page_tells_in_words_and_lets_no_name_in(result: tuple[dict, Path]) -> None:
    page = (result[1] / "analysis.html").read_text("utf-8")
    assert "2 pictures end too early." in page and "is not what its name says" in page
    assert "<script>x" not in page and page.count("<script>") == 1
    assert page.count("<svg") >= 4


def test_drawings_are_files_too(result: tuple[dict, Path]) -> None:
    for path in (result[1] / "plots").iterdir():
        assert Image.open(path).width > 400


def test_thresholds_are_options(folder: Path, tmp_path: Path) -> None:
    found = run(folder / "cups", tmp_path / "out", "--min-side-px", "1000", "--max-aspect", "1.1")
    assert all({"small-picture", "odd-shape"} <= set(each["findings"]) for each in found["items"])
    assert found["thresholds"]["min_side_px"] == 1000


@pytest.mark.parametrize("problem", ["empty", "absent", "no pictures", "out is a file", "out is the folder"])
def test_what_cannot_be_analysed_is_one_sentence_and_leaves_nothing(
    problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    if problem != "absent":
        folder.mkdir()
    if problem == "no pictures":
        (folder / "a.txt").write_text("x")
    if problem == "out is a file":
        out.write_text("mine")
    if problem == "out is the folder":
        out = folder
    assert main(["analyze", str(folder), "-o", str(out), "--jobs", "1"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("invalid-parameter: ") and "Traceback" not in printed
    assert not (out / "analysis.json").exists() and (problem != "out is a file" or out.read_text() == "mine")


@pytest.mark.parametrize("wait_s", [0.03, 2])  # while the workers start, and while they work
def test_ctrl_c_ends_the_workers_and_leaves_no_half_result(tmp_path: Path, wait_s: float) -> None:
    slow = encoded(np.zeros((9000, 5000), np.uint8), compress_level=1)  # a good part of a second
    for number in range(60):
        (tmp_path / f"{number}.png").write_bytes(slow)
    command = [sys.executable, "-m", "backend", "analyze", str(tmp_path), "-o", str(tmp_path / "out"), "--jobs", "2"]
    running = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, start_new_session=True)
    until(lambda: len(psutil.Process(running.pid).children(recursive=True)) >= 2)
    time.sleep(wait_s)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert running.wait(timeout=60) == 130
    assert b"Traceback" not in running.communicate()[1] and not (tmp_path / "out").exists()
    until(lambda: not any(_lives_in(running.pid, pid) for pid in psutil.pids()))


def _lives_in(group: int, pid: int) -> bool:
    try:
        return os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
