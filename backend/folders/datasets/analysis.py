"""A folder -> the analysis of every picture in it: facts, findings and figures of the whole. Nothing is written."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from backend.contract.errors import InvalidParameterError, MattemeshError
from backend.contract.options import WorkOptions
from backend.contract.settings import Settings
from backend.contract.work import Done
from backend.folders.datasets.exif_fields import FIELDS
from backend.folders.datasets.findings import SEVERITIES, Judged, judge
from backend.folders.datasets.inspection import FileFacts, InspectionWork, facts_of
from backend.folders.datasets.thresholds import Thresholds
from backend.folders.datasets.walk import Walk, walk
from backend.folders.runner import folder_runner, run_all

FILE_LIMIT_S = 60.0  # one file; an honest one takes a tenth of a second


@dataclass(frozen=True)
class Analysis:
    """The result of `analyze_folder`; indices in `judged` are those of `files`."""

    walk: Walk
    files: list[FileFacts]  # the pictures, and what claims to be one
    others: Counter[str]  # the rest, by kind
    judged: Judged
    thresholds: Thresholds

    def counts(self) -> Counter[str]:
        """Return how many files each finding has."""
        return Counter(finding for findings in self.judged.findings for finding in findings)

    @property
    def usable(self) -> list[FileFacts]:
        """Return the pictures that can be decoded."""
        return [facts for facts in self.files if facts.look is not None]

    def summary(self) -> dict[str, Any]:
        """Return the figures of the whole, as they stand in analysis.json."""
        usable = self.usable
        return {
            "files": len(self.walk.files),
            "pictures": len(self.files),
            "usable": len(usable),
            "others": dict(self.others.most_common()),
            "bytes": sum(facts.bytes for facts in self.files),
            "formats": dict(Counter(facts.kind for facts in self.files).most_common()),
            "findings": dict(self.counts().most_common()),
            "with_exif": sum(facts.exif is not None for facts in usable),
            "missing_exif": missing_fields(usable),
            "categories": categories(self.files, self.judged),
            "identical": [[self.files[index].name for index in group] for group in self.judged.identical],
            "near_duplicates": [[self.files[index].name for index in group] for group in self.judged.alike],
            "unreadable_entries": self.walk.problems,
            "thresholds": asdict(self.thresholds),
        }


def analyze_folder(
    folder: Path,
    thresholds: Thresholds,
    settings: Settings,
    jobs: int,
    leave_out: Path | None = None,
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Analysis:
    """Return the analysis of `folder`; `on_file` gets (done, total).

    Raises InvalidParameterError when the folder cannot be read or has no picture in it.
    """
    walked = walk(folder, leave_out)
    facts: dict[int, FileFacts] = {}

    def keep(index: int, result: Done | MattemeshError) -> None:
        if isinstance(result, MattemeshError):
            facts[index] = _lost(folder, walked.files[index], result.detail)
        else:
            facts[index] = facts_of(result)
        on_file(len(facts), len(walked.files))

    work = (InspectionWork("inspect", {}, WorkOptions(), name=name, folder=folder) for name in walked.files)
    one_at_a_time = settings.model_copy(update={"batch_size": 1})  # libjpeg's warnings are those of a whole process
    run_all(folder_runner(one_at_a_time, jobs, FILE_LIMIT_S), work, keep)
    every = [facts[index] for index in range(len(walked.files))]
    pictures = [each for each in every if each.is_picture or each.problem == "unreadable"]
    if not pictures:
        raise InvalidParameterError(f"There is no picture in {folder} or its sub-folders.", parameter="folder")
    others = Counter(each.kind for each in every if not each.is_picture and each.problem != "unreadable")
    return Analysis(walked, pictures, others, judge(pictures, thresholds), thresholds)


def _lost(folder: Path, name: str, reason: str) -> FileFacts:
    try:
        size = (folder / name).stat().st_size
    except OSError:
        size = 0
    return FileFacts(name, size, "lost", problem="lost", reason=reason)


def missing_fields(pictures: Sequence[FileFacts]) -> dict[str, int]:
    """Return for each EXIF field how many of `pictures` lack it; one without EXIF lacks them all."""
    have = Counter(name for facts in pictures for name in facts.exif or ())
    total = len(pictures)
    return {name: total - have[name] for name in FIELDS}


def categories(files: list[FileFacts], judged: Judged) -> dict[str, dict[str, Any]]:
    """Return the figures of each sub-folder, in the order of their names."""
    members = defaultdict(list)
    for index, facts in enumerate(files):
        members[facts.folder].append(index)
    return {folder: _category([files[i] for i in inside], [judged.findings[i] for i in inside])
            for folder, inside in sorted(members.items())}  # fmt: skip


def _category(files: list[FileFacts], findings: list[list[str]]) -> dict[str, Any]:
    looks = [facts.look for facts in files if facts.look is not None]
    sizes = [facts.size for facts in files if facts.size is not None]
    return {
        "pictures": len(files),
        "usable": len(looks),
        "with_findings": sum(any(SEVERITIES[name] for name in each) for each in findings),
        "bytes": sum(facts.bytes for facts in files),
        "formats": dict(Counter(facts.kind for facts in files).most_common()),
        "median_height": median(height for height, _ in sizes) if sizes else None,
        "median_width": median(width for _, width in sizes) if sizes else None,
        "median_coverage": round(median(look.coverage for look in looks), 4) if looks else None,
    }
