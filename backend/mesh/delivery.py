"""A finished mesh and the options of its file -> the file. The last stage: what changes here builds nothing again."""

from dataclasses import dataclass

import numpy as np

from backend.contract.errors import InvalidParameterError
from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.options import MeshFileOptions
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.mesh.export import export_mesh
from backend.mesh.mesh import Mesh
from backend.mesh.placing import Placed, place


@dataclass(frozen=True)
class Delivered:
    """The file, and the mesh as it is in it."""

    placed: Placed
    file: File


def deliver(
    mesh: Mesh, options: MeshFileOptions, trace: Trace, *, scale: float = 1.0, unlit: bool = False
) -> Delivered:
    """Return the file of a mesh in the world frame.

    Without a height in the options the file has `scale` times the mesh's own size. `unlit` holds where `shading` is
    unset. Raises InvalidParameterError for a height that is asked of something flat.
    """
    unlit = unlit if options.shading is None else options.shading == "unlit"
    with trace.stage("export"):
        height = options.file_height
        if height is not None and not np.ptp(mesh.vertices[np.unique(mesh.faces)][:, 2]) > 0.0:
            raise InvalidParameterError("The mesh has no height, so it cannot be made higher.", parameter="height_mm")
        placed = place(mesh, options.up, options.pivot, height, scale)
        data = export_mesh(placed, options.format, check=trace.shows_pictures, unlit=unlit)
    _note_what_the_format_lacks(placed, options, trace)
    return Delivered(placed, File(f"model.{options.format}", MESH_FORMATS[options.format].media_type, data))


def _note_what_the_format_lacks(placed: Placed, options: MeshFileOptions, trace: Trace) -> None:
    if options.shading == "unlit" and options.format != "glb":
        trace.note(f"shading=unlit was ignored: {options.format} has no such material; glb does.")
    if options.format == "stl" and options.file_height is None:
        across = float(np.ptp(placed.mesh.vertices, axis=0).max())
        trace.note(
            f"An STL has no unit, and slicers read millimetres: the object is {across:.1f} mm long until you scale it. "
            f"Its up axis is {options.up}" + ("." if options.up == "z" else "; up=z stands it on a printer's bed.")
        )
