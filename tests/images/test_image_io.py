"""Any bytes come out as an upright RGB image or as one of the caller's errors."""

import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from backend.contract.errors import CallerError, ImageCorruptError, TooManyPixelsError, UnsupportedImageTypeError
from backend.images import image_io
from backend.images.decoding.image_header import ImageHeader, ImageLimits, read_header
from backend.images.image_io import Picture, read_picture
from backend.images.metadata import exif_to_keep
from tests.helpers import heic_files
from tests.helpers.picture_claims import heif
from tests.helpers.picture_files import (
    EXIF_SIDES,
    PNG_SIGNATURE,
    chunk,
    display_p3_profile,
    exif_block,
    header_chunk,
    interlaced_png,
    jpeg_claiming,
    png,
    saved,
    scene,
    stored_as,
)

LIMITS = ImageLimits()
LOSSLESS = [
    {"kind": "PNG"}, {"kind": "WEBP", "lossless": True}, {"kind": "TIFF"}, {"kind": "BMP"},
    {"kind": "TIFF", "compression": "tiff_lzw"}, {"kind": "TIFF", "compression": "tiff_adobe_deflate"},
]  # fmt: skip


def read(data: bytes) -> Picture:
    return read_picture(data, LIMITS)


def rows_of(image: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in image]


@pytest.mark.parametrize("options", LOSSLESS)
def test_a_lossless_picture_comes_back_as_it_was(options: dict[str, object]) -> None:
    picture = read(saved(scene(), **options))
    np.testing.assert_array_equal(picture.image, scene())
    assert picture.image.dtype == np.uint8
    assert picture.alpha is None
    assert picture.format == str(options["kind"]).lower()
    assert picture.source_size == (24, 40)
    assert picture.notes == ()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_comes_back_nearly_as_it_was(options: dict[str, object]) -> None:
    smooth = scene(96, 160)
    smooth[..., 2] = 60
    picture = read(saved(smooth, "JPEG", quality=95, **options))
    assert np.abs(picture.image.astype(int) - smooth).max() <= 8


@pytest.mark.parametrize("orientation", EXIF_SIDES)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "AVIF", "TIFF"])
def test_every_orientation_gives_the_same_upright_picture(kind: str, orientation: int) -> None:
    options = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    }.get(kind, {})
    stored = stored_as(scene(), orientation)
    named = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": b"Exif\0\0" + exif_block(orientation)}
    picture = read(saved(stored, kind, **named, **options))
    assert np.abs(picture.image.astype(int) - scene()).max() <= (40 if kind in ("JPEG", "AVIF") else 0)
    assert np.abs(picture.image.astype(int) - scene()).mean() < 2
    assert picture.source_size == stored.shape[:2]
    assert picture.facts["orientation"] == orientation


@pytest.mark.parametrize("orientation", EXIF_SIDES)
def test_the_alpha_is_turned_with_the_picture(orientation: int) -> None:
    alpha = scene()[..., 0]
    stored = stored_as(np.dstack([scene(), alpha]), orientation)
    picture = read(saved(stored, "PNG", exif=exif_block(orientation)))
    np.testing.assert_array_equal(picture.image, scene())
    np.testing.assert_array_equal(picture.alpha, alpha / np.float32(255))


def test_an_absurd_or_broken_orientation_is_ignored() -> None:
    for block in (exif_block(99), exif_block(0), exif_block(6)[:-7], b"II*\0\xff\xff\xff\xff", b"no block at all"):
        np.testing.assert_array_equal(read(saved(scene(), "PNG", exif=block)).image, scene())


def test_an_exif_block_behind_the_pixels_counts() -> None:
    data = png(rows_of(stored_as(scene(), 6)), 24, 8, 2, after=chunk(b"eXIf", exif_block(6)))
    np.testing.assert_array_equal(read(data).image, scene())


def test_the_alpha_is_float_and_exact_at_both_ends() -> None:
    stored = np.zeros((1, 3, 4), np.uint8)
    stored[0, :, 3] = [0, 51, 255]
    picture = read(saved(stored, "PNG"))
    assert picture.alpha is not None
    assert picture.alpha.dtype == np.float32
    np.testing.assert_array_equal(picture.alpha, np.array([[0, 0.2, 1]], np.float32))


def test_a_picture_that_is_all_transparent_has_an_alpha_of_nothing_and_keeps_its_colour() -> None:
    picture = read(saved(np.full((5, 4, 4), [9, 99, 199, 0], np.uint8), "PNG"))
    assert picture.alpha is not None
    assert not picture.alpha.any()
    assert (picture.image == [9, 99, 199]).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_channel_is_none(mode: str) -> None:
    assert read(saved(Image.fromarray(scene()).convert(mode), "PNG")).alpha is None


def test_a_transparent_webp_has_its_alpha() -> None:
    stored = np.dstack([scene(), scene()[..., 0]])
    picture = read(saved(stored, "WEBP", lossless=True, exact=True))
    np.testing.assert_array_equal(picture.alpha, scene()[..., 0] / np.float32(255))
    np.testing.assert_array_equal(picture.image, scene())


@pytest.mark.parametrize("bit_depth", [1, 2, 4, 8, 16])
def test_white_grey_is_white_and_black_is_black(bit_depth: int) -> None:
    white, black = b"\xff" * bit_depth, b"\0" * bit_depth  # eight pixels a row
    picture = read(png([white, black], 8, bit_depth, 0))
    assert picture.image.shape == (2, 8, 3)
    assert (picture.image[0] == 255).all()
    assert not picture.image[1].any()
    assert picture.facts["bit_depth"] == bit_depth


def test_a_sixteen_bit_grey_of_40000_is_156() -> None:
    assert (read(saved(Image.new("I;16", (8, 8), 40000), "PNG")).image == 156).all()


@pytest.mark.parametrize(
    ("ink", "color"),
    [
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 51, 102, 0), (255, 204, 153)),
    ],
)
def test_cmyk_ink_becomes_its_colour(ink: tuple[int, ...], color: tuple[int, ...]) -> None:
    picture = read(saved(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95))
    assert np.abs(picture.image.astype(int) - color).max() <= 3
    assert picture.facts["mode"] == "CMYK"


def test_ycck_is_turned_into_ink_first() -> None:
    # Adobe's marker ends with the transform: 2 says that the four stored planes are Y, Cb, Cr and K, all inverted.
    data = bytearray(saved(Image.new("CMYK", (16, 16), (105, 115, 155, 55)), "JPEG", quality=95))
    transform = data.find(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    y, cb, cr, k = 255 - 105, 255 - 115, 255 - 155, 255 - 55
    ink = np.array([y + 1.402 * (cr - 128), y - 0.34414 * (cb - 128) - 0.71414 * (cr - 128), y + 1.772 * (cb - 128)])
    expected = (255 - ink) * k / 255
    assert np.abs(read(bytes(data)).image - expected).max() <= 4


def test_an_interlaced_png_equals_a_plain_one() -> None:
    for shape in ((24, 40), (1, 1), (5, 3), (8, 9)):
        np.testing.assert_array_equal(read(interlaced_png(scene(*shape))).image, scene(*shape))


def test_the_gamma_of_srgb_changes_nothing() -> None:
    data = png(rows_of(scene()), 40, 8, 2, extra=chunk(b"gAMA", (45_455).to_bytes(4, "big")))
    np.testing.assert_array_equal(read(data).image, scene())


def test_a_wide_gamut_is_converted_and_a_broken_profile_gets_a_note() -> None:
    converted = read(saved(scene(), "PNG", icc_profile=display_p3_profile()))
    assert converted.facts["color_profile"] == "converted"
    assert (converted.image != scene()).any()
    broken = read(saved(scene(), "PNG", icc_profile=b"junk" * 50))
    assert broken.facts["color_profile"] == "ignored"
    np.testing.assert_array_equal(broken.image, scene())
    assert len(broken.notes) == 1


@pytest.mark.parametrize("options", [{"kind": "PNG"}, {"kind": "WEBP", "lossless": True}])
def test_the_first_frame_of_an_animation_is_used_with_a_note(options: dict[str, object]) -> None:
    later = Image.fromarray(255 - scene())
    picture = read(saved(scene(), save_all=True, append_images=[later, later.rotate(180)], **options))
    np.testing.assert_array_equal(picture.image, scene())
    assert picture.facts["frames"] == 3
    assert "3 frames" in picture.notes[0]


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_the_first_of_several_is_used_with_a_note(kind: str) -> None:
    later = [Image.fromarray(value * scene()) for value in (2, 3)]
    picture = read(saved(scene(), kind, save_all=True, append_images=later))
    assert np.abs(picture.image.astype(int) - scene()).max() <= (16 if kind == "GIF" else 0)  # a palette
    assert picture.notes == ("The file has 3 frames; only the first was used.",)


def test_of_an_animated_avif_the_still_picture_is_used() -> None:
    picture = read(saved(scene(), "AVIF", quality=95, save_all=True, append_images=[Image.fromarray(255 - scene())]))
    assert np.abs(picture.image.astype(int) - scene()).mean() < 3


@pytest.mark.parametrize("data", [heic_files.PLAIN, heic_files.TURNED])
def test_a_heic_is_turned_once_by_its_boxes_and_cut_to_its_size(data: bytes) -> None:
    picture = read(data)
    assert picture.format == "heic" and picture.alpha is None
    assert picture.image.shape == scene().shape
    assert np.abs(picture.image.astype(int) - scene()).mean() < 2


def test_a_transparent_heic_has_its_alpha() -> None:
    picture = read(heic_files.TRANSPARENT)
    assert picture.alpha is not None
    assert np.abs(picture.alpha - scene()[..., 0] / 255).max() < 0.05


def test_colours_that_an_avif_names_by_numbers_are_converted() -> None:
    data = saved(scene(), "AVIF", quality=95, subsampling="4:4:4")
    at = data.index(b"nclx") + 4
    wide = data[:at] + (12).to_bytes(2, "big") + data[at + 2 :]  # Display P3's primaries
    assert read(wide).facts["color_profile"] == "converted"
    assert np.abs(read(wide).image.astype(int) - read(data).image).max() > 5
    as_mask = read_picture(wide, LIMITS, as_data=True)
    np.testing.assert_array_equal(as_mask.image, read(data).image)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "AVIF"])
def test_transparency_of_other_formats_is_an_alpha(kind: str) -> None:
    stored = np.dstack([scene(), np.where(scene()[..., 0] > 127, 255, 0).astype(np.uint8)])
    alpha = read(saved(stored, kind)).alpha
    assert alpha is not None
    assert np.abs(alpha - (scene()[..., 0] > 127)).mean() < 0.02


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "I;16", "LA"])
def test_a_tiff_of_any_usual_kind_is_read(mode: str) -> None:
    grey = Image.new("I;16", (9, 9), 40_000) if mode == "I;16" else Image.new("L", (9, 9), 255).convert(mode)
    assert np.abs(read(saved(grey, "TIFF")).image.astype(int) - (156 if mode == "I;16" else 255)).max() <= 1


@pytest.mark.parametrize(("mode", "name"), [("F", "floating-point"), ("I", "32-bit"), ("LAB", "L.a.b")])
def test_a_tiff_that_has_no_eight_bits_is_refused_by_what_it_is(mode: str, name: str) -> None:
    with pytest.raises(UnsupportedImageTypeError, match=name):
        read(saved(Image.new(mode, (9, 9)), "TIFF"))


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    data = io.BytesIO()
    tifffile.imwrite(data, pixels, **options)
    return data.getvalue()


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_grey_tiff_of_sixteen_bits_that_stores_ink_is_turned_around(compression: str | None) -> None:
    ink = 65535 - np.linspace(0, 65535, 12 * 20).reshape(12, 20).astype(np.uint16)
    read = read_picture(tiff(ink, photometric="miniswhite", compression=compression), LIMITS)
    np.testing.assert_allclose(read.image[..., 0], (65535 - ink) / 257, atol=1)


def test_planes_of_sixteen_bits_are_read_right_or_refused() -> None:
    wide = scene().astype(np.uint16) * 257
    planes = np.ascontiguousarray(np.moveaxis(wide, -1, 0))
    packed = tiff(planes, photometric="rgb", planarconfig="separate", compression="zlib")
    np.testing.assert_array_equal(read_picture(packed, LIMITS).image, scene())
    with pytest.raises(UnsupportedImageTypeError, match="separate planes"):
        read_picture(tiff(planes, photometric="rgb", planarconfig="separate"), LIMITS)


@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_a_tiff_of_other_values_is_named_and_not_called_broken(kind: type) -> None:
    with pytest.raises(UnsupportedImageTypeError, match="TIFF of values"):
        read_picture(tiff(scene().astype(kind), photometric="rgb"), LIMITS)


def test_a_turned_tiff_keeps_its_densities_and_what_it_tells_of_the_photo() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 0.0)})
    lying = np.ascontiguousarray(np.rot90(scene()))
    read = read_picture(saved(lying, "TIFF", exif=exif.tobytes(), dpi=(300, 150)), LIMITS)
    np.testing.assert_array_equal(read.image, scene())
    assert read.density == (5906, 11811)
    kept = Image.Exif()
    kept.load(exif_to_keep(read.exif))
    assert kept[ExifTags.Base.Make] == "Maker" and kept.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    assert exif_to_keep(read_picture(saved(scene(), "TIFF"), LIMITS).exif) == b""


def test_a_mask_in_a_gif_is_read_like_any_other() -> None:
    mask = np.where(scene()[..., 0] > 127, 255, 0).astype(np.uint8)
    picture = read_picture(saved(Image.fromarray(mask), "GIF"), LIMITS, as_data=True)
    np.testing.assert_array_equal(picture.image[..., 0], mask)


def test_an_mpo_is_its_first_jpeg() -> None:
    plain = read(saved(scene(), "JPEG"))
    both = read(saved(scene(), "MPO", save_all=True, append_images=[Image.fromarray(255 - scene())]))
    assert both.format == "jpeg"
    np.testing.assert_array_equal(both.image, plain.image)


@pytest.mark.parametrize("tail", [b"\0" * 1_000_000, b"PK\x05\x06" + b"\0" * 18, b"\xff\xd8\xff\xe0"])
def test_bytes_behind_a_jpeg_do_not_matter(tail: bytes) -> None:
    data = saved(scene(), "JPEG")
    np.testing.assert_array_equal(read(data + tail).image, read(data).image)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP"])
@pytest.mark.parametrize("part", [0.05, 0.25, 0.5, 0.9, 0.99])
def test_a_file_that_ends_too_early_is_corrupt(kind: str, part: float) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    data = saved(noise, kind)
    with pytest.raises(ImageCorruptError):
        read(data[: int(len(data) * part)])


def test_a_jpeg_without_its_end_marker_is_corrupt() -> None:
    with pytest.raises(ImageCorruptError):
        read(saved(scene(), "JPEG")[:-2])


def test_a_damaged_checksum_is_corrupt() -> None:
    data = bytearray(saved(scene(), "PNG"))
    data[29] ^= 1  # IHDR's
    with pytest.raises(ImageCorruptError):
        read(bytes(data))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (1, 10_000), (10_000, 1), (1, 16_384), (16_384, 1)])
def test_extreme_shapes_are_pictures(height: int, width: int) -> None:
    np.testing.assert_array_equal(read(saved(scene(height, width), "PNG")).image, scene(height, width))


@pytest.mark.parametrize(("height", "width"), [(1, 16_385), (16_385, 1)])
def test_one_pixel_more_is_too_many(height: int, width: int) -> None:
    with pytest.raises(TooManyPixelsError):
        read(saved(scene(height, width), "PNG"))


def test_exactly_the_limit_is_decoded() -> None:
    line = b"\xaa" * 1250
    picture = read(png([line] * 5_000, 10_000, 1, 0))
    assert picture.image.shape == (5_000, 10_000, 3)
    assert (picture.image[:, ::2] == 255).all()


def test_our_limit_decides_and_not_the_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for kind in ("PNG", "JPEG"):
        assert read(saved(scene(), kind)).image.shape == (24, 40, 3)


def test_a_second_header_cannot_change_the_size() -> None:
    data = PNG_SIGNATURE + header_chunk(8, 8, 8, 2) + header_chunk(16_000, 16_000, 8, 2)
    with pytest.raises(ImageCorruptError):
        read(data + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))


def test_a_jpeg_that_lies_about_its_size_is_corrupt() -> None:
    with pytest.raises(ImageCorruptError):
        read(jpeg_claiming(5000, 5000, saved(scene(), "JPEG")))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * 70_000_000)),
        chunk(b"iCCP", b"p\0\0" + zlib.compress(b"A" * 70_000_000)),
    ],
)
def test_compressed_metadata_that_unfold_without_end_are_corrupt(extra: bytes) -> None:
    with pytest.raises(ImageCorruptError):
        read(png(rows_of(scene()), 40, 8, 2, extra=extra))


@pytest.mark.parametrize("name", [b"exif", b"icc_profile", b"dpi", b"gamma", b"transparency"])
def test_a_text_that_calls_itself_metadata_is_only_text(name: bytes) -> None:
    try:
        picture = read(png(rows_of(scene()), 40, 8, 2, extra=chunk(b"tEXt", name + b"\0nonsense")))
    except ImageCorruptError:
        assert name == b"transparency"
    else:
        np.testing.assert_array_equal(picture.image, scene())


def test_running_out_of_memory_is_not_the_callers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_: object) -> None:
        raise MemoryError

    monkeypatch.setitem(image_io._DECODERS, "png", no_room)
    with pytest.raises(MemoryError):
        read(saved(scene(), "PNG"))


# VmHWM, because ru_maxrss of a new process starts at its parent's.
BOMB = """
import re, sys
from pathlib import Path
from backend.contract.errors import TooManyPixelsError
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture
bomb = bytes.fromhex(sys.argv[1])
def peak_kib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak_kib()
try:
    read_picture(bomb, ImageLimits())
except TooManyPixelsError:
    print(peak_kib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_a_tiny_bomb_is_refused_before_any_room_is_made_for_it() -> None:
    bomb = bytes.fromhex("524946461a000000574542505650384c0e0000002ffebfff0f071011fd0f4444ff03")
    assert read_header(bomb, ImageLimits(10**9, 10**5)) == ImageHeader("webp", 16383, 16383, 8)
    assert len(bomb) == 34  # a flat picture of 16383 × 16383, and valid
    done = subprocess.run([sys.executable, "-c", BOMB, bomb.hex()], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100 * 1024  # KiB; its pixels would take 800 MB


NOISY = """
import sys
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture
read_picture(bytes.fromhex(sys.argv[1]), ImageLimits())
"""


def test_odd_metadata_leave_nothing_on_stderr() -> None:
    long_entry = b"II*\0\x08\0\0\0\x02\0" + b"\x1a\x01\x05\0\xff\0\0\0\xf0\xff\0\0" * 2
    data = saved(scene(), "JPEG", exif=b"Exif\0\0" + long_entry)
    done = subprocess.run([sys.executable, "-c", NOISY, data.hex()], capture_output=True, text=True, check=True)
    assert done.stderr == ""


HEADS = [b"GIF89a", b"BM\0\0\0\0\0\0\0\0", b"II*\0", b"MM\0*\0\0\0\x08", heif(b"heic")[:16], heif(b"avif")[:16]]
SEEDS = [
    saved(scene(), "JPEG"),
    saved(scene(), "JPEG", progressive=True, exif=exif_block(6)),
    saved(scene(), "PNG", icc_profile=display_p3_profile()),
    saved(Image.fromarray(scene()).convert("P"), "PNG", transparency=3),
    saved(Image.new("I;16", (9, 9), 40000), "PNG", exif=exif_block(5)),
    saved(scene(), "WEBP", exif=exif_block(8)),
    saved(np.dstack([scene(), scene()[..., 0]]), "WEBP", lossless=True),
    saved(scene(), "WEBP", save_all=True, append_images=[Image.fromarray(255 - scene())]),
    saved(scene(), "AVIF", exif=exif_block(6)),
    saved(scene(), "AVIF", save_all=True, append_images=[Image.fromarray(255 - scene())]),
    saved(scene(), "TIFF", compression="tiff_lzw", tiffinfo={0x0112: 6}),
    saved(scene(), "GIF", save_all=True, append_images=[Image.fromarray(255 - scene())]),
    saved(scene(), "BMP"),
    heic_files.PLAIN,
    heic_files.TRANSPARENT,
]


def assert_picture_or_callers_error(data: bytes) -> None:
    try:
        picture = read_picture(data, ImageLimits(max_pixels=1_000_000))
    except CallerError:
        return
    height, width = picture.image.shape[:2]
    assert picture.image.dtype == np.uint8
    assert sorted(picture.source_size) == sorted((height, width))
    assert picture.alpha is None or picture.alpha.shape == (height, width)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", PNG_SIGNATURE, b"RIFF\x40\0\0\0WEBP", *HEADS]))
def test_any_bytes_give_a_picture_or_a_callers_error(tail: bytes, head: bytes) -> None:
    assert_picture_or_callers_error(head + tail)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 5000),
)
def test_a_damaged_picture_gives_a_picture_or_a_callers_error(
    seed: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(seed)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    assert_picture_or_callers_error(bytes(damaged[:length]))
