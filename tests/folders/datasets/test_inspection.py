"""One file's facts, and that they agree with what the service itself says of the same bytes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.contract.errors import MattemeshError
from backend.contract.settings import Settings
from backend.folders.datasets.inspection import FileFacts, inspect
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture
from tests.helpers.drawn import encoded, toy
from tests.helpers.picture_files import jpeg_claiming, saved, stored_as, webp_claim


def facts_of(folder: Path, name: str, data: bytes, settings: Settings | None = None) -> FileFacts:
    (folder / name).write_bytes(data)
    return inspect(folder, name, settings or Settings())


def exif(**fields: int) -> Image.Exif:
    block = Image.Exif()
    block[0x010F], block[0x0112] = "Maker", fields.get("orientation", 1)
    block.get_ifd(0x8769)[0x920A] = 50.0
    if fields.get("place"):
        block.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    return block


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_sound_file_has_its_facts_and_no_fault(tmp_path: Path, kind: str) -> None:
    name = f"a.{kind.lower()}"
    facts = facts_of(tmp_path, name, encoded(toy(640, 480)[0], kind, exif=exif(place=1)))
    assert (facts.kind, facts.problem, facts.faults, facts.size) == (kind.lower(), "", (), (480, 640))
    assert facts.exif is not None and set(facts.exif) == {"Make", "Orientation", "FocalLength"}
    assert facts.has_gps_position and facts.name_fits
    assert facts.look is not None and not facts.look.measured
    assert facts.look.coverage == pytest.approx(toy(640, 480)[1].mean(), abs=0.03)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_turns_of_a_photo_look_alike(tmp_path: Path, orientation: int) -> None:
    image = toy(640, 480)[0]
    upright = facts_of(tmp_path, "a.jpg", encoded(image, "JPEG", quality=95)).look
    turned = facts_of(
        tmp_path,
        "b.jpg",
        encoded(stored_as(image, orientation), "JPEG", quality=95, exif=exif(orientation=orientation)),
    )
    assert turned.size == (480, 640) and turned.look is not None and upright is not None
    assert (turned.look.shape_hash ^ upright.shape_hash).bit_count() <= 4


def test_coverage_is_measured_where_the_file_has_transparency(tmp_path: Path) -> None:
    image, mask = toy(640, 480)
    data = encoded(np.dstack([image, mask.astype(np.uint8) * 255]))
    look = facts_of(tmp_path, "a.png", data).look
    assert look is not None and look.measured and look.coverage == pytest.approx(float(mask.mean()), abs=1e-6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.4, 0.8, 0.97])
def test_a_cut_off_file_is_called_truncated(tmp_path: Path, kind: str, share: float) -> None:
    data = encoded(toy(640, 480)[0], kind)
    facts = facts_of(tmp_path, f"a.{kind.lower()}", data[: int(len(data) * share)])
    assert facts.problem == "truncated" and facts.look is None and facts.size == (480, 640)


def test_spoilt_data_inside_a_jpeg_is_reported_though_it_decodes(tmp_path: Path) -> None:
    data = bytearray(encoded(toy(1200, 900)[0], "JPEG", quality=92))
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    read_picture(bytes(data), ImageLimits())  # nothing is raised here
    assert facts_of(tmp_path, "a.jpg", bytes(data)).faults


def test_a_whole_jpeg_of_any_size_has_no_fault(tmp_path: Path) -> None:
    for width in (1, 7, 250, 520, 1100, 2300):
        for options in ({}, {"progressive": True}, {"subsampling": 0}):
            facts = facts_of(tmp_path, "a.jpg", encoded(toy(max(width, 8), 90)[0][:, :width], "JPEG", **options))
            assert not facts.problem and not facts.faults, (width, options)


def test_grey_and_cmyk_jpegs_are_looked_at(tmp_path: Path) -> None:
    picture = Image.fromarray(toy()[0])
    for mode in ("L", "CMYK"):
        assert facts_of(tmp_path, "a.jpg", saved(picture.convert(mode), "JPEG")).look is not None


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.jpg", b"", "empty-file"),
        ("a.jpg", b"no picture at all", "not-a-picture"),
        ("a.jpg", bytes(range(200)), "not-a-picture"),
        ("a.webp", webp_claim("VP8X", 16383, 16383), "too-many-pixels"),
        ("a.jpg", jpeg_claiming(60000, 60000, encoded(toy()[0], "JPEG")), "too-many-pixels"),
        ("a.jpg", jpeg_claiming(6000, 6000, encoded(toy()[0], "JPEG")), "image-corrupt"),
        ("a.psd", b"8BPS\0\1" + bytes(40), "not-decoded"),
        ("a.jpg", b"8BPS\0\1" + bytes(40), "not-decoded"),
        ("a.gif", b"GIF89a" + bytes(40), "image-corrupt"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "truncated"),
    ],
)
def test_what_cannot_be_used_is_reported_by_code(tmp_path: Path, name: str, data: bytes, problem: str) -> None:
    facts = facts_of(tmp_path, name, data)
    assert facts.problem == problem and facts.reason and facts.look is None


def test_a_file_over_the_limit_is_not_decoded_but_its_size_is_known(tmp_path: Path) -> None:
    data = encoded(np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8))
    facts = facts_of(tmp_path, "a.png", data, Settings(max_upload_bytes=2048))
    assert facts.problem == "upload-too-large" and facts.size == (100, 120) and facts.bytes == len(data)


def test_an_mpo_is_recognised_and_its_first_picture_is_taken(tmp_path: Path) -> None:
    first = Image.fromarray(toy()[0])
    target = io.BytesIO()
    first.save(target, "MPO", save_all=True, append_images=[first])
    facts = facts_of(tmp_path, "a.jpg", target.getvalue())
    assert (facts.kind, facts.several, facts.name_fits, facts.problem) == ("mpo", True, True, "")


@pytest.mark.parametrize("kind", ["AVIF", "TIFF", "GIF", "BMP"])
def test_every_kind_that_is_read_is_looked_at(tmp_path: Path, kind: str) -> None:
    facts = facts_of(tmp_path, f"a.{kind.lower()}", saved(Image.fromarray(toy()[0]), kind))
    assert (facts.kind, facts.name_fits, facts.problem) == (kind.lower(), True, "")
    assert facts.look is not None and facts.size == toy()[0].shape[:2]


def test_what_is_neither_called_a_picture_nor_one_is_left_aside(tmp_path: Path) -> None:
    assert not facts_of(tmp_path, "notes.txt", b"hello").is_picture
    assert facts_of(tmp_path, "photo", encoded(toy()[0])).is_picture
    assert not facts_of(tmp_path, "photo", encoded(toy()[0])).name_fits


def test_it_finds_usable_what_the_service_takes(tmp_path: Path, shared: Path) -> None:
    settings = Settings()
    limits = ImageLimits(settings.max_pixels, settings.max_side_px)
    for path in sorted((shared / "corpora").rglob("*.png"))[::3]:
        data = path.read_bytes()
        try:
            read_picture(data, limits)
            taken = True
        except MattemeshError:
            taken = False
        assert (facts_of(tmp_path, "a.png", data).look is not None) == taken, path.name
