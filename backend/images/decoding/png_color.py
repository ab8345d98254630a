"""A PNG's own words on its colours in, sRGB out: the chunks cICP, gAMA and cHRM, which browsers follow, too.

As the PNG specification ranks them, cICP goes before an embedded profile, a profile before sRGB, that before gAMA.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image

SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # x and y of white, red, green, blue
PRIMARIES = {  # by the numbers of ITU-T H.273
    1: SRGB_PRIMARIES,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
SRGB_CURVE = frozenset({1, 6, 13, 14, 15})  # H.273's transfer functions that screens show as sRGB's
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
PLAIN_GAMMA = (0.43, 0.48)  # a gAMA within is what every screen does anyway
SAME_WITHIN = 0.004  # of a primary's coordinates


@dataclass(frozen=True)
class PngColor:
    """How the stored values become light: `gamma` None is sRGB's own curve."""

    gamma: float | None  # light is the value to this power
    primaries: tuple[float, ...]  # x and y of white, red, green, blue


def read_png_color(data: bytes) -> PngColor | None:
    """Return what the PNG's chunks say of its colours; None where that is sRGB, unknown or left to its profile."""
    found = dict(_chunks(data))
    cicp = found.get(b"cICP", b"")
    if len(cicp) == 4 and cicp[2] == 0 and _is_known(cicp[0], cicp[1]):
        return color_of_cicp(cicp[0], cicp[1])
    if b"iCCP" in found or b"sRGB" in found or len(found.get(b"gAMA", b"")) != 4:
        return None
    stored = int.from_bytes(found[b"gAMA"], "big") / 100_000
    if not 0.05 <= stored <= 5:
        return None
    gamma = None if PLAIN_GAMMA[0] <= stored <= PLAIN_GAMMA[1] else 1 / stored
    places = found.get(b"cHRM", b"")
    primaries: tuple[float, ...] = SRGB_PRIMARIES
    if len(places) == 32:
        given = tuple(int.from_bytes(places[k : k + 4], "big") / 100_000 for k in range(0, 32, 4))
        primaries = given if _is_a_triangle(given) else SRGB_PRIMARIES
    return _unless_srgb(gamma, primaries)


def color_of_cicp(primaries: int, transfer: int) -> PngColor | None:
    """Return the colours that two numbers of ITU-T H.273 name; None where that is sRGB or unknown."""
    return _unless_srgb(GAMMAS.get(transfer), PRIMARIES[primaries]) if _is_known(primaries, transfer) else None


def _is_known(primaries: int, transfer: int) -> bool:
    return primaries in PRIMARIES and (transfer in SRGB_CURVE or transfer in GAMMAS)


def png_to_srgb(image: Image, color: PngColor) -> Image:
    """Return `image` ((H, W, 3) uint8 RGB) with its values as sRGB."""
    values = np.arange(256, dtype=np.float64) / 255
    light = _srgb_light(values) if color.gamma is None else values**color.gamma
    if color.primaries == SRGB_PRIMARIES:
        table = np.rint(255 * _srgb_value(light)).astype(np.uint8)
        return np.asarray(table[image])
    matrix = (np.linalg.inv(_to_xyz(SRGB_PRIMARIES)) @ _to_xyz(color.primaries)).astype(np.float32)
    table = light.astype(np.float32)
    out = np.empty_like(image)
    for top in range(0, len(image), 256):  # in strips: float light of a whole photo is large
        linear = np.clip(table[image[top : top + 256]] @ matrix.T, 0, 1)
        out[top : top + 256] = np.rint(255 * _srgb_value(linear)).astype(np.uint8)
    return out


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the chunks before the pixels."""
    position = 8
    for _ in range(1000):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if len(kind) < 4 or kind in (b"IDAT", b"IEND"):
            return
        if kind in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"):
            yield kind, data[position + 8 : position + 8 + min(length, 64)]
        position += 12 + length


def _unless_srgb(gamma: float | None, primaries: tuple[float, ...]) -> PngColor | None:
    if np.abs(np.subtract(primaries, SRGB_PRIMARIES)).max() < SAME_WITHIN:
        primaries = SRGB_PRIMARIES
    return None if gamma is None and primaries == SRGB_PRIMARIES else PngColor(gamma, primaries)


def _is_a_triangle(primaries: tuple[float, ...]) -> bool:
    points = np.array(primaries).reshape(4, 2)
    sides = points[2:] - points[1]
    area = abs(float(sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0]))
    return bool((points > 0.001).all() and (points < 1).all() and area > 0.01)


def _to_xyz(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the (3, 3) matrix from linear RGB to XYZ, white at the same white for all."""
    columns = [np.array((x / y, 1, (1 - x - y) / y)) for x, y in zip(primaries[2::2], primaries[3::2], strict=True)]
    matrix = np.stack(columns, axis=1)
    x, y = SRGB_PRIMARIES[:2]
    white = np.array((x / y, 1, (1 - x - y) / y))
    return np.asarray(matrix * np.linalg.solve(matrix, white))


def _srgb_light(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4))


def _srgb_value(light: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055))
