"""The facts of all files of a data set -> the findings of each file, by the caller's thresholds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.folders.datasets.duplicates import identical_groups, near_groups
from backend.folders.datasets.inspection import FileFacts
from backend.folders.datasets.look import SIGNATURE, Look
from backend.folders.datasets.outliers import robust_scores
from backend.folders.datasets.thresholds import Thresholds

Severity = Literal["bad", "warn", ""]  # cannot be used; look at it; good to know

# Finding -> how much it matters. The words of these are in advice.py.
SEVERITIES: dict[str, Severity] = {
    "truncated": "bad", "corrupt": "bad", "empty": "bad", "unreadable": "bad", "lost": "bad",
    "not-a-picture": "bad", "not-decoded": "bad", "over-the-limits": "bad",
    "damaged": "warn", "wrong-name": "warn", "identical": "warn", "near-duplicate": "warn", "nearly-uniform": "warn",
    "large-file": "warn", "small-file": "warn", "large-picture": "warn", "small-picture": "warn", "odd-shape": "warn",
    "small-object": "warn", "fills-the-frame": "warn",
    "several-pictures": "", "no-exif": "", "gps-position": "",
}  # fmt: skip
_BY_CODE = {
    "image-corrupt": "corrupt",
    "empty-file": "empty",
    "upload-too-large": "over-the-limits",
    "too-many-pixels": "over-the-limits",
}


MIN_GROUP = 8  # files; outliers of a smaller set mean nothing


@dataclass
class Judged:
    """The findings of each file, by index, and the groups of copies and near-duplicates."""

    findings: list[list[str]]
    identical: list[list[int]]
    alike: list[list[int]]


def judge(files: Sequence[FileFacts], thresholds: Thresholds) -> Judged:
    """Return the findings of each of `files`, alone and compared with the others."""
    found = [_alone(facts, thresholds) for facts in files]
    _mark_outliers(files, found, thresholds)
    identical = identical_groups([facts.digest or index for index, facts in enumerate(files)])
    alike = _alike(files, thresholds)
    for group in identical:
        _mark(found, group, "identical")
    for group in alike:
        _mark(found, group, "near-duplicate")
    return Judged(found, identical, alike)


def _alone(facts: FileFacts, thresholds: Thresholds) -> list[str]:
    found = [_BY_CODE.get(facts.problem, facts.problem)] if facts.problem else []
    checks = {
        "wrong-name": not facts.name_fits,
        "damaged": bool(facts.faults) and not facts.problem,
        "several-pictures": facts.several,
        "gps-position": facts.has_gps_position,
        "no-exif": facts.look is not None and facts.exif is None,
    }
    if facts.size is not None:
        shorter, longer = sorted(facts.size)
        checks["small-picture"] = shorter < thresholds.min_side_px
        checks["odd-shape"] = longer > thresholds.max_aspect * shorter
    if facts.look is not None:
        uniform = facts.look.deviation < thresholds.uniform_deviation
        checks["nearly-uniform"] = uniform
        checks["small-object"] = not uniform and facts.look.coverage < thresholds.min_coverage
        checks["fills-the-frame"] = facts.look.coverage > thresholds.max_coverage
    return found + [name for name, holds in checks.items() if holds]


def _mark_outliers(files: Sequence[FileFacts], found: list[list[str]], thresholds: Thresholds) -> None:
    """Mark outliers: sizes in pixels among all pictures, sizes in bytes among those of the same format.

    Files that cannot be decoded are left out: a truncated file is small for that reason.
    """
    pictures = [index for index, facts in enumerate(files) if facts.look is not None]
    areas = [float(np.prod(files[index].size or 1)) for index in pictures]
    _mark_by_score(found, pictures, areas, thresholds, "small-picture", "large-picture")
    by_kind = defaultdict(list)
    for index in pictures:
        by_kind[files[index].kind].append(index)
    for members in by_kind.values():
        sizes = [float(files[index].bytes) for index in members]
        _mark_by_score(found, members, sizes, thresholds, "small-file", "large-file")


def _mark_by_score(
    found: list[list[str]], members: list[int], values: list[float], thresholds: Thresholds, low: str, high: str
) -> None:
    if len(members) < MIN_GROUP:
        return
    for index, score in zip(members, robust_scores(values), strict=True):
        if abs(score) > thresholds.outlier_score:
            _mark(found, [index], high if score > 0 else low)


def _mark(found: list[list[str]], members: list[int], finding: str) -> None:
    for index in members:
        if finding not in found[index]:
            found[index].append(finding)


def _alike(files: Sequence[FileFacts], thresholds: Thresholds) -> list[list[int]]:
    """Return the groups of near-duplicates; uniform pictures all look alike and are left out."""
    seen = [
        (index, facts.look)
        for index, facts in enumerate(files)
        if facts.look is not None and facts.look.deviation >= thresholds.uniform_deviation
    ]
    first_of: dict[str, tuple[int, Look]] = {}
    for index, look in seen:
        first_of.setdefault(files[index].digest, (index, look))  # one of each set of identical files
    members = list(first_of.values())
    hashes = np.array([look.shape_hash for _, look in members], np.uint64)
    signatures = np.array([np.frombuffer(look.signature, np.uint8) for _, look in members]).reshape(
        -1, SIGNATURE[0] * SIGNATURE[1] * 3
    )
    groups = near_groups(hashes, signatures, thresholds.duplicate_bits, thresholds.duplicate_match)
    return [[members[place][0] for place in group] for group in groups]
