"""The parameters of remove.bg's API as our own options: the words of its clients in, what we can do out."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from backend.contract.options import Color, MatteOptions
from backend.contract.report import MaskReport

# Megapixels of the result by the names of its sizes; what is not here is as large as the photo.
MEGAPIXELS = {"preview": 0.25, "small": 0.25, "regular": 0.25, "medium": 1.5, "hd": 4.0}
LENGTH = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,4})?)(px|%)?")
NUMBER = r"[0-9]{1,5}(\.[0-9]{1,4})?"


def _sides(margins: str) -> str:
    """Return `margins` unless it has no meaning. Raises ValueError."""
    if not 1 <= len(margins.split()) <= 4 or not all(LENGTH.fullmatch(part) for part in margins.split()):
        raise ValueError('a margin is one to four lengths, as "10%" or "30px 10px"')
    return margins


def _with_hash(color: object) -> object:
    return f"#{color}" if isinstance(color, str) and re.fullmatch(r"[0-9a-fA-F]{3}|[0-9a-fA-F]{6}", color) else color


def _percent_of(text: object) -> object:
    """Return "80%" or "original" for the words of `scale` and `position`."""
    return text.strip().lower() if isinstance(text, str) else text


Percent = Annotated[str, BeforeValidator(_percent_of), StringConstraints(pattern=rf"^(original|{NUMBER}%)$")]
Place = Annotated[
    str, BeforeValidator(_percent_of), StringConstraints(pattern=rf"^(original|center|{NUMBER}%( {NUMBER}%)?)$")
]


class RemoveBgOptions(MatteOptions):
    """Options of `/v1.0/removebg`, by remove.bg's own names; `roi` is our own."""

    size: Literal["auto", "preview", "small", "regular", "medium", "hd", "full", "4k", "50MP"] = Field(
        "preview", description="Megapixels of the result: `preview` 0.25, `medium` 1.5, `hd` 4; else the photo's."
    )
    type: Literal[
        "auto", "person", "product", "car", "car_interior", "car_part", "animal", "graphic", "graphics",
        "transportation", "other",
    ] = Field("auto", description="Taken and ignored: whatever is in front is kept.")  # fmt: skip
    type_level: Literal["none", "1", "2", "latest"] = Field(
        "1", description="Nothing is classified here: `X-Type` is `other`, and absent with `none`."
    )
    format: Literal["auto", "png", "jpg", "webp", "zip"] = Field(
        "auto",
        description="`auto`: a PNG where the result is transparent, else a JPEG. `zip`: color.jpg and alpha.png, and "
        "background.jpg where one is named.",
    )
    channels: Literal["rgba", "alpha"] = Field("rgba", description="`alpha`: the mask alone.")
    bg_color: Annotated[Color | None, BeforeValidator(_with_hash)] = Field(
        None, description="Colour behind the object: rgb or rrggbb, with or without #, black, white or transparent."
    )
    crop: bool = Field(False, description="Crop to the object.")
    crop_margin: Annotated[str, AfterValidator(_sides)] = Field(
        "0", description="Room around the object, in px or in % of its size: one to four sides as in CSS."
    )
    scale: Percent = Field("original", description="Share of the picture that the object fills, in %.")
    position: Place = Field("original", description="Where the object is moved: `center`, or % across and down.")
    semitransparency: bool = Field(True, description="`false`: every pixel is there or not.")
    add_shadow: bool = Field(False, description="A soft shadow; needs a background.")


class RemoveBgReport(MaskReport):
    """The report of `/v1.0/removebg`."""

    width: int = Field(description="of the result")
    height: int
    foreground: tuple[int, int, int, int] = Field(description="x0, y0, x1, y1 of the object in the result")


def sides_px(margins: str, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, right, bottom and left of "10%" or "30px 10px" in pixels, for an object of this size."""
    parts = margins.split()
    four = {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 3: (0, 1, 2, 1), 4: (0, 1, 2, 3)}[len(parts)]
    found = []
    for side, which in enumerate(four):
        match = LENGTH.fullmatch(parts[which])
        value = float(match[1]) if match else 0.0
        share = match is not None and match[2] == "%"
        found.append(round(value / 100 * (width if side % 2 else height) if share else value))
    return found[0], found[1], found[2], found[3]


def our_roi(roi: str) -> str:
    """Return "x1 y1 x2 y2", in px or %, as our "x,y,w,h". Raises ValueError."""
    parts = [LENGTH.fullmatch(part) for part in roi.split()]
    if len(parts) != 4 or not all(parts):
        raise ValueError('a roi is "x1 y1 x2 y2", in px or %')
    values = [(float(part[1]), part[2] or "px") for part in parts if part]
    if values[0][1] != values[2][1] or values[1][1] != values[3][1]:
        raise ValueError("both ends of a roi are in px, or both in %")
    left, right = sorted((values[0][0], values[2][0]))
    top, bottom = sorted((values[1][0], values[3][0]))
    lengths = ((left, values[0][1]), (top, values[1][1]), (right - left, values[0][1]), (bottom - top, values[1][1]))
    return ",".join(f"{value:g}{unit}" for value, unit in lengths)


def known_parameters(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that mean something here; others, which a newer client may send, are dropped."""
    names = set(RemoveBgOptions.model_fields) - set(MatteOptions.model_fields) | {"roi"}
    return {name: value for name, value in fields.items() if name in names and value != ""}
