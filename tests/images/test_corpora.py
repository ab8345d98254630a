"""Strangers' files as they are: PngSuite, EXIF orientations and hostile ones, each with the answer it must get.

The folder is not part of the project; without it these tests skip, and test_image_io.py proves the same kinds.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from backend.contract.errors import CallerError, problem_of
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import Picture, read_picture
from tests.helpers.hostile_files import make_hostile_files

MADE_BY_SCRIPT = "generated/"
READ_HERE = {  # of kinds that the list calls unsupported
    "generated/bmp_dims_claim_60000x60000.bmp": ("422", "too-many-pixels"),
    "generated/gif_100k_frames_1x1.gif": ("200", "ok"),
    "generated/gif_screen_65535x65535.gif": ("422", "too-many-pixels"),
    "generated/tiff_dims_claim_100000x100000.tif": ("422", "too-many-pixels"),
}


@pytest.fixture(scope="session")
def corpora(shared: Path) -> Path:
    folder = shared / "corpora"
    if not (folder / "EXPECTED.tsv").is_file():
        pytest.skip("the shared reference folder has no corpora")
    return folder


@pytest.fixture(scope="session")
def generated(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile files, made once."""
    folder = tmp_path_factory.mktemp("generated")
    make_hostile_files(corpora / "make_bombs.py", folder)
    return folder


def read(path: Path) -> Picture:
    return read_picture(path.read_bytes(), ImageLimits())


def answer(path: Path) -> tuple[str, str]:
    try:
        read(path)
    except CallerError as error:
        problem = problem_of(error)
        return str(problem.status), problem.code
    return "200", "ok"


def expected_answers(corpora: Path) -> dict[str, tuple[str, str]]:
    with (corpora / "EXPECTED.tsv").open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return {row["path"]: (row["core_status"], row["core_type"]) for row in rows} | READ_HERE


def test_every_file_that_lies_there_gets_its_answer(corpora: Path) -> None:
    expected = {
        path: wanted for path, wanted in expected_answers(corpora).items() if not path.startswith(MADE_BY_SCRIPT)
    }
    assert len(expected) > 150
    assert {path: answer(corpora / path) for path in expected} == expected


def test_every_hostile_file_gets_its_answer(corpora: Path, generated: Path) -> None:
    expected = {path: wanted for path, wanted in expected_answers(corpora).items() if path.startswith(MADE_BY_SCRIPT)}
    assert len(expected) > 50
    got = {path: answer(generated / path.removeprefix(MADE_BY_SCRIPT)) for path in expected}
    assert got == expected


@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_one_photo_stored_in_nine_ways_is_one_picture(corpora: Path, name: str) -> None:
    # Each is compressed again with its own number in the middle: about 4 levels apart, and 40 when wrongly turned.
    pictures = [read(corpora / f"exif-orientation/{name}_{orientation}.jpg").image for orientation in range(9)]
    for picture in pictures[1:]:
        assert picture.shape == pictures[0].shape
        assert np.abs(picture.astype(np.int16) - pictures[0]).mean() < 8


def test_an_interlaced_file_equals_its_plain_twin(corpora: Path) -> None:
    folder = corpora / "pngsuite" / "png"
    twins = [(path, folder / path.name.replace("i", "n", 1)) for path in sorted(folder.glob("s??i*.png"))]
    twins += [(path, folder / path.name.replace("basi", "basn")) for path in sorted(folder.glob("basi*.png"))]
    assert len(twins) > 25
    for interlaced, plain in twins:
        np.testing.assert_array_equal(read(interlaced).image, read(plain).image, err_msg=interlaced.name)


def test_the_suites_transparent_files_have_an_alpha_and_the_others_none(corpora: Path) -> None:
    folder = corpora / "pngsuite" / "png"
    for path in sorted(folder.glob("t[bp]1*.png")) + sorted(folder.glob("tb*.png")):
        alpha = read(path).alpha
        assert alpha is not None, path.name
        assert set(np.unique(alpha)) == {0.0, 1.0}, path.name
        assert alpha[0, 0] == 0.0, path.name  # a cube on an invisible ground
    for path in sorted(folder.glob("tp0*.png")) + sorted(folder.glob("bas?[023]*.png")):
        assert read(path).alpha is None, path.name
