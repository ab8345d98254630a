"""The findings of `analyze` -> how each picture that is unlike the others is handled, and where its result lies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.contract.settings import Settings
from backend.folders.datasets.analysis import analyze_folder
from backend.folders.datasets.thresholds import Thresholds

# What has a way of its own; the other findings of `analyze` are about files, not about what comes of them.
HANDLED = ("large-picture", "small-picture", "odd-shape", "nearly-uniform", "no-exif")
EXIF_EXPECTED = 0.5  # where fewer of the pictures have EXIF, lacking it is nothing odd: listed, and not set apart


@dataclass(frozen=True)
class Handling:
    """How one picture is handled."""

    findings: tuple[str, ...] = ()
    outlier: bool = False  # its result goes under outliers/
    treatment: Literal["", "reduce", "enlarge", "refuse"] = ""


def find_odd_ones(
    folder: Path,
    out: Path,
    settings: Settings,
    jobs: int,
    small_pictures: Literal["enlarge", "refuse"],
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Handling]:
    """Return the handling of every picture with a finding that matters here; `on_file` hears how many are looked at.

    Raises InvalidParameterError.
    """
    analysis = analyze_folder(folder, Thresholds(), settings, jobs, leave_out=out, on_file=on_file)
    usable = analysis.usable
    with_exif = sum(facts.exif is not None for facts in usable)
    expected = with_exif > EXIF_EXPECTED * len(usable)
    odd = {}
    for facts, found in zip(analysis.files, analysis.judged.findings, strict=True):
        findings = tuple(name for name in HANDLED if name in found)
        if findings and facts.look is not None:  # what cannot be decoded fails by itself
            odd[facts.name] = handle(findings, expected, small_pictures)
    return odd


def handle(findings: tuple[str, ...], exif_expected: bool, small_pictures: Literal["enlarge", "refuse"]) -> Handling:
    """Return how a picture with `findings` is handled."""
    apart = [name for name in findings if name != "no-exif" or exif_expected]
    if "small-picture" in findings:  # before large: a very long strip may be both
        return Handling(findings, True, small_pictures)
    return Handling(findings, bool(apart), "reduce" if "large-picture" in findings else "")
