"""A finished mesh and the options of its file -> the file. The last stage: what changes here builds nothing again."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from backend.contract.errors import InvalidParameterError
from backend.contract.mesh_formats import MESH_FORMATS, ending_of
from backend.contract.options import MeshFileOptions
from backend.contract.report import SolidFigures
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.images.resize import fit_longest_side
from backend.mesh.export import export_mesh
from backend.mesh.foot import flat_foot
from backend.mesh.glb import GlbStyle
from backend.mesh.mesh import Mesh
from backend.mesh.placing import Placed, place

MIN_WALL_MM = 0.8  # two lines of a usual nozzle


@dataclass(frozen=True)
class Delivered:
    """The file, and the mesh as it is in it."""

    placed: Placed
    file: File


def deliver(
    mesh: Mesh, options: MeshFileOptions, trace: Trace, *, scale: float = 1.0, sized: bool = False, unlit: bool = False
) -> Delivered:
    """Return the file of a mesh in the world frame.

    Without a height in the options the file has `scale` times the mesh's own size, which is in metres where it is
    `sized`. `unlit` holds where `shading` is unset. Raises InvalidParameterError for a height that is asked of
    something flat.
    """
    unlit = unlit if options.shading is None else options.shading == "unlit"
    row, up = MESH_FORMATS[options.format], options.file_up
    units = 1000.0 if row.unit == "mm" else 1.0  # in a metre
    with trace.stage("export"):
        height = None if options.height is None else options.height * units
        if height is None and sized:
            scale *= units
        elif height is None and row.height_mm is not None:
            height = row.height_mm / 1000 * units
            trace.note(f"The object is {row.height_mm:g} mm high, since no height was asked for.")
        if height is not None and not np.ptp(mesh.vertices[np.unique(mesh.faces)][:, 2]) > 0.0:
            raise InvalidParameterError("The mesh has no height, so it cannot be made higher.", parameter="height_mm")
        mesh = flat_foot(mesh) if options.flat_foot else mesh
        if mesh.texture is not None and options.texture_px is not None:
            image = fit_longest_side(mesh.texture.image, options.texture_px)
            mesh = replace(mesh, texture=replace(mesh.texture, image=image))
        placed = place(mesh, up, options.pivot, height, scale)
        placed = replace(placed, sized=sized or height is not None, unit=row.unit)
        style = GlbStyle(unlit, options.texture_quality, options.texture_format, options.quantize)
        data = export_mesh(placed, options.format, check=trace.shows_pictures, style=style)
    _note_what_the_format_lacks(placed, options, trace)
    return Delivered(placed, File(f"model.{ending_of(options.format)}", row.media_type, data))


def _note_what_the_format_lacks(placed: Placed, options: MeshFileOptions, trace: Trace) -> None:
    if options.shading == "unlit" and options.format != "glb":
        trace.note(f"shading=unlit was ignored: {options.format} has no such material; glb does.")
    for name, asked in (("quantize", options.quantize), ("texture_format=webp", options.texture_format == "webp")):
        if asked and options.format != "glb":
            trace.note(f"{name} was ignored: a {options.format} cannot hold it; a glb can.")
    if options.format == "stl" and not placed.sized:
        across = float(np.ptp(placed.mesh.vertices, axis=0).max())
        trace.note(
            f"An STL has no unit, and slicers read millimetres: the object is {across:.1f} mm long until you scale it. "
            f"Its up axis is {placed.up}" + ("." if placed.up == "z" else "; up=z stands it on a printer's bed.")
        )
    if options.format == "usdz" and placed.mesh.texture is None:
        trace.note("AR viewers may show a mesh without a texture in one colour; texture=baked gives it one.")


def note_thin_walls(figures: SolidFigures, placed: Placed, trace: Trace) -> None:
    """Note walls that a printer cannot make, where the file is for one: its numbers are millimetres."""
    if placed.unit == "mm" and figures.wall_mm is not None and figures.wall_mm < MIN_WALL_MM:
        up = 1 if placed.up == "y" else 2
        height = figures.bounds[1][up] - figures.bounds[0][up]
        enough = ceil(height * MIN_WALL_MM / max(figures.wall_mm, 1e-3))
        trace.note(
            f"The thinnest walls have {figures.wall_mm:.2g} mm and printers need about {MIN_WALL_MM:g}: print it at "
            f"least {enough:,} mm high, or thicken them."
        )
