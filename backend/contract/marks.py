"""The marks that a person draws on a mask, as they are sent: strokes of a brush and clicks, each a JSON list.

Coordinates are in pixels of the picture from its top left corner, as a canvas counts them: (0.5, 0.5) is the centre of
the first pixel. They may lie outside of the picture, where a hand often starts.
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

MAX_POINTS = 10_000  # of all strokes together
MAX_CLICKS = 20  # each is a cut of its own
FAR_PX = 100_000.0
Coordinate = Annotated[float, Field(ge=-FAR_PX, le=FAR_PX, allow_inf_nan=False)]
Point = Annotated[tuple[Coordinate, Coordinate], Field(strict=False)]  # JSON has lists only
Mark = TypeVar("Mark")


class _Sent(BaseModel):
    """Base of both kinds of marks."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, value: Any) -> Any:
        # pydantic reports every unknown name, and takes half a second for as many as fit into a field
        if isinstance(value, dict) and len(value) > len(cls.model_fields):
            raise ValueError(f"has {len(value)} names; known are {', '.join(cls.model_fields)}")
        return value


class Stroke(_Sent):
    """One movement of a round brush: a point (`x`, `y`) or a line through `points`."""

    x: Coordinate | None = None
    y: Coordinate | None = None
    points: Annotated[list[Point], Field(min_length=1, fail_fast=True)] | None = None
    radius: float = Field(ge=0.5, le=8192, allow_inf_nan=False, description="px")
    hardness: float = Field(
        1.0, ge=0, le=1, description="1: full up to an antialiased rim; 0: fades from the middle to the rim."
    )
    mode: Literal["add", "remove"]
    filled: bool = Field(False, description="also what the line encloses, closed from its end to its start: a lasso")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        point = self.x is not None and self.y is not None
        if (self.x is None) != (self.y is None) or point == (self.points is not None):
            raise ValueError("needs either x and y, or points")
        return self

    @property
    def path(self) -> list[tuple[float, float]]:
        """The stroke's points; one where it is a dab, the first one again at the end where it is closed."""
        if self.x is not None and self.y is not None:
            return [(self.x, self.y)]
        points = list(self.points or ())
        return [*points, points[0]] if self.filled else points


class Click(_Sent):
    """A place that belongs to the object (`keep`) or does not (`remove`)."""

    x: Coordinate
    y: Coordinate
    mode: Literal["keep", "remove"]


_STROKES = TypeAdapter(Annotated[list[Stroke], Field(max_length=MAX_POINTS, fail_fast=True)])
_CLICKS = TypeAdapter(Annotated[list[Click], Field(max_length=MAX_CLICKS, fail_fast=True)])


def _from_json(value: Any, kind: TypeAdapter[list[Mark]], name: str) -> Any:
    """Return the marks that the text `value` spells out; anything but a text goes on to pydantic as it is."""
    if not isinstance(value, str | bytes):
        return value
    try:
        return kind.validate_json(value)
    except ValidationError as error:
        raise ValueError(_first_complaint(error, name)) from None


def _first_complaint(error: ValidationError, name: str) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return reason
    place = [str(step)[:40] for step in first["loc"][1:]]
    return f"{name} {int(first['loc'][0]) + 1}{': ' + ', '.join(place) if place else ''}: {reason}"


def _read_strokes(value: Any) -> Any:
    strokes = _from_json(value, _STROKES, "stroke")
    if isinstance(strokes, list) and all(isinstance(stroke, Stroke) for stroke in strokes):
        count = sum(len(stroke.path) for stroke in strokes)
        if count > MAX_POINTS:
            raise ValueError(f"there are {count} points in all; at most {MAX_POINTS} are taken")
    return strokes


def _read_clicks(value: Any) -> Any:
    return _from_json(value, _CLICKS, "click")


_SENT_AS = WithJsonSchema({"type": "string", "contentMediaType": "application/json"})
Strokes = Annotated[list[Stroke], BeforeValidator(_read_strokes), _SENT_AS]
Clicks = Annotated[list[Click], BeforeValidator(_read_clicks), _SENT_AS]
