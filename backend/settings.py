"""Every limit, path and default of the service, read from the environment once.

The name of the environment variable is the field's name in capitals: `MAX_PIXELS=20000000 ./setup.sh run`.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What the person who runs the service decides; a request can change none of it."""

    model_config = SettingsConfigDict(env_prefix="", env_ignore_empty=True, frozen=True, extra="ignore")

    # Where things are.
    checkpoints_dir: Path = Field(REPOSITORY / "checkpoints", description="weights")
    triposr_weights: Path | None = Field(None, description="own weights of TripoSR's layout, in place of the published")
    logs_dir: Path = Field(REPOSITORY / "logs", description="backend.log and its older copies")
    debug_dir: Path | None = Field(None, description="when set, each request leaves its debug bundle there")

    # What a stranger may send.
    max_upload_bytes: int = Field(20 * 1024 * 1024, ge=1024, description="bytes of one file")
    max_pixels: int = Field(50_000_000, ge=1, description="width × height")
    max_side_px: int = Field(16_384, ge=1, description="the longer side")

    # Where and how work runs.
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where the networks run")
    threads: int = Field(0, ge=0, le=256, description="threads of the networks on a CPU; 0: one per core")
    max_waiting: int = Field(16, ge=0, le=10_000, description="requests that may wait, for masks and meshes each")
    mask_deadline_s: float = Field(30.0, gt=0, description="a mask's longest run")
    mesh_deadline_s: float = Field(300.0, gt=0, description="a mesh's longest run")
    queue_deadline_s: float = Field(30.0, gt=0, description="the longest wait before a run begins")

    preload: bool = Field(False, description="load the engines at the start instead of at their first use")

    # The matte. What a request does not say, these do; see docs/matte.md for the stages.
    mask_threshold: float | None = Field(None, gt=0, lt=1, description="fixed level of decisions; unset: adaptive")
    mask_threshold_min: float = Field(0.35, gt=0, lt=1, description="the adaptive level is never lower")
    mask_threshold_max: float = Field(0.65, gt=0, lt=1, description="nor higher")
    morph_kernel_size: int = Field(5, ge=0, le=99, description="px across, on a picture 1,024 px long; 0: off")
    holes: Literal["auto", "keep", "fill"] = Field("auto", description="which of the object's holes are closed")
    max_hole_share: float = Field(0.25, ge=0, le=1, description="of the object's area; `fill` leaves larger ones open")
    min_object_coverage: float = Field(0.05, ge=0, le=1, description="of the picture; less is a warning")
    max_object_coverage: float = Field(0.95, ge=0, le=1, description="of the picture; more is a warning")
    use_smart_padding: bool = Field(False, description="frame for the mesh by the object's shape and centre of mass")

    strategy: Literal["auto", "depth_guided", "intersection", "union", "segmentation"] = Field(
        "auto", description="how a mesh's matte is fused with depth where the request names no strategy"
    )
    depth_model: Literal["depth-anything-v2-vits", "depth-anything-v2-vitb", "depth-anything-v2-vitl"] = Field(
        "depth-anything-v2-vits", description="the depth network; vitb and vitl are for non-commercial use only"
    )
    depth_size_px: int = Field(518, ge=14, le=2072, description="shorter side of the picture that the network sees")

    # Weights.
    fetch_weights: bool = Field(False, description="fetch the default weights beside the running service")
    allow_noncommercial: bool = Field(False, description="allow models whose licence forbids commercial use")

    # What is told.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _in_order(self) -> "Settings":
        for lower, upper in (
            ("mask_threshold_min", "mask_threshold_max"),
            ("min_object_coverage", "max_object_coverage"),
        ):
            if getattr(self, lower) > getattr(self, upper):
                raise ValueError(f"{lower.upper()} is above {upper.upper()}")
        return self
