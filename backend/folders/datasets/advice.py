"""Findings -> words: what is wrong with how many pictures, and what to do about it."""

from collections import Counter
from dataclasses import dataclass
from statistics import median

from backend.folders.datasets.analysis import Analysis
from backend.folders.datasets.findings import SEVERITIES, Severity
from backend.folders.datasets.thresholds import Thresholds

RARE_CATEGORY = 0.2  # of the median number of pictures; a category with fewer is reported as small


@dataclass(frozen=True)
class Advice:
    """One thing to fix; `tag` is its finding, "" when it is about the whole set."""

    severity: Severity
    what: str
    todo: str
    tag: str = ""


# Finding -> (what is wrong with one file, with several, what to do).
_WORDS: dict[str, tuple[str, str, str]] = {
    "truncated": ("ends too early", "end too early", "They were truncated by a copy or download: fetch them again, or "
                  "delete them."),
    "corrupt": ("cannot be decoded", "cannot be decoded", "Fetch them again, or delete them."),
    "empty": ("has no bytes", "have no bytes", "Fetch them again, or delete them."),
    "unreadable": ("cannot be read", "cannot be read", "Look at the permissions of these files."),
    "lost": ("could not be checked", "could not be checked", "Decoding crashed or took too long: do not use them "
             "unless you know where they come from."),
    "not-a-picture": ("is named like a picture but is not one", "are named like pictures but are not",
                      "Delete or rename them; the list says what they are."),
    "not-decoded": ("has an unsupported format", "have an unsupported format",
                    "Convert them to JPEG, PNG or WebP."),
    "over-the-limits": ("is over the limits of the service", "are over the limits of the service",
                        "Reduce them, or raise MAX_PIXELS, MAX_SIDE_PX or MAX_UPLOAD_BYTES."),
    "damaged": ("is damaged inside", "are damaged inside", "They can be decoded, but parts are likely wrong (grey or "
                "shifted blocks): check them, or fetch them again."),
    "wrong-name": ("is not what its name says", "are not what their names say",
                   "Rename them; some programs go by the ending."),
    "identical": ("is a copy, byte for byte", "are copies, byte for byte", "Keep one of each group: copies on both "
                  "sides of a train/test split make every score too good."),
    "near-duplicate": ("is a near-duplicate", "are near-duplicates",
                       "Compare the groups; keep the best of each, or keep a group on one side of a split."),
    "nearly-uniform": ("is almost empty", "are almost empty",
                       "Blank scans or failed exposures: delete them."),
    "large-file": ("has far more bytes than the others", "have far more bytes than the others",
                   "Another quality or a wrong format? Encode them as the others are."),
    "small-file": ("has far fewer bytes than the others", "have far fewer bytes than the others",
                   "Thumbnails or strongly compressed copies? Look for the originals."),
    "large-picture": ("has far more pixels than the others", "have far more pixels than the others",
                      "Reduce them to the size of the others to save time."),
    "small-picture": ("is small", "are small", "Too few pixels for a clean edge: look for larger originals."),
    "odd-shape": ("is very wide or very tall", "are very wide or very tall",
                  "Panoramas, strips or banners? Crop them to the object."),
    "small-object": ("shows no or only a small object", "show no or only a small object",
                     "Move closer or crop; where nothing stands out from the background, a plainer one helps."),
    "fills-the-frame": ("is filled by its object", "are filled by their objects",
                        "Leave room around the object, so that the background can be recognised."),
    "several-pictures": ("holds more than one picture", "hold more than one picture",
                         "Animations or cameras' MPO: only the first picture is used."),
    "gps-position": ("contains its GPS position", "contain their GPS positions",
                    "Remove the GPS position before you publish the set."),
}  # fmt: skip


def advise(analysis: Analysis) -> list[Advice]:
    """Return what to fix, the worst first; one entry of its own where there is nothing to fix."""
    counts = analysis.counts()
    found = [_about(name, counts[name], analysis.thresholds) for name in _WORDS if counts[name]]
    found += _metadata(analysis) + _balance(analysis) + _entries(analysis)
    order: dict[Severity, int] = {"bad": 0, "warn": 1, "": 2}
    found.sort(key=lambda advice: order[advice.severity])
    if not any(advice.severity for advice in found):
        found.insert(0, Advice("", "Nothing to fix.", "Every picture can be used as it is."))
    return found


def _about(name: str, count: int, thresholds: Thresholds) -> Advice:
    one, many, todo = _WORDS[name]
    details = {
        "small-picture": f" ({thresholds.min_side_px} px is the least shorter side)",
        "odd-shape": f" (more than {thresholds.max_aspect:g} : 1)",
        "small-object": f" (under {thresholds.min_coverage:.0%} of the picture)",
    }
    what = f"{_pictures(count)} {one if count == 1 else many}{details.get(name, '')}."
    return Advice(SEVERITIES[name], what, todo, name)


def _metadata(analysis: Analysis) -> list[Advice]:
    usable = analysis.usable
    without = sum(facts.exif is None for facts in usable)
    if not without:
        return []
    subject = "No picture has" if without == len(usable) else f"{without} of {len(usable)} pictures do not have"
    todo = "Nothing here needs it; where a focal length or a date matters, keep the cameras' originals."
    return [Advice("", f"{subject} EXIF metadata.", todo)]


def _balance(analysis: Analysis) -> list[Advice]:
    sizes = Counter(facts.folder for facts in analysis.files)
    if len(sizes) < 3:
        return []
    usual = median(sizes.values())
    rare = sorted(folder for folder, count in sizes.items() if count < RARE_CATEGORY * usual)
    if not rare:
        return []
    names = ", ".join(rare[:5]) + (" and others" if len(rare) > 5 else "")
    has = "category has" if len(rare) == 1 else "categories have"
    what = f"{len(rare)} {has} far fewer pictures than the others ({usual:g} in the middle): {names}."
    return [Advice("warn", what, "Add pictures to them, or weigh them when you train.")]


def _entries(analysis: Analysis) -> list[Advice]:
    problems = analysis.walk.problems
    if not problems:
        return []
    name, why = next(iter(problems.items()))
    what = "1 entry" if len(problems) == 1 else f"{len(problems)} entries"
    others = " The others stand in analysis.json." if len(problems) > 1 else ""
    return [Advice("warn", f"{what} of the folder could not be read.", f"{name}: {why}{others}")]


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"
