"""Strangers' files through the running service with a stub network: the answer each must get, and no harm done."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from backend.contract.errors import PROBLEMS
from tests.helpers import heic_files
from tests.helpers import picture_claims as claims
from tests.helpers import picture_files as made
from tests.helpers.real_service import RealService
from tests.images.test_corpora import READ_HERE

CODES = {problem.code for problem in PROBLEMS.values()}


def mismatches(service: RealService, files: dict[str, Path], expected: dict[str, tuple[int, str]]) -> dict[str, object]:
    """Return the files that get another answer than they must, and what they get."""
    wrong: dict[str, object] = {}
    for name, wanted in expected.items():
        answer = service.mask(files[name].read_bytes(), use_alpha="false")
        if answer.outcome != wanted or (answer.status == 200) != answer.body.startswith(made.PNG_SIGNATURE):
            wrong[name] = (answer.outcome, wanted)
    return wrong


def corpus(folder: Path, generated: Path | None) -> tuple[dict[str, Path], dict[str, tuple[int, str]]]:
    """Return the files of EXPECTED.tsv by name, and their answers; those that a script makes only where they are."""
    with (folder / "EXPECTED.tsv").open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    files, expected = {}, {}
    for row in rows:
        name = row["path"]
        made_by_script = name.startswith("generated/")
        if made_by_script and generated is None:
            continue
        files[name] = generated / name.removeprefix("generated/") if made_by_script and generated else folder / name
        status, code = READ_HERE.get(name, (row["core_status"], row["core_type"]))
        expected[name] = int(status), code
    return files, expected


def unharmed(service: RealService, before: dict[str, int]) -> None:
    """Assert that no process was replaced and that nothing is left over."""
    assert service.processes() == before
    assert service.worker()["starts"] == service.worker("mesh")["starts"] == 1
    assert service.left_over() == []
    assert "Traceback" not in service.output()


@pytest.fixture
def corpora(shared: Path) -> Path:
    if not (shared / "corpora" / "EXPECTED.tsv").is_file():
        pytest.skip("the shared reference folder has no corpora")
    return shared / "corpora"


def test_every_file_that_lies_there_gets_its_answer(service: RealService, corpora: Path) -> None:
    files, expected = corpus(corpora, None)
    small = {name: answer for name, answer in expected.items() if files[name].stat().st_size < 10_000}
    large = sorted(set(expected) - set(small))[::6]  # photos of the same kind
    before = service.processes()
    assert len(small) > 150
    assert mismatches(service, files, small | {name: expected[name] for name in large}) == {}
    unharmed(service, before)


def test_drawn_hostile_files_get_their_answers(service: RealService, tmp_path: Path) -> None:
    good = made.saved(made.scene(), "JPEG")
    png = made.saved(made.scene(), "PNG")
    hostile = {
        "nothing": (b"", (422, "empty-file")),
        "html": (b"<html>sign in</html>", (415, "unsupported-image-type")),
        "half a JPEG": (good[: len(good) // 2], (422, "image-corrupt")),
        "a PNG without its end": (png[:-30], (422, "image-corrupt")),
        "a bomb of 34 bytes": (made.webp_claim("VP8L", 16384, 16384), (422, "too-many-pixels")),
        "a JPEG that claims much": (made.jpeg_claiming(65500, 65500, good), (422, "too-many-pixels")),
        "a GIF": (made.saved(made.scene(), "GIF"), (200, "ok")),
        "a HEIC": (heic_files.PLAIN, (200, "ok")),
        "a bomb of a HEIC": (claims.heif(b"heic", (8, 8), sps=(16384, 16384)), (422, "too-many-pixels")),
        "a PSD": (b"8BPS\0\1", (415, "unsupported-image-type")),
        "one pixel": (made.png([b"\x80\x10\x10"], 1, 8, 2), (200, "ok")),
        "16 bits": (made.png([b"\x9c\x40\x9c\x41"], 2, 16, 0), (200, "ok")),
    }
    files = {}
    for number, (name, (data, _)) in enumerate(hostile.items()):
        files[name] = tmp_path / str(number)
        files[name].write_bytes(data)
    before = service.processes()
    assert mismatches(service, files, {name: answer for name, (_, answer) in hostile.items()}) == {}
    unharmed(service, before)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_file_of_the_corpora_gets_its_answer_and_does_no_harm(
    service: RealService, corpora: Path, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, corpora / "make_bombs.py", tmp_path], check=True, stdout=subprocess.DEVNULL)
    files, expected = corpus(corpora, tmp_path)
    assert {code for _, code in expected.values()} <= CODES | {"ok"}
    service.mask(made.saved(made.scene(), "PNG"))
    before = service.processes()
    assert mismatches(service, files, expected) == {}
    unharmed(service, before)
