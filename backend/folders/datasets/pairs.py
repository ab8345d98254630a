"""A folder of pictures and a folder of true masks -> pairs: files with the same path, whatever their endings."""

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from backend.contract.errors import InvalidParameterError
from backend.folders.datasets.file_kind import DECODED, kind_by_name
from backend.folders.datasets.walk import walk


@dataclass(frozen=True)
class Pair:
    """A picture and its true mask, by their names in their folders."""

    image: str
    mask: str


@dataclass(frozen=True)
class Pairing:
    """Pictures and masks that belong together by name, and those that stand alone."""

    pairs: list[Pair]
    images_alone: list[str]
    masks_alone: list[str]


def find_pairs(images: Path, masks: Path, leave_out: Path | None = None) -> Pairing:
    """Return the pairs of the pictures in `images` and the masks in `masks`, sub-folders and all.

    Where several masks have one name, the PNG is taken. Raises InvalidParameterError when a folder cannot be read, and
    when nothing belongs together.
    """
    pictures = _by_stem(images, leave_out)
    truths = _by_stem(masks, leave_out)
    pairs = [
        Pair(image, min(truths[stem], key=lambda mask: (not mask.lower().endswith(".png"), mask)))
        for stem, names in pictures.items()
        if stem in truths
        for image in names
    ]
    if not pairs:
        raise InvalidParameterError(
            f"No picture in {images} has a mask of its name in {masks} "
            f"({_count(pictures)} pictures, {_count(truths)} masks).",
            parameter="masks",
        )
    alone = [name for stem, names in pictures.items() if stem not in truths for name in names]
    unused = [name for stem, names in truths.items() if stem not in pictures for name in names]
    return Pairing(sorted(pairs, key=lambda pair: pair.image), alone, unused)


def draw_sample(pairs: list[Pair], count: int | None, seed: int) -> list[Pair]:
    """Return `count` of `pairs` drawn by `seed` in their order, or all where there are no more."""
    if count is None or count >= len(pairs):
        return pairs
    return sorted(random.Random(seed).sample(pairs, count), key=lambda pair: pair.image)


def _by_stem(folder: Path, leave_out: Path | None) -> dict[str, list[str]]:
    names = defaultdict(list)
    for name in walk(folder, leave_out).files:
        if kind_by_name(name) in DECODED:
            names[name.rpartition(".")[0]].append(name)
    return dict(names)


def _count(names: dict[str, list[str]]) -> int:
    return sum(map(len, names.values()))
