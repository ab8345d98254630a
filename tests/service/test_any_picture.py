"""Any bytes into the gate, any picture through the mask: an answer or one of our own errors, and the right size."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from backend.contract.errors import CallerError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Work
from backend.engines.registry import Engines
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture
from backend.workers.perform import perform
from tests.helpers import picture_files as made
from tests.helpers.examples import share_of
from tests.helpers.stub_networks import stub_networks

LIMITS = ImageLimits(max_pixels=1_000_000, max_side_px=4096)
SCENE = made.scene()
GOOD = [
    made.saved(SCENE, "JPEG"),
    made.saved(SCENE, "JPEG", progressive=True),
    made.saved(SCENE, "PNG"),
    made.interlaced_png(SCENE),
    made.saved(Image.fromarray(SCENE).convert("P"), "PNG", transparency=3),
    made.saved(SCENE, "WEBP", lossless=True),
    made.saved(SCENE, "WEBP", exif=b"Exif\0\0" + made.exif_block(6)),
]
QUICK = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=5000)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    folder = tmp_path_factory.mktemp("networks")
    stub_networks(folder)
    yield Engines(Settings(checkpoints_dir=folder, threads=1))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file with bytes changed, cut out, doubled or put in at a few places, or cut short."""
    data = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        few = draw(st.binary(min_size=1, max_size=8))
        end = at + draw(st.sampled_from([0, 1, len(few), 64]))
        data[at:end] = draw(st.sampled_from([few, b"", bytes(data[at:end]) * 2, b"\xff" * 4, b"\0" * 4]))
        if not data:
            break
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


def through_the_gate(data: bytes) -> None:
    """Assert that the gate gives a picture that keeps its promises, or raises one of the caller's errors."""
    try:
        picture = read_picture(data, LIMITS)
    except CallerError:
        return
    height, width = picture.image.shape[:2]
    assert picture.image.dtype == np.uint8
    assert picture.image.shape == (height, width, 3)
    assert {height, width} == set(picture.source_size)
    assert height * width <= LIMITS.max_pixels
    assert picture.alpha is None or picture.alpha.shape == (height, width)


@QUICK
@given(st.one_of(st.binary(max_size=2000), damaged()))
def test_any_bytes_pass_the_gate_or_are_the_callers_fault(data: bytes) -> None:
    through_the_gate(data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(LONG, max_examples=share_of(50_000))
@given(st.one_of(st.binary(max_size=2000), damaged()))
def test_tens_of_thousands_of_files_pass_the_gate_or_are_the_callers_fault(data: bytes) -> None:
    through_the_gate(data)


@st.composite
def scenes(draw: st.DrawFn) -> NDArray[np.uint8]:
    """A picture of any small size: flat, noisy, striped, or with a box of another colour somewhere."""
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ground, thing = rng.integers(0, 256, (2, 3))
    image = np.full((height, width, 3), ground, np.uint8)
    y, x = rng.integers(0, height), rng.integers(0, width)
    image[y : y + rng.integers(1, 70), x : x + rng.integers(1, 70)] = thing
    what = draw(st.sampled_from(["box", "flat", "noise", "stripes", "faint"]))
    if what == "flat":
        image[:] = ground
    elif what == "noise":
        image = rng.integers(0, 256, image.shape).astype(np.uint8)
    elif what == "stripes":
        image[::2] = 255 - image[::2]
    elif what == "faint":
        image = np.clip(image.astype(int) // 8 + rng.integers(0, 2, image.shape), 0, 255).astype(np.uint8)
    return image


OPTIONS = st.fixed_dictionaries({
    "model": st.sampled_from(["stub", "border"]),
    "quality": st.sampled_from(["fast", "balanced", "best"]),
    "feather_px": st.sampled_from([0.0, 1.5, 100.0]),
    "multi_scale": st.booleans(),
})  # fmt: skip


def mask_of(data: bytes, engines: Engines, options: dict[str, object]) -> NDArray[np.uint8]:
    done = perform(Work("remove-bg", {"file": data}, MaskOptions(**options)), engines, lambda stage: None)  # type: ignore[arg-type]
    mask = Image.open(io.BytesIO(done.files[0].data))
    assert (mask.format, mask.mode) == ("PNG", "L")
    return np.asarray(mask)


def lossless_twins(image: NDArray[np.uint8]) -> list[bytes]:
    """Return the same pixels in other containers."""
    return [
        made.saved(image, "PNG", compress_level=1),
        made.interlaced_png(image),
        made.saved(image, "WEBP", lossless=True, exact=True),
    ]


def has_the_right_mask(
    image: NDArray[np.uint8], orientation: int, options: dict[str, object], engines: Engines
) -> None:
    turned = made.saved(made.stored_as(image, orientation), "PNG", exif=b"Exif\0\0" + made.exif_block(orientation))
    mask = mask_of(turned, engines, options)
    assert mask.shape == image.shape[:2]
    for twin in lossless_twins(image):
        np.testing.assert_array_equal(mask_of(twin, engines, options), mask)


@settings(QUICK, max_examples=25)
@given(image=scenes(), orientation=st.integers(1, 8), options=OPTIONS)
def test_any_picture_has_a_mask_of_its_upright_size_whatever_it_is_stored_in(
    engines: Engines, image: NDArray[np.uint8], orientation: int, options: dict[str, object]
) -> None:
    has_the_right_mask(image, orientation, options, engines)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(LONG, max_examples=share_of(1500))
@given(image=scenes(), orientation=st.integers(1, 8), options=OPTIONS)
def test_hundreds_of_pictures_have_a_mask_of_their_upright_size_whatever_they_are_stored_in(
    engines: Engines, image: NDArray[np.uint8], orientation: int, options: dict[str, object]
) -> None:
    has_the_right_mask(image, orientation, options, engines)
