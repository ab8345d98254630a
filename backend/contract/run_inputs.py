"""What each stage of a run was given: the part `inputs` of a debug bundle's report.json, enough to run it again.

Stages hand results on: `guess` (segment -> refine), `subject` (refine -> fuse), `depth` (photo -> fuse), `fused`
(fuse -> mesh), and `engine`, the name that `auto` stood for.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.contract.options import MeshFileOptions, MeshOptions, WorkOptions

RunStage = Literal["segment", "refine", "fuse", "mesh"]
RUN_STAGES: tuple[RunStage, ...] = ("segment", "refine", "fuse", "mesh")
FORM = 1  # of `RunInputs`: another number, another form
# What is handed to each stage.
HANDED_TO: dict[RunStage, tuple[str, ...]] = {
    "segment": (),
    "refine": ("guess",),
    "fuse": ("subject", "depth"),
    "mesh": ("subject", "depth", "fused", "engine"),
}
# The first stage that reads an option; those that stand here nowhere are read by `segment`.
_READ_BY: dict[RunStage, tuple[str, ...]] = {
    "refine": ("quality", "refiner", "holes", "refine", "matting"),
    "fuse": ("strategy", "depth_percentile"),
    "mesh": (
        "feather_px", "edges", "output", "background", "shadow", "output_format", "output_quality", "keep_metadata",
        "crop", "margin", *MeshOptions.__annotations__, *MeshFileOptions.__annotations__,
    ),
}  # fmt: skip


def first_reader(option: str) -> RunStage:
    """Return the first stage that reads the option of that name."""
    return next((stage for stage, names in _READ_BY.items() if option in names), "segment")


def handed_before(stage: RunStage) -> frozenset[str]:
    """Return what a run that begins at `stage` takes from an earlier one: depth and engine hang on no other stage."""
    return frozenset() if stage == "segment" else frozenset({*HANDED_TO[stage], "depth", "engine"})


def last_stage(options: type[WorkOptions]) -> RunStage:
    """Return the last stage of a kind of work with these options."""
    return "mesh" if issubclass(options, MeshOptions) else "fuse"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class StoredFile(_Part):
    """A file that was sent, or that came out."""

    name: str = Field(max_length=64, description="in the bundle")
    bytes: int
    sha256: str


class HandedOn(_Part):
    """What one stage handed to the next: an array, plain values, and what the stages up to there had to say."""

    file: StoredFile | None = Field(None, description="the array as .npy, float32 (height, width)")
    values: dict[str, Any]
    notes: list[str]
    degradations: list[str]


class StageInputs(_Part):
    """What a stage reads: what was handed to it, and its options as they stood."""

    handed: list[str]
    options: dict[str, Any]


class RunInputs(_Part):
    """All that a run was given."""

    form: Literal[1]
    kind: str
    files: dict[str, StoredFile] = Field(max_length=64, description="by the names of their parts; views as `view-1`")
    azimuths: list[float] = Field([], max_length=32, description="of the views, in degrees")
    options: dict[str, Any] = Field(description="those that were given")
    settings: dict[str, Any] = Field(description="the operator's, where results depend on them")
    stages: dict[RunStage, StageInputs]
    handed: dict[str, HandedOn] = Field(max_length=128)
    models: dict[str, dict[str, str]] = Field(description="networks that took part: their files' sha256")
    build: str = Field(description="digest of the code, its own networks and the libraries")
    machine: dict[str, str]
    result: StoredFile | None = Field(description="what came out, to compare; null where the run failed")
