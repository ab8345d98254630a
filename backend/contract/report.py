"""The report of a result: the same over HTTP, in a job, in the debug bundle and from the command line.

OpenAPI takes its schema from these models. A stage fills its part; the pipeline puts the parts together.
"""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.contract.versions import versions

if TYPE_CHECKING:
    from backend.contract.trace import Trace

Grade = Literal["A", "B", "C", "D", "E"]
GRADES: tuple[tuple[int, Grade], ...] = ((85, "A"), (70, "B"), (55, "C"), (40, "D"))  # the least points of each
MAX_POINTS_IN_DOUBT = 69  # the highest points of a C


def grade_of(points: float) -> Grade:
    """Return the grade of 0 to 100 points."""
    return next((grade for least, grade in GRADES if points >= least), "E")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _OpenPart(_Part):
    """A part to which each engine adds figures of its own."""

    model_config = ConfigDict(frozen=True, extra="allow")


class ImageReport(_Part):
    """The picture that came in."""

    format: str = Field(examples=["jpeg"])
    width: int = Field(description="upright, in pixels")
    height: int
    stored_width: int = Field(description="before the EXIF turn")
    stored_height: int
    has_transparency: bool
    bytes: int | None = Field(None, description="size of the file; absent for an array")
    mode: str | None = Field(None, description="colour mode as stored", examples=["RGB"])
    bit_depth: int | None = None
    orientation: int | None = Field(None, description="EXIF, 1 to 8")
    frames: int | None = Field(None, description="pictures in the file; the first one is used")
    color_profile: str | None = Field(None, description="what was done with the embedded profile")


class StageTime(_Part):
    """One finished stage."""

    name: str = Field(examples=["segment"])
    seconds: float
    device: str = Field(examples=["cpu"])


class ModelUse(_Part):
    """A model that took part, with its licence."""

    id: str
    licence: str
    commercial_use: bool


class SegmenterReport(_OpenPart):
    """The engine that found the object, with figures of its own."""

    name: str = Field(description="a segmenter's name, `own-mask` or `own-alpha`")


class Scorecard(_Part):
    """The quality of the matte in figures. Shares lie in [0, 1]; pixels are the photo's."""

    found: bool
    grade: Grade
    points: int = Field(ge=0, le=100, description="the grade is made of them")
    doubted: bool = Field(description="the segmenter itself distrusts this mask and says why in the advice")
    confidence_mean: float = Field(description="|2 alpha - 1| over the pixels that are not clear background")
    confidence_deviation: float
    coverage: float = Field(description="the object's share of the picture")
    box_efficiency: float = Field(description="the object's share of its bounding box")
    edge_sharpness: float = Field(description="1: transitions of at most two pixels; 0.5: of four")
    soft_edge_share: float = Field(description="share of the object's pixels that are neither opaque nor clear")
    parts: int
    holes: int
    touches: tuple[str, ...] = Field(description="the sides of the frame that the object runs into")
    offset_px: tuple[float, float] = Field(description="centre of mass from the picture's centre: right, down")
    offset_percent: float = Field(description="its length in percent of the picture's half diagonal")
    advice: tuple[str, ...] = Field(description="a sentence for each reason that took points")


class FusionReport(_Part):
    """The fusion of segmentation and depth, with its reasons."""

    asked: str = Field(description="the strategy that was asked for")
    strategy: str = Field(description="the strategy that was used")
    reasons: list[str]
    agreement: dict[str, float] | None = Field(None, description="how far segmentation and depth agree")


class BorderReport(_Part):
    """The picture's border: a uniform one hints at a plain background."""

    uniform: bool
    ink: bool = Field(description="uniform, and what stands inside looks like ink on paper: thin strokes of one pen")
    color: str = Field(description="mean colour, #rrggbb")
    deviation: float = Field(description="root mean square distance to it, 8-bit RGB")


class EngineReport(_OpenPart):
    """The engine that made the mesh, with figures of its own."""

    name: str
    device: str


class SolidFigures(_Part):
    """A mesh as its file has it. Lengths are in the file's numbers."""

    vertices: int = Field(description="distinct places: vertices doubled along a texture's seam count once")
    faces: int = Field(description="triangles")
    watertight: bool = Field(description="every edge belongs to exactly two faces")
    winding_consistent: bool = Field(description="watertight, and neighbouring faces wind alike")
    volume: float | None = Field(description="of a watertight mesh; negative when it is inside out")
    bounds: tuple[tuple[float, ...], tuple[float, ...]] = Field(
        description="lowest and highest x, y, z in the file's axes"
    )
    components: int = Field(description="connected parts")
    wall_mm: float | None = Field(
        None,
        description="thickness of the walls in mm, which all but the thinnest hundredth of the surface exceed; null "
        "where no height was asked for",
    )


class MeshFigures(SolidFigures):
    """The finished mesh and its scorecard. Lengths are those of the file; unless a height was asked for, the object is
    about 1.2 across in it."""

    grade: Grade
    points: int = Field(ge=0, le=100, description="the grade is made of them")
    ready: bool = Field(description="closed, without a flaw, no guess in the shape, no doubt in the mask")
    verdict: str = Field(description="the scorecard in a few words", examples=["Closed and ready to use"])
    guessed: str = Field(description="what of the shape is a guess, not a prediction; empty when nothing is")
    loose_parts: int = Field(description="connected parts beyond those that the matte has")
    lost_parts: int = Field(description="places of 0.1 % of the matte or more that the mesh does not cover")
    lost_share: float = Field(description="their share of the matte's area")
    thin_share: float = Field(description="share of the silhouette where the mesh is thinner than 0.8 % of its extent")
    flatness: float = Field(description="smallest over largest extent along the principal axes, 0 to 1")
    mean_thickness: float = Field(
        description="distance of nearest and farthest surface along the camera's rays, on average"
    )
    silhouette_iou: float = Field(
        description="overlap of the mesh, seen by the input camera, with the matte, 0 to 1; about 1 by "
        "construction where the engine takes its outline from the matte"
    )
    advice: tuple[str, ...] = Field(description="a sentence for what is guessed, and for each reason that took points")


class EditFigures(_Part):
    """The marks drawn on a mask, and the share of it that they changed."""

    mask_from: str = Field(description="`own-mask`, `own-alpha`, or the segmenter that found it")
    strokes: int
    refine: bool
    clicks: list[str] | None = Field(None, description="the outcome of each click")
    changed_share: float = Field(description="of the picture's pixels")


class Report(_Part):
    """Base of every report."""

    stages: list[StageTime]
    seconds: float = Field(description="of all stages")
    notes: list[str] = Field(description="sentences for the person who asked")
    degradations: list[str] = Field(description="what was done less well than asked")
    versions: dict[str, str]
    cached: list[str] = Field([], description="stages whose answer came from the cache")

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON types; fields that were never set are left out."""
        return self.model_dump(mode="json", exclude_unset=True)


def base_report(trace: "Trace") -> dict[str, Any]:
    """Return the fields that every report has: stages, notes, degradations and versions."""
    stages = [StageTime(name=s.name, seconds=round(s.seconds, 4), device=s.device) for s in trace.stages]
    return {
        "stages": stages,
        "seconds": round(sum(s.seconds for s in trace.stages), 4),
        "notes": list(trace.notes),
        "degradations": list(trace.degradations),
        "versions": versions(),
    }


class PictureReport(Report):
    """Base of the reports of what is made of a picture."""

    image: ImageReport


class MatteReport(PictureReport):
    """Base of the reports of a mask and of a mesh."""

    segmenter: SegmenterReport
    mask: Scorecard
    fusion: FusionReport
    options: dict[str, Any] = Field(description="the options as they were followed")
    models: list[ModelUse]


class MaskReport(MatteReport):
    """The report of `/remove-bg`."""

    box: tuple[int, int, int, int] = Field(description="x0, y0, x1, y1: the part of the picture that the result shows")
    background: BorderReport


class MeshReport(MatteReport):
    """The report of `/generate-mesh`."""

    engine: EngineReport
    mesh: MeshFigures


class EditReport(PictureReport):
    """The report of `/edit-mask`."""

    mask: Scorecard
    edit: EditFigures


class BackgroundReport(PictureReport):
    """The report of `/add-background`."""

    background: ImageReport | None = Field(description="the picture behind the object; null for a plain colour")
    options: dict[str, Any]


class ConvertReport(Report):
    """The report of `/convert-mesh`."""

    mesh: SolidFigures
    options: dict[str, Any] = Field(description="the options as they were followed")
