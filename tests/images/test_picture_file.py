"""Every format opens as the same picture, with the density and the EXIF that it was given, and nothing else."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from backend.contract.errors import InvalidParameterError
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.images.metadata import exif_to_keep
from backend.images.picture_file import FileStyle, encode_again, encode_file
from tests.helpers.drawn import toy
from tests.helpers.picture_files import exif_block, saved, scene

IMAGE, TRUTH = toy()
ALPHA = TRUTH.astype(np.float32)
CLEAR = [name for name, row in PICTURE_FORMATS.items() if row.transparent]


def opened(data: bytes, format: str) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    assert picture.format == format.upper()
    assert Image.MIME[picture.format] == PICTURE_FORMATS[format].media_type
    return picture


def camera_exif() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Camera", 6
    exif[ExifTags.Base.XResolution] = 300
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:01:02 03:04:05"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 4000
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = b"secret places"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif.tobytes()


@pytest.mark.parametrize("format", PICTURE_FORMATS)
def test_a_mask_and_a_picture_are_read_back(format: str) -> None:
    mask = np.asarray(opened(encode_file(None, ALPHA, FileStyle(format)), format).convert("L"))
    assert np.abs(mask / 255 - ALPHA).mean() < 0.01
    picture = np.asarray(opened(encode_file(IMAGE, None, FileStyle(format)), format).convert("RGB"))
    assert np.abs(picture.astype(int) - IMAGE).mean() < 4


@pytest.mark.parametrize("format", CLEAR)
def test_a_cutout_keeps_its_transparency(format: str) -> None:
    picture = np.asarray(opened(encode_file(IMAGE, ALPHA, FileStyle(format)), format))
    assert picture.shape == (*TRUTH.shape, 4)
    assert np.abs(picture[..., 3] / 255 - ALPHA).mean() < 0.01


def test_a_cutout_is_no_jpeg() -> None:
    for call in (
        lambda: encode_file(IMAGE, ALPHA, FileStyle("jpeg")),
        lambda: encode_again(encode_file(IMAGE, ALPHA, FileStyle()), FileStyle("jpeg")),
    ):
        with pytest.raises(ValueError, match="no transparency"):
            call()


def test_a_webp_of_full_quality_is_without_loss() -> None:
    np.testing.assert_array_equal(
        np.asarray(opened(encode_file(IMAGE, None, FileStyle("webp", 100)), "webp").convert("RGB")), IMAGE
    )


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_a_higher_quality_is_larger(format: str) -> None:
    sizes = [len(encode_file(IMAGE, None, FileStyle(format, quality))) for quality in (5, 60, 95)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("format", PICTURE_FORMATS)
def test_the_density_of_the_photo_is_kept(format: str) -> None:
    picture = opened(encode_file(IMAGE, None, FileStyle(format, density=(11_811, 11_811))), format)
    exif = picture.getexif()
    told = picture.info.get("dpi") or (exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution])
    assert [round(float(value)) for value in told] == [300, 300]


@pytest.mark.parametrize("format", PICTURE_FORMATS)
def test_kept_metadata_turn_nothing_and_have_no_thumbnail(format: str) -> None:
    kept = exif_to_keep(camera_exif())
    exif = opened(encode_file(IMAGE, None, FileStyle(format, density=(11_811, 11_811), exif=kept)), format).getexif()
    assert exif[ExifTags.Base.Make] == "Camera"
    assert ExifTags.Base.Orientation not in exif
    inside = exif.get_ifd(ExifTags.IFD.Exif)
    assert inside[ExifTags.Base.DateTimeOriginal] == "2024:01:02 03:04:05"
    assert ExifTags.Base.MakerNote not in inside and ExifTags.Base.ExifImageWidth not in inside
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("format", PICTURE_FORMATS)
def test_without_being_asked_nothing_is_told(format: str) -> None:
    assert not opened(encode_file(IMAGE, ALPHA if format in CLEAR else None, FileStyle(format)), format).getexif()


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"junk" * 40, b"Exif\0\0" + exif_block(6)[:-7]]
)
def test_a_broken_exif_is_dropped(exif: bytes) -> None:
    assert exif_to_keep(exif) == b""


def test_an_exif_that_is_only_an_orientation_leaves_nothing() -> None:
    assert exif_to_keep(b"Exif\0\0" + exif_block(6)) == b""


def test_an_exif_too_long_for_a_jpeg_is_dropped() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 100_000
    assert exif_to_keep(exif.tobytes()) == b""


def test_a_webp_too_wide_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameterError, match="WebP"):
        encode_file(np.zeros((1, 16_384, 3), np.uint8), None, FileStyle("webp"))


@pytest.mark.parametrize("format", ["webp", "jpeg", "avif"])
def test_a_file_is_written_again_in_another_format(format: str) -> None:
    again = opened(encode_again(saved(scene(), "PNG"), FileStyle(format, 100)), format).convert("RGB")
    assert np.abs(np.asarray(again).astype(int) - scene()).mean() < 3
