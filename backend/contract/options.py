"""The options of each kind of work, defined once: HTTP, the command line and Python read the same fields."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)  # fmt: skip

from backend.contract.coco import CLASSES
from backend.contract.errors import InvalidParameterError
from backend.contract.marks import Clicks, Strokes
from backend.contract.mesh_engines import MESH_ENGINES
from backend.contract.mesh_formats import MESH_FORMATS, Up
from backend.contract.mesh_presets import MESH_PRESETS
from backend.contract.picture_formats import PICTURE_FORMATS

Strategy = Literal["auto", "depth_guided", "intersection", "union", "segmentation"]
if TYPE_CHECKING:
    EngineName = str
    Format = str
    OutputFormat = str
    Preset = str
else:  # pydantic, OpenAPI and argparse take their choices from these
    EngineName = Literal[("auto", *MESH_ENGINES)]
    Format = Literal[tuple(MESH_FORMATS)]
    OutputFormat = Literal[tuple(PICTURE_FORMATS)]
    Preset = Literal[tuple(MESH_PRESETS)]
FUSION = "How to fuse segmentation and depth; without depth weights only segmentation is used."
HEIGHTS = ("height_mm", "height_m")
COLOR = r"^(#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|black|white|transparent)$"
NAMED_COLORS = {"black": "#000000", "white": "#ffffff"}


def _formats_by_unit() -> dict[str, list[str]]:
    units: dict[str, list[str]] = {}
    for name, row in MESH_FORMATS.items():
        units.setdefault(row.unit, []).append(name)
    return units


def _listed(options: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={str(value).lower()}" for name, value in options.items())


def _tidy(color: object) -> object:
    return color.strip().lower() if isinstance(color, str) else color


def _six_digits(color: str) -> str:
    color = NAMED_COLORS.get(color, color)
    return "#" + "".join(2 * digit for digit in color[1:]) if len(color) == 4 else color


Shadow = Literal["none", "soft", "contact"]
SHADOW = (
    "A shadow drawn behind the object: `soft` lies on a wall behind it, down and to the right; `contact` on the floor "
    "below it."
)
Color = Annotated[str, BeforeValidator(_tidy), StringConstraints(pattern=COLOR), AfterValidator(_six_digits)]


LENGTH = r"\d{1,5}(\.\d{1,4})?(px|%)?"
Roi = Annotated[
    str,
    BeforeValidator(lambda value: value.replace(" ", "").lower() if isinstance(value, str) else value),
    StringConstraints(pattern=rf"^{LENGTH}(,{LENGTH}){{3}}$"),
]


def roi_box(roi: str, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the box (x0, y0, x1, y1) of `roi`, "x,y,w,h", in a picture of this size, cut at its frame.

    Raises InvalidParameterError where nothing of the picture is in it.
    """
    left, top, across, down = (
        float(part.removesuffix("%").removesuffix("px")) * (full / 100 if part.endswith("%") else 1)
        for part, full in zip(roi.split(","), (width, height, width, height), strict=True)
    )
    x0, y0 = round(left), round(top)
    x1, y1 = min(width, round(left + across)), min(height, round(top + down))
    if x0 >= x1 or y0 >= y1:
        raise InvalidParameterError(
            f"The roi holds nothing of the picture, which is {width} × {height} pixels.", parameter="roi"
        )
    return x0, y0, x1, y1


class WorkOptions(BaseModel):
    """Options of every kind of work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    debug: bool = Field(False, description="Answer with a zip: the result, report.json and every intermediate picture.")


class MatteOptions(WorkOptions):
    """Options of finding the object and cutting it out; masks and meshes share them."""

    model: str = Field(
        "auto",
        max_length=64,
        pattern=r"^(rembg:)?[a-z0-9][a-z0-9._-]*$",
        description="Segmenter by name (see /models); `auto`: the best one whose weights are on this machine; "
        "`rembg:NAME`: a session of rembg.",
    )
    quality: Literal["fast", "balanced", "best"] = Field(
        "balanced",
        description="How much work goes into the matte: `fast` only fits the edge, `best` goes along the outline once "
        "more and closer, which shows on large pictures.",
    )
    refiner: Literal["learned", "classic"] = Field(
        "learned",
        description="What finds the outline at `balanced` and `best`: our small network, or colours and edges.",
    )
    multi_scale: bool = Field(
        False, description="Run the segmentation network at three scales and take the median: slower, fewer mistakes."
    )
    holes: Literal["auto", "keep", "fill", "open"] | None = Field(
        None,
        description="Areas that the object encloses: `keep` leaves them as the segmenter found them, `fill` closes "
        "them, `open` opens all in the backdrop's colour; `auto`: a ring's hole is open, a white label is printed on "
        "the box. Unset: as the service is set up (HOLES).",
    )
    refine: bool = Field(
        False, description="Refine a `mask` that you send, as `quality` says; `false`: it is used as it is."
    )
    roi: Roi | None = Field(
        None,
        description="Where the object is, as `x,y,w,h` from the top left corner, in pixels or in percent "
        "(`10%,20%,50%,50%`): it is searched there alone, and the rest is background.",
        examples=["120,80,640,480"],
    )
    use_alpha: bool = Field(
        True, description="Use the picture's own transparency, if any, as the mask; `false`: always segment."
    )
    score_threshold: float = Field(
        0.5, ge=0.05, le=1, description="Mask R-CNN only: minimum confidence of a detected object."
    )
    classes: str = Field(
        "",
        max_length=1024,
        description="Mask R-CNN only: COCO classes to keep, as `dog, wine glass`; empty: all 80.",
    )
    instances: Literal["main", "all"] | Annotated[int, Field(ge=1, le=100)] = Field(
        "main",
        description="`main`: the most prominent object with its parts and its twins; `all`: all that was found; or a "
        "number of objects, the most prominent first.",
    )
    cloth: Literal["attire", "upper", "lower", "full"] = Field(
        "attire", description="`rembg:u2net_cloth_seg` only: all clothes, or those of one part of the body."
    )
    points: Clicks = Field(
        [],
        description="`rembg:sam` only: JSON list of places {x, y, mode} in pixels: `keep` on the object, `remove` off "
        "it; none: the picture's middle.",
        examples=['[{"x": 120, "y": 80, "mode": "keep"}]'],
    )
    matting: Literal["own", "rembg"] = Field(
        "own", description="What makes the soft edge: our own edge stage, or rembg's alpha matting (seconds slower)."
    )
    strategy: Strategy | None = Field(None, description=f"{FUSION} Unset: as the service is set up (STRATEGY).")
    depth_percentile: Annotated[float, Field(ge=1, le=99)] | Literal["auto"] = Field(
        35.0,
        description="Share of the depth range, in percent, that `intersection` and `union` count as background; "
        "`auto`: at the valley of the histogram.",
    )
    feather_px: float = Field(0.0, ge=0, le=100, description="Soften the matte's edge over this many pixels.")

    @field_validator("classes")
    @classmethod
    def _are_known(cls, classes: str) -> str:
        unknown = sorted(set(split_classes(classes)) - CLASSES)
        if unknown:
            raise ValueError(f"COCO has no {unknown[0][:40]!r}; it has {', '.join(sorted(CLASSES))}")
        return ", ".join(split_classes(classes))


def split_classes(classes: str) -> list[str]:
    """Return the names in a comma-separated list, in lower case."""
    return [name for part in classes.split(",") if (name := " ".join(part.lower().split()))]


class MaskOptions(MatteOptions):
    """Options of `/remove-bg`."""

    mode: Literal["object", "document"] = Field(
        "object", description="`document`: keep the ink of a signature, a stamp or writing and remove the paper."
    )
    edges: Literal["auto", "soft", "sharp"] = Field(
        "auto", description="`sharp` cuts the alpha at one half to 0 or 255; `auto`: soft, and sharp for a document."
    )
    strategy: Strategy = Field("segmentation", description=FUSION)
    output: Literal["mask", "cutout"] | None = Field(
        None,
        description="`mask`: 8-bit grey, white on the object (the default). `cutout`: the object in colour, RGBA, or "
        "on `background` when one is given.",
    )
    background: Color | None = Field(
        None,
        description="Colour behind the cutout, #rrggbb, #rgb, black, white or transparent; implies `output=cutout`.",
    )
    shadow: Shadow = Field("none", description=SHADOW + " Needs a `background`; cropped tightly, little of it is left.")
    output_format: OutputFormat = Field(
        "png",
        description="The file's format. "
        + "; ".join(f"`{name}`: {row.about}" for name, row in PICTURE_FORMATS.items())
        + ".",
    )
    output_quality: int = Field(90, ge=1, le=100, description="Quality of a JPEG, WebP or AVIF.")
    keep_metadata: bool = Field(
        False,
        description="Copy the photo's EXIF into the file, also where and when it was taken; not its orientation, which "
        "is in the pixels, nor its thumbnail.",
    )
    crop: bool = Field(False, description="Crop the result to the object.")
    margin: float = Field(
        0.0, ge=0, le=1, description="Margin around the crop, as a share of the object's longer side; needs `crop`."
    )

    @field_validator("background")
    @classmethod
    def _has_a_cutout_to_lie_behind(cls, background: str | None, others: ValidationInfo) -> str | None:
        if background is not None and others.data.get("output") == "mask":
            raise ValueError("a mask has no background; use output=cutout")
        return background

    @field_validator("shadow")
    @classmethod
    def _has_something_to_fall_on(cls, shadow: str, others: ValidationInfo) -> str:
        if shadow != "none" and others.data.get("background") in (None, "transparent"):
            raise ValueError("it needs a colour to fall on; name a background, for example background=white")
        return shadow

    @field_validator("output_format")
    @classmethod
    def _can_hold_the_result(cls, output_format: str, others: ValidationInfo) -> str:
        output, background = others.data.get("output"), others.data.get("background")
        clear = background == "transparent" or (output == "cutout" and background is None)
        if clear and not PICTURE_FORMATS[output_format].transparent:
            whole = ", ".join(name for name, row in PICTURE_FORMATS.items() if row.transparent)
            raise ValueError(
                f"a {output_format.upper()} has no transparency; name a background, for example background=white, or "
                f"another format: {whole}"
            )
        return output_format

    @property
    def wants_sharp_edges(self) -> bool:
        return self.edges == "sharp" or (self.edges == "auto" and self.mode == "document")

    @property
    def wants_cutout(self) -> bool:
        return self.output == "cutout" or self.background is not None

    @property
    def color_behind(self) -> str | None:
        """#rrggbb behind the cutout, None where it stays transparent."""
        return None if self.background == "transparent" else self.background


class MeshFileOptions(WorkOptions):
    """How the file of a mesh is made: the options of `/convert-mesh`, and a part of those of `/generate-mesh`."""

    preset: Preset | None = Field(
        None,
        description="What the file is for. It sets what is not given by name: "
        + "; ".join(f"`{name}`: {_listed(row.options)}" for name, row in MESH_PRESETS.items())
        + ".",
    )
    format: Format = Field(
        "glb",
        description="The file's format. "
        + "; ".join(f"`{name}`: {row.about}" for name, row in MESH_FORMATS.items())
        + ".",
    )
    up: Up | None = Field(
        None, description="The file's up axis: y as in glTF, z as in Blender; unset: z in a 3MF, else y."
    )
    pivot: Literal["own", "foot", "centre"] = Field(
        "own",
        description="Where the file's origin is: `foot`, under the object's middle at its lowest point; `centre`, in "
        "its middle; `own`, where the engine or the converted file has it.",
    )
    height_mm: float | None = Field(
        None,
        ge=0.1,
        le=1e6,
        description="How high the object is, in mm; unset: about 1.2 units long, 100 mm high in a 3MF. A file's "
        "numbers are then "
        + "; ".join(f"{unit} in {', '.join(names)}" for unit, names in _formats_by_unit().items())
        + ".",
    )
    height_m: float | None = Field(None, ge=1e-4, le=1000, description="The same in metres; give one of the two.")
    target_faces: int | None = Field(
        None,
        ge=100,
        le=2_000_000,
        description="At most this many faces; unset: 12,000 by `form` and `relief`, all by TripoSR and of a converted "
        "file.",
    )
    shading: Literal["lit", "unlit"] | None = Field(
        None,
        description="GLB only. `unlit` shows the photo's colours as they are: its own light is not lit a second time; "
        "unset: as the converted file has it, else `lit`.",
    )

    flat_foot: bool = Field(
        False, description="Press the lowest hundredth of the height flat, so that a print stands on it."
    )
    texture: Literal["auto", "vertex", "baked"] = Field(
        "auto",
        description="Colours as a texture (`baked`) or per vertex (`vertex`); `auto`: the engine's default, or as the "
        "converted file has them.",
    )
    texture_px: int | None = Field(
        None, ge=64, le=4096, description="Longer side of the texture at most; unset: as it was made."
    )
    texture_quality: int = Field(99, ge=1, le=100, description="Quality of the texture in a GLB and a USDZ.")
    texture_format: Literal["jpeg", "webp"] = Field(
        "jpeg", description="GLB only. `webp` has half the bytes of a JPEG that looks the same (EXT_texture_webp)."
    )
    quantize: bool = Field(
        False,
        description="GLB only. Store vertices in 16 and normals in 8 bits (KHR_mesh_quantization): a shape of fewer "
        "bytes that looks the same.",
    )

    @model_validator(mode="before")
    @classmethod
    def _preset_sets_what_is_not_given(cls, given: Any) -> Any:
        name = given.get("preset") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in MESH_PRESETS:
            return given
        sized = any(given.get(height) is not None for height in HEIGHTS)
        preset = MESH_PRESETS[name].options.items()
        return {
            key: value for key, value in preset if key in cls.model_fields and not (sized and key in HEIGHTS)
        } | given

    @field_validator("height_m")
    @classmethod
    def _is_the_only_height(cls, height_m: float | None, others: ValidationInfo) -> float | None:
        if height_m is not None and others.data.get("height_mm") is not None:
            raise ValueError("give the height in mm or in m, not both")
        return height_m

    @property
    def file_up(self) -> Up:
        """The file's up axis."""
        return self.up or MESH_FORMATS[self.format].up

    @property
    def height(self) -> float | None:
        """How high the object is in metres; None where no height was asked for."""
        return self.height_m if self.height_mm is None else self.height_mm / 1000


class MeshOptions(MeshFileOptions, MatteOptions):
    """Options of `/generate-mesh`."""

    engine: EngineName = Field(
        "auto", description="Mesh engine; `auto`: TripoSR where its weights are on this machine, else `form`."
    )
    foreground_ratio: float = Field(
        0.85,
        ge=0.5,
        le=1.0,
        description="The object's longer side as a share of the framed picture; the size of the mesh stays.",
    )
    resolution: int = Field(256, ge=32, le=512, description="Lattice points per side for TripoSR's surface.")
    threshold: float = Field(25.0, gt=0, le=1000, description="Density on TripoSR's surface (the isovalue).")
    smooth: bool = Field(False, description="Smooth TripoSR's triangles; vertices stay on its surface.")
    project_photo: bool = Field(
        False, description="Project the photo's colours onto the part of TripoSR's surface that the camera saw."
    )
    depth_guide: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="How far TripoSR's surface is bent so that its front agrees with the depth map: 0 not at all, 1 "
        "all the way. Needs the depth network's weights.",
    )


class EditOptions(WorkOptions):
    """Options of `/edit-mask`."""

    strokes: Strokes = Field(
        default_factory=list,
        description="JSON list of brush strokes, applied in order: {x, y, radius, hardness, mode}, or points: [[x, y], "
        "…] instead of x and y. Pixels from the top left corner; hardness 0 to 1; mode `add` or `remove`; "
        "filled `true`: also what the line encloses. At most 10,000 points.",
        examples=['[{"points": [[40, 60], [90, 65]], "radius": 12, "hardness": 0.8, "mode": "add"}]'],
    )
    refine: bool = Field(False, description="Snap the strokes to the photo's edges; needs `file`.")
    clicks: Clicks = Field(
        default_factory=list,
        description="JSON list of points {x, y, mode}: `keep` adds the part there to the object, `remove` removes "
        "it, before any stroke; needs `file`. At most 20.",
        examples=['[{"x": 120, "y": 80, "mode": "keep"}]'],
    )


class BackgroundOptions(WorkOptions):
    """Options of `/add-background`."""

    color: Color | None = Field(
        None,
        description="Colour behind the object, #rrggbb, #rgb, black, white or transparent; with a picture, in the area "
        "that it does not cover.",
    )
    color_to: Color | None = Field(None, description="Colour into which `color` passes over the frame: a gradient.")
    gradient: Literal["down", "across", "round"] = Field(
        "down",
        description="The way of the gradient to `color_to`: from the top, from the left, or from the middle.",
    )
    blur: float | None = Field(
        None,
        ge=0.004,
        le=0.1,
        description="Blur the picture behind the object by this standard deviation, as a share of its longer side. "
        "Without `background` and `color` it is the photo's own, for a `file` with its `mask`: the object is taken out "
        "of it before.",
    )
    fit: Literal["cover", "contain", "stretch"] = Field(
        "cover",
        description="How the background picture fills the frame: `cover` crops it, `contain` shows all of it, "
        "`stretch` changes its aspect ratio.",
    )
    shadow: Shadow = Field("none", description=SHADOW)
    width_px: int | None = Field(
        None, ge=16, le=16_384, description="Width of the result; unset: the picture's. Give both sides or neither."
    )
    height_px: int | None = Field(None, ge=16, le=16_384, validate_default=True, description="Height of the result.")
    margin: float | None = Field(
        None,
        ge=0,
        le=0.45,
        description="Fit the object into the result, in its middle, with at least this much room on each side, as a "
        "share of the result's shorter side. Unset: the whole picture is fitted, so the object keeps its place.",
    )
    scale: float = Field(1.0, ge=0.05, le=8, description="Size of the object in relation to that, around its middle.")
    shift_x: float = Field(
        0.0, ge=-1, le=1, description="How far the object is moved to the right, as a share of the result's width."
    )
    shift_y: float = Field(
        0.0, ge=-1, le=1, description="How far the object is moved down, as a share of the result's height."
    )
    format: OutputFormat = Field("png", description="The file's format.")
    quality: int = Field(92, ge=1, le=100, description="Quality of a JPEG, WebP (100: without loss) or AVIF.")

    @field_validator("color_to")
    @classmethod
    def _passes_from_colour_to_colour(cls, color_to: str | None, others: ValidationInfo) -> str | None:
        if color_to is not None and "transparent" in (color_to, others.data.get("color") or "transparent"):
            raise ValueError("a gradient passes from one colour to another; name both, `color` and `color_to`")
        return color_to

    @field_validator("height_px")
    @classmethod
    def _is_one_of_two_sides(cls, height_px: int | None, others: ValidationInfo) -> int | None:
        if "width_px" in others.data and (height_px is None) != (others.data["width_px"] is None):
            raise ValueError("give both sides of the result, width_px and height_px, or neither")
        return height_px

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the result in pixels; None where none was asked for."""
        return None if self.width_px is None or self.height_px is None else (self.height_px, self.width_px)


def invalid_option(error: ValidationError) -> InvalidParameterError:
    """Return the first error as one sentence that names the option."""
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    name = str(first["loc"][0])[:40] if first["loc"] else ""  # what follows the name is which form of it was tried
    reason = first["msg"].removeprefix("Value error, ")
    for other in others:  # an option with two forms, as `instances`, has one error for each
        where = other["loc"]
        if len(first["loc"]) == len(where) == 2 and where[0] == first["loc"][0] and isinstance(where[1], str):
            reason += f"; or: {other['msg']}"
    if first["type"] == "string_pattern_mismatch" and COLOR in reason:
        reason = "write a colour as #rrggbb, #rgb, black, white or transparent, for example #ffffff"
    if first["type"] == "string_pattern_mismatch" and name == "roi":
        reason = "write it as x,y,w,h, in pixels or percent, for example 120,80,640,480"
    if first["type"] == "extra_forbidden":
        return InvalidParameterError(f"There is no option `{name}`.", parameter=name)
    return InvalidParameterError(
        f"The option `{name}`: {reason}." if name else f"{reason}.", parameter=name or "options"
    )
