"""`evaluate` from the command line, and which picture belongs to which mask."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.contract.errors import InvalidParameterError
from backend.contract.options import MaskOptions
from backend.folders.datasets.evaluation import WORST, ScoredRun, _forget_strips, compare, run_names
from backend.folders.datasets.evaluation_page import best_of
from backend.folders.datasets.pairs import Pair, draw_sample, find_pairs
from backend.folders.datasets.scoring import Score
from tests.helpers.drawn import encoded, toy


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_pairs_have_one_path_whatever_their_endings(tmp_path: Path) -> None:
    images = write(tmp_path / "i", "a.jpg", "b/a.webp", "b/c.PNG", "d.jpg", "e.txt")
    masks = write(tmp_path / "m", "a.png", "b/a.png", "b/c.jpg", "b/c.png", "f.png")
    pairing = find_pairs(images, masks)
    assert pairing.pairs == [Pair("a.jpg", "a.png"), Pair("b/a.webp", "b/a.png"), Pair("b/c.PNG", "b/c.png")]
    assert pairing.images_alone == ["d.jpg"] and pairing.masks_alone == ["f.png"]


def test_nothing_that_belongs_together_is_an_error_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"1 pictures, 2 masks"):
        find_pairs(write(tmp_path / "i", "a.jpg"), write(tmp_path / "m", "b.png", "c.png"))


def test_a_sample_is_the_same_for_a_seed_and_another_for_another() -> None:
    pairs = [Pair(f"{number:03d}.jpg", f"{number:03d}.png") for number in range(100)]
    first = draw_sample(pairs, 20, seed=0)
    assert first == draw_sample(pairs, 20, seed=0) != draw_sample(pairs, 20, seed=1)
    assert len(first) == 20 and first == sorted(first, key=lambda pair: pair.image)
    assert draw_sample(pairs, None, 0) == draw_sample(pairs, 500, 0) == pairs


def test_a_setting_is_named_by_its_model_and_what_differs() -> None:
    options = [MaskOptions(quality="fast"), MaskOptions(quality="best"), MaskOptions(model="border")]
    assert run_names(options[:1]) == ["auto"]
    assert run_names(options) == ["auto · fast", "auto · best", "border · balanced"]


def scored(name: str, value: float) -> Score:
    return Score(name, {"iou": value}, strip=b"picture")


def test_settings_are_compared_on_the_pictures_that_both_have() -> None:
    first = ScoredRun("one", MaskOptions(), [scored("a", 0.9), scored("b", 0.5), scored("c", 0.1)])
    second = ScoredRun("two", MaskOptions(), [scored("a", 0.8), scored("b", 0.7), Score("c", problem="image-corrupt")])
    found = compare(first, second)
    assert (found["pictures"], found["first_better"], found["second_better"]) == (2, 1, 1)
    assert found["mean_gain"] == pytest.approx(-0.05)


def test_only_the_worst_pictures_are_kept_in_memory() -> None:
    scores: list[Score | None] = [None] * 500
    for index in np.random.default_rng(0).permutation(500):
        scores[index] = scored(f"{index:03d}", index / 500)
        _forget_strips(scores)
    kept = [index for index, each in enumerate(scores) if each is not None and each.strip]
    assert kept[:WORST] == list(range(WORST)) and len(kept) <= 2 * WORST


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    top = tmp_path_factory.mktemp("pairs")
    images, masks = top / "images", top / "masks"
    (images / "sub").mkdir(parents=True)
    (masks / "sub").mkdir(parents=True)
    for number, name in enumerate(("a", "sub/b", "c")):
        image, mask = toy(160 + 20 * number, 120)
        (images / f"{name}.jpg").write_bytes(encoded(image, "JPEG", quality=95))
        (masks / f"{name}.png").write_bytes(encoded(mask.astype(np.uint8) * 255))
    (images / "broken.jpg").write_bytes(encoded(toy()[0], "JPEG")[:900])
    (masks / "broken.png").write_bytes(encoded(toy()[1].astype(np.uint8) * 255))
    (images / "shape.jpg").write_bytes(encoded(toy()[0], "JPEG"))
    (masks / "shape.png").write_bytes(encoded(np.zeros((50, 50), np.uint8)))
    (images / "alone.jpg").write_bytes(encoded(toy()[0], "JPEG"))
    return images, masks


@pytest.fixture(scope="module")
def result(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    out = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHECKPOINTS_DIR", str(out / "checkpoints"))
        command = ["evaluate", "--images", str(folders[0]), "--masks", str(folders[1]), "-o", str(out), "--jobs", "1"]
        assert main([*command, "--quality", "fast", "--quality", "best", "--quiet"]) == 1  # two pictures fail
    return json.loads((out / "evaluation.json").read_text()), out


def test_each_setting_has_its_means_times_and_failures(result: tuple[dict, Path]) -> None:
    assert [run["name"] for run in result[0]["runs"]] == ["auto · fast", "auto · best"]
    for run in result[0]["runs"]:
        assert run["done"] == 3 and run["sources"] == {"border": 3}
        assert {each["image"]: each["code"] for each in run["failed"]} == {
            "broken.jpg": "image-corrupt", "shape.jpg": "invalid-parameter"
        }  # fmt: skip
        assert all(run["means"][name] > 0.9 for name in ("iou", "max_f", "s_measure", "e_measure", "foreground_kept"))
        assert run["means"]["mae"] < 0.03
        assert run["means"]["iou"] == pytest.approx(np.mean([each["iou"] for each in run["items"]]), abs=1e-4)
        assert run["seconds"]["segment"] > 0 and not any(stage.startswith("load") for stage in run["seconds"])
    assert result[0]["images_without_mask"] == ["alone.jpg"]


def test_the_sheet_shows_the_worst_in_rows_of_four(result: tuple[dict, Path]) -> None:
    sheet = Image.open(result[1] / "worst-1.jpg")
    assert sheet.size == (960, 34 + 3 * 204)
    ours = np.asarray(sheet.convert("L"))[34 + 24 : 34 + 204, 480:720]
    assert (ours > 250).mean() > 0.1  # the matte, white on the object


def test_table_and_page_have_every_picture(result: tuple[dict, Path]) -> None:
    rows = list(csv.DictReader(io.StringIO((result[1] / "evaluation.csv").read_text("utf-8"))))
    assert len(rows) == 2 * 5 and {row["problem"] for row in rows} == {"", "image-corrupt", "invalid-parameter"}
    page = (result[1] / "evaluation.html").read_text("utf-8")
    assert "sub/b.jpg" in page and "auto · best" in page and page.count("<svg") == 3


def test_no_figure_stands_out_from_one_that_reads_the_same() -> None:
    assert best_of([0.91001, 0.91002], more=True) == [False, False]
    assert best_of([0.91001, 0.90998, 0.8, None], more=True) == [True, True, False, False]
    assert best_of([0.2, 0.1], more=False) == [False, True]


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["evaluate", *options]) == 1
    return capsys.readouterr().err


def test_a_wrong_call_is_reported_before_any_picture_is_touched(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path))
    both = ["--images", str(folders[0]), "--masks", str(folders[1]), "-o", str(tmp_path / "out")]
    assert refused(capsys, *both, "--model", "border", "--model", "no-such").startswith("invalid-parameter")
    assert refused(capsys, *both, "--model", "u2net").startswith("model-unavailable")
    assert refused(capsys, *both, "--feather-px", "-3").startswith("invalid-parameter: The option `feather_px`")
    assert not (tmp_path / "out").exists()
    assert refused(capsys, *both[:4], "-o", str(folders[1])).startswith("invalid-parameter")
