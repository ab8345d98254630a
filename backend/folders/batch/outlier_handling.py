"""The findings of `analyze` -> how batch handles each outlier, and where its result goes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.contract.settings import Settings
from backend.folders.datasets.analysis import analyze_folder
from backend.folders.datasets.thresholds import Thresholds

# Findings that change how a picture is handled; the other findings of `analyze` are about the file.
HANDLED = ("large-picture", "small-picture", "odd-shape", "nearly-uniform", "no-exif")
EXIF_EXPECTED = 0.5  # share of pictures with EXIF; below it, a picture without EXIF is listed but not an outlier


@dataclass(frozen=True)
class Handling:
    """The handling of one picture."""

    findings: tuple[str, ...] = ()  # names from HANDLED
    outlier: bool = False  # whether the result goes to outliers/
    resize_plan: Literal["", "reduce", "enlarge", "refuse"] = ""  # "": the mask is found at the picture's own size


def plan_handling(
    folder: Path,
    out: Path,
    settings: Settings,
    jobs: int,
    small_pictures: Literal["enlarge", "refuse"],
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Handling]:
    """Return the handling of each picture with one of the findings in `HANDLED`; `on_file` gets (analysed, total).

    Raises InvalidParameterError.
    """
    analysis = analyze_folder(folder, Thresholds(), settings, jobs, leave_out=out, on_file=on_file)
    usable = analysis.usable
    with_exif = sum(facts.exif is not None for facts in usable)
    expected = with_exif > EXIF_EXPECTED * len(usable)
    handling = {}
    for facts, found in zip(analysis.files, analysis.judged.findings, strict=True):
        findings = tuple(name for name in HANDLED if name in found)
        if findings and facts.look is not None:  # a picture that cannot be decoded fails later, with its reason
            handling[facts.name] = handle(findings, expected, small_pictures)
    return handling


def handle(findings: tuple[str, ...], exif_expected: bool, small_pictures: Literal["enlarge", "refuse"]) -> Handling:
    """Return how a picture with `findings` is handled."""
    apart = [name for name in findings if name != "no-exif" or exif_expected]
    if "small-picture" in findings:  # checked first: a very long strip may be both small and large
        return Handling(findings, True, small_pictures)
    return Handling(findings, bool(apart), "reduce" if "large-picture" in findings else "")
