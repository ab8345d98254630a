"""Names of results: one for each picture, and the same in every run."""

import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from backend.folders.batch.names import name_results


def named(
    inputs: Sequence[str], ending: str, owned: Mapping[str, str], is_taken: Callable[[str], bool]
) -> dict[str, str]:
    return dict(name_results(inputs, ending, owned.get, owned.values(), is_taken))


def nothing(name: str) -> bool:
    return False


def test_a_picture_without_rivals_keeps_its_stem_and_its_folder() -> None:
    assert named(["a/b/x.jpeg"], ".png", {}, nothing) == {"a/b/x.jpeg": "a/b/x.png"}


def test_pictures_of_one_stem_get_their_whole_names() -> None:
    names = named(["a/x.jpg", "a/x.png", "b/x.jpg"], ".png", {}, nothing)
    assert names == {"a/x.jpg": "a/x.jpg.png", "a/x.png": "a/x.png.png", "b/x.jpg": "b/x.png"}


def test_no_two_pictures_share_a_result_on_any_file_system() -> None:
    draw = random.Random(0)
    inputs = sorted({
        f"{draw.choice(['', 'a/', 'A/', 'a.png/'])}{draw.choice(['x', 'X', 'é', 'é', 'x.jpg', 'a'])}"
        f"{draw.choice(['.jpg', '.JPG', '.png', '.webp', ''])}"
        for _ in range(200)
    })  # fmt: skip
    names = named(inputs, ".png", {}, nothing)
    assert set(names) == set(inputs)
    assert len({name.casefold() for name in names.values()}) == len(inputs)


def test_a_result_is_never_called_as_a_folder_of_pictures_is() -> None:
    names = named(["x.jpg", "x.png/inside.jpg"], ".png", {}, nothing)
    assert names["x.jpg"] != "x.png"


def test_a_name_once_given_stays_when_a_rival_comes() -> None:
    owned = {"x.jpg": "x.png"}
    assert named(["x.jpg", "x.png"], ".png", owned, nothing) == {"x.jpg": "x.png", "x.png": "x.png.png"}


def test_the_name_of_a_picture_that_is_gone_is_not_given_away() -> None:
    assert named(["x.png"], ".png", {"x.jpg": "x.png"}, nothing) == {"x.png": "x.png.png"}


def test_a_file_that_is_there_already_is_not_overwritten() -> None:
    names = named(["x.jpg"], ".png", {}, {"x.png", "x.jpg.png"}.__contains__)
    assert names == {"x.jpg": "x.jpg (2).png"}


def test_another_kind_of_result_gets_another_name() -> None:
    assert named(["x.jpg"], ".glb", {"x.jpg": "x.png"}, nothing) == {"x.jpg": "x.glb"}


def test_a_longer_name_leaves_another_picture_its_plain_one() -> None:
    names = named(["x.jpg", "x.png", "x.jpg.webp"], ".png", {}, nothing)
    assert names == {"x.jpg": "x.jpg (2).png", "x.png": "x.png.png", "x.jpg.webp": "x.jpg.png"}


@pytest.mark.parametrize("folder", ["review", "outliers", "Review", "debug", "manifest.jsonl"])
def test_a_folder_of_pictures_does_not_mix_with_our_own(folder: str) -> None:
    assert named([f"{folder}/x.jpg"], ".png", {}, nothing) == {f"{folder}/x.jpg": f"{folder}_/x.png"}


def test_long_names_fit_and_stay_apart() -> None:
    inputs = ["ü" * 120 + "1.jpg", "ü" * 120 + "2.jpg"]
    names = list(named(inputs, ".png", {}, nothing).values())
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 255 for name in names)
