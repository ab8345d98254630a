"""Findings of a picture alone and beside others."""

from dataclasses import replace

from backend.folders.datasets.findings import SEVERITIES, judge
from backend.folders.datasets.inspection import FileFacts
from backend.folders.datasets.look import Look
from backend.folders.datasets.thresholds import Thresholds

LOOK = Look(b"", 40.0, 0.3, False, 0, bytes(192))


def picture(number: int, **changes: object) -> FileFacts:
    look = replace(
        LOOK, shape_hash=number * 0x9E3779B97F4A7C15 % 2**64, signature=bytes([number % 256] * 96 + [9] * 96)
    )
    known = FileFacts(f"{number}.jpg", 100_000, "jpeg", "jpeg", size=(800, 1000), exif=("Make",), look=look)
    return replace(known, digest=str(number), **changes)


def findings_of(odd: FileFacts, others: int = 20) -> list[str]:
    return judge([odd, *(picture(number) for number in range(1, others + 1))], Thresholds()).findings[0]


def test_an_ordinary_picture_among_its_like_has_no_finding() -> None:
    assert findings_of(picture(0)) == []


def test_each_oddness_has_its_name() -> None:
    assert findings_of(picture(0, size=(100, 120))) == ["small-picture"]
    assert findings_of(picture(0, size=(8000, 9000))) == ["large-picture"]
    assert findings_of(picture(0, size=(300, 2700))) == ["odd-shape"]
    assert findings_of(picture(0, bytes=10_000_000)) == ["large-file"]
    assert findings_of(picture(0, bytes=900)) == ["small-file"]
    assert findings_of(picture(0, look=replace(LOOK, coverage=0.01, shape_hash=5))) == ["small-object"]
    assert findings_of(picture(0, look=replace(LOOK, coverage=0.99, shape_hash=5))) == ["fills-the-frame"]
    assert findings_of(picture(0, look=replace(LOOK, deviation=1.0))) == ["nearly-uniform"]
    assert findings_of(picture(0, exif=None)) == ["no-exif"]
    assert findings_of(picture(0, faults=("spoilt",))) == ["damaged"]
    assert findings_of(picture(0, name_fits=False)) == ["wrong-name"]
    assert findings_of(picture(0, problem="image-corrupt", look=None, size=None)) == ["corrupt"]


def test_file_sizes_are_compared_within_a_format() -> None:
    others = [picture(number) for number in range(1, 20)]
    large = [picture(number, kind="png", bytes=4_000_000) for number in range(20, 40)]
    assert not any("large-file" in each for each in judge([*others, *large], Thresholds()).findings)


def test_there_are_no_outliers_among_a_handful() -> None:
    assert findings_of(picture(0, bytes=90_000_000), others=4) == []


def test_copies_are_distinct_from_pictures_that_look_alike() -> None:
    first = picture(1)
    judged = judge([first, replace(first, name="copy"), replace(first, name="again", digest="other")], Thresholds())
    assert judged.identical == [[0, 1]] and judged.alike == [[0, 2]]


def test_empty_pictures_are_no_near_duplicates_of_each_other() -> None:
    blank = replace(LOOK, deviation=0.5)
    assert judge([picture(1, look=blank), picture(2, look=blank)], Thresholds()).alike == []


def test_every_finding_has_a_severity() -> None:
    odd = picture(
        0, problem="truncated", several=True, has_gps_position=True, exif=None, faults=("a",), name_fits=False
    )
    assert all(name in SEVERITIES for name in findings_of(odd))
