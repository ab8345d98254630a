"""Mattemesh as a library: one photo in, a matte or a mesh out.

    from mattemesh import cut_out, reconstruct
    cut_out("photo.jpg").save("mask.png")
    reconstruct("photo.jpg").save("model.glb")

The import is light: NumPy, OpenCV and the networks load with the first call. Settings come from the environment, as for
the service. Failures are `MattemeshError`, whose message is one sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.contract.errors import InvalidParameterError, MattemeshError
from backend.contract.files import translate_write_errors, write_atomically
from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.picture_formats import format_of_name
from backend.contract.report import MaskReport, MeshReport
from backend.contract.versions import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backend.images.arrays import Alpha, Image
    from backend.images.open_picture import Source
    from backend.mesh.mesh import Mesh

__all__ = [
    "MaskOptions", "MattemeshError", "MeshOptions", "PhotoMatte", "PhotoMesh", "__version__", "cut_out", "reconstruct",
]  # fmt: skip


@dataclass(frozen=True, repr=False)
class PhotoMatte:
    """The matte of a photo."""

    alpha: Alpha  # (H, W) float32 in [0, 1], the size of the upright photo
    image: Image  # (H, W, 3) uint8 RGB; for a cutout, the rim has the object's own colours
    options: MaskOptions
    file: bytes  # what the options describe: mask or cutout, cropped or whole
    report: MaskReport  # engines, stage times, scorecard, notes: the same as the service's report.json

    def save(self, path: str | Path) -> None:
        """Write the file in the format of the path's suffix, a row of `PICTURE_FORMATS`. Raises InvalidParameterError
        for another suffix, for a JPEG of something transparent, and for a path that cannot be written."""
        from backend.images.picture_file import FileStyle, encode_again

        path = Path(path)
        named = format_of_name(path)
        if named == self.options.output_format:
            _write(path, self.file)
            return
        try:
            data = encode_again(self.file, FileStyle(named, self.options.output_quality))
        except ValueError as error:
            raise InvalidParameterError(f"{path.name}: {error}; name a background.", parameter="path") from error
        _write(path, data)

    def __repr__(self) -> str:
        height, width = self.alpha.shape
        made_by, grade = self.report.segmenter.name, self.report.mask.grade
        return f"<matte of {width} × {height} pixels by {made_by}, grade {grade}>"


@dataclass(frozen=True, repr=False)
class PhotoMesh:
    """The mesh of a photo's object, in the world frame: x toward the viewer, z up."""

    mesh: Mesh  # vertices, faces, colors or texture
    alpha: Alpha  # (H, W) float32 in [0, 1]: the matte that it was made from
    options: MeshOptions
    file: bytes  # in the format that the options name
    report: MeshReport  # engines, stage times, mesh figures, notes: the same as the service's report.json

    def save(self, path: str | Path) -> None:
        """Write the mesh in the format of the path's suffix, a row of `MESH_FORMATS`; an OBJ has its MTL and texture
        beside it. Raises InvalidParameterError for another suffix or a path that cannot be written."""
        from backend.commands.mesh_files import write_mesh
        from backend.contract.trace import Trace
        from backend.mesh.delivery import deliver
        from backend.pipeline import FOREGROUND_RATIO

        path = Path(path)
        for known in MESH_FORMATS:
            if path.suffix.lower() == f".{known}":
                options = self.options.model_copy(update={"format": known})
                scale = FOREGROUND_RATIO / options.foreground_ratio
                write_mesh(path, deliver(self.mesh, options, Trace(), scale=scale).file)
                return
        suffixes = ", ".join(f".{known}" for known in MESH_FORMATS)
        raise InvalidParameterError(f"{path.name} has to end in one of {suffixes}.", parameter="path")

    def __repr__(self) -> str:
        made_by = self.report.engine.name
        return f"<mesh of {len(self.mesh.vertices):,} vertices and {len(self.mesh.faces):,} faces by {made_by}>"


def cut_out(photo: Source, options: MaskOptions | None = None, *, mask: Source | None = None) -> PhotoMatte:
    """Return the matte of the one object in `photo`: a path, encoded bytes or an (H, W, 3) uint8 array.

    `mask` is your own, white on the object, in place of a segmenter's. Raises MattemeshError.
    """
    from backend import pipeline

    options = options or MaskOptions()
    made = pipeline.cut_out(photo, options, mask=mask)
    return PhotoMatte(made.alpha, made.image, options, made.file.data, made.report)


def reconstruct(
    photo: Source,
    options: MeshOptions | None = None,
    *,
    mask: Source | None = None,
    views: Sequence[tuple[Source, float]] = (),
) -> PhotoMesh:
    """Return the mesh of the one object in `photo`; arguments as in `cut_out`. Raises MattemeshError.

    `views` are more photos of the object, each with the degrees by which the camera was carried around it,
    counter-clockwise seen from above: `views=[("right.jpg", 90), ("back.jpg", 180)]`.
    """
    from backend import pipeline

    options = options or MeshOptions()
    made = pipeline.reconstruct(photo, options, mask=mask, views=views)
    return PhotoMesh(made.mesh, made.alpha, options, made.file.data, made.report)


def _write(path: Path, data: bytes) -> None:
    with translate_write_errors(path):
        write_atomically(path, data)
