"""The interface of a mesh engine: its request and its result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from backend.contract.trace import Trace
from backend.images.arrays import Disparity
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh

OPTION_NAMES = {"isovalue": "threshold"}  # where a field of MeshRequest is not called as the option is


@dataclass(frozen=True)
class MeshRequest:
    """Options of one mesh. An engine notes in the trace which of them it ignores."""

    resolution: int = 256  # lattice points per side, of engines that sample a density field
    isovalue: float = 25.0  # density on the surface, of engines that have a density
    texture: Literal["auto", "vertex", "baked"] = "auto"  # colours per vertex or a texture; auto: the engine decides
    target_faces: int | None = None  # at most this many faces; None: the engine's own number
    smooth: bool = False  # even out the triangles, with vertices kept on the surface
    project_photo: bool = False  # take the photo's colours wherever the camera saw the surface
    depth_guide: float = 0.0  # how far a predicted surface is bent toward the disparity, 0 to 1


@dataclass(frozen=True)
class Built:
    """A mesh with the engine's own entries for the report."""

    mesh: Mesh
    facts: dict[str, Any] = field(default_factory=dict)
    guessed: str = ""  # one sentence on what of the shape is a guess; "": all of it was predicted from the photo


def note_ignored(request: MeshRequest, names: tuple[str, ...], why: str, trace: Trace) -> None:
    """Note each of the named options that differs from its default: the engine has no use for it."""
    plain = MeshRequest()
    for name in names:
        if getattr(request, name) != getattr(plain, name):
            trace.note(f"`{OPTION_NAMES.get(name, name)}` is ignored: {why}")


class MeshEngine(Protocol):
    """Makes a mesh of a framed object. Threads may share one."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    def build(self, framed: Framed, disparity: Disparity | None, request: MeshRequest, trace: Trace) -> Built:
        """Return the object's mesh in the world frame. `disparity` is (n, n) like the framed square, or None."""
        ...


@runtime_checkable
class ViewsEngine(MeshEngine, Protocol):
    """A mesh engine that joins several photos of one object."""

    def build_views(
        self, views: Sequence[tuple[Framed, Disparity | None, float]], request: MeshRequest, trace: Trace
    ) -> Built:
        """Return the object's mesh in the world of the first view. Each view is a framed photo, its disparity or None,
        and the azimuth of its camera in degrees, counter-clockwise from above."""
        ...
