"""What every mesh engine is asked and what it answers."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from backend.contract.trace import Trace
from backend.images.arrays import Disparity
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh


@dataclass(frozen=True)
class MeshRequest:
    """What the caller may choose; an engine ignores what has no meaning for it and says so in the trace."""

    resolution: int = 256  # lattice points a side
    isovalue: float = 25.0  # density on the surface
    texture: Literal["auto", "vertex", "baked"] = "auto"
    target_faces: int | None = None
    smooth: bool = False  # even out the triangles, on the surface
    project_photo: bool = False  # the photo's own colours where the camera saw the surface


@dataclass(frozen=True)
class Built:
    """The mesh, and what the engine has to say of it for the report."""

    mesh: Mesh
    facts: dict[str, Any] = field(default_factory=dict)


class MeshEngine(Protocol):
    """Anything that makes a mesh of a framed object; safe to share between threads."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    def build(self, framed: Framed, disparity: Disparity | None, request: MeshRequest, trace: Trace) -> Built:
        """Return the object's mesh in the world frame; `disparity` is in the framed square, or None."""
        ...
