"""Work as it travels to a worker, and its result. Everything here pickles and imports nothing heavy: the process that
speaks HTTP imports this and never the pipeline."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backend.contract.errors import (
    MattemeshError,
    MeshCorruptError,
    NoSubjectError,
    TooManyFacesError,
    UnsupportedMeshTypeError,
)
from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.options import (
    BackgroundOptions,
    EditOptions,
    MaskOptions,
    MeshFileOptions,
    MeshOptions,
    WorkOptions,
)
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.contract.removebg import RemoveBgOptions, RemoveBgReport
from backend.contract.report import BackgroundReport, ConvertReport, EditReport, MaskReport, MeshReport, Report
from backend.contract.spool import PIECE_BYTES, SpooledFile

Lane = Literal["mask", "mesh", "remote"]  # remote: masks by a remote service, whose workers mostly wait
# The result; the result inside its report; the debug bundle; every file that a job keeps.
Form = Literal["file", "json", "zip", "job"]
OnStage = Callable[[str], None]  # called with a stage's name as it begins
CacheUse = Literal["use", "renew", "avoid"]  # read and write; write only; neither
CacheOutcome = Literal["hit", "miss"]


@dataclass(frozen=True)
class Kind:
    """One kind of work: how it runs, what a request for it may send, and what its route documents.

    `run` is "module:function", imported by workers alone. It takes each file as the argument that `files` names, and
    `options`, `engines` and `trace`; it returns an object with `file` and `report`.
    """

    lane: Lane  # the queue that it waits in; see `backend.weights.remote_services.lane_of`
    options: type[WorkOptions]  # the options of a request
    report: type[Report]  # what the result's report holds
    run: str  # the function that does it
    title: str  # the route's headline in OpenAPI
    about: str  # what comes back, in one sentence
    tag: str  # the group of routes that it belongs to in OpenAPI
    media_types: tuple[str, ...]  # of the result
    files: Mapping[str, str]  # the file parts, rows of PARTS, that a form may have -> the arguments of `run`
    required: tuple[str, ...] = ("file",)  # the file parts that a form must have
    max_text_bytes: int = 16 * 1024  # longest option, as sent
    raises: tuple[type[MattemeshError], ...] = ()  # besides the errors of every kind
    job: bool = False  # whether POST /jobs takes it
    foreign: bool = False  # another service's form: its route stands in a file of its own
    about_files: Mapping[str, str] = field(default_factory=dict)  # where the descriptions in PARTS do not fit


# The file parts of all kinds -> their descriptions in OpenAPI.
PARTS = {
    "file": "The photo: JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP, by default at most 20 MiB and 50 megapixels, "
    "fewer where memory is short.",
    "mask": "Your own mask, white on the object, or a cutout; of the photo's aspect ratio.",
    "background": "The picture to put behind the object.",
    "image_file": "The photo, by remove.bg's name.",
    "bg_image_file": "The picture behind the object, by remove.bg's name.",
}
PHOTO = {"file": "source", "mask": "mask"}
PICTURE_TYPES = tuple(row.media_type for row in PICTURE_FORMATS.values())
KINDS: dict[str, Kind] = {
    "remove-bg": Kind(
        "mask",
        MaskOptions,
        MaskReport,
        "backend.pipeline:cut_out",
        "Cut the object out of a photo",
        "Returns the object's matte as an 8-bit grey PNG, or the cutout, or either in another `output_format`.",
        "matte",
        PICTURE_TYPES,
        PHOTO,
        job=True,
    ),
    "generate-mesh": Kind(
        "mesh",
        MeshOptions,
        MeshReport,
        "backend.pipeline:reconstruct",
        "Make a mesh from a photo",
        "Returns the mesh as a GLB, or in the requested `format`.",
        "mesh",
        tuple(row.media_type for row in MESH_FORMATS.values()),
        PHOTO,
        raises=(NoSubjectError,),
        job=True,
    ),
    "convert-mesh": Kind(
        "mesh",
        MeshFileOptions,
        ConvertReport,
        "backend.pipeline:convert_mesh",
        "Convert a finished mesh",
        "Returns the same mesh in another format, size or frame, or with fewer faces; nothing is built again.",
        "mesh",
        tuple(row.media_type for row in MESH_FORMATS.values()),
        {"file": "source"},
        raises=(UnsupportedMeshTypeError, MeshCorruptError, TooManyFacesError),
        about_files={"file": "The mesh: a GLB as `/generate-mesh` writes it, by default at most 20 MiB."},
    ),
    "edit-mask": Kind(
        "mask",
        EditOptions,
        EditReport,
        "backend.matte.editing.edit:edit_mask",
        "Correct a mask with strokes and clicks",
        "Returns the corrected mask as an 8-bit grey PNG of the same size.",
        "editing",
        ("image/png",),
        {"mask": "mask", "file": "photo"},
        required=(),
        max_text_bytes=256 * 1024,
    ),
    "add-background": Kind(
        "mask",
        BackgroundOptions,
        BackgroundReport,
        "backend.matte.editing.background:add_background",
        "Put the object on a new background",
        "Returns the object on a colour or on another picture.",
        "editing",
        PICTURE_TYPES,
        {**PHOTO, "background": "background"},
    ),
    "removebg": Kind(
        "mask",
        RemoveBgOptions,
        RemoveBgReport,
        "backend.dialects.removebg:remove_background",
        "Remove a background as remove.bg does",
        "Returns the object as remove.bg's clients ask for it.",
        "remove.bg",
        (*PICTURE_TYPES, "application/zip"),
        {"image_file": "source", "bg_image_file": "background"},
        required=(),
        max_text_bytes=28 * 2**20,  # a photo in base64
        raises=(NoSubjectError,),
        foreign=True,
    ),
}


@dataclass(frozen=True)
class Work:
    """A request: a key of `KINDS`, the files as they were sent, by the name of their part, and the options."""

    kind: str
    files: Mapping[str, bytes]
    options: WorkOptions
    form: Form = "file"
    name: str = ""  # the request's or the job's id: for the log, and for the folder of a debug bundle
    cache: CacheUse = "use"
    client: str = ""  # who asks: lanes are shared between clients, not between requests

    @property
    def lane(self) -> Lane:
        return KINDS[self.kind].lane


@dataclass(frozen=True)
class File:
    """A finished file."""

    name: str
    media_type: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in order."""
        for at in range(0, self.size, PIECE_BYTES):
            yield self.data[at : at + PIECE_BYTES]

    def shared(self) -> "File":
        """Return the file for another reader: the counterpart of `SpooledFile.shared`."""
        return self

    def close(self) -> None:
        """Do nothing: the counterpart of `SpooledFile.close`."""


RESULT_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
BUNDLE_TYPES = frozenset({"application/json", "application/zip", "image/png", "image/webp"})  # beside the kinds' own


def check_result(name: str, media_type: str) -> None:
    """Raise ValueError for a file name or a media type that no result of ours has.

    Names are joined to paths and types are sent to browsers, so this is called wherever a result comes from outside:
    from a worker, the cache or the store of jobs.
    """
    if not RESULT_NAME.fullmatch(name):
        raise ValueError(f"no result is called {name[:80]!r}")
    if media_type not in BUNDLE_TYPES and not any(media_type in kind.media_types for kind in KINDS.values()):
        raise ValueError(f"no result is of type {media_type[:80]!r}")


@dataclass(frozen=True)
class Stage:
    """One finished stage."""

    name: str
    seconds: float
    device: str


@dataclass(frozen=True)
class Done:
    """The result of a piece of work. The first file is the answer; only the form `job` has more."""

    files: tuple[File | SpooledFile, ...]
    stages: tuple[Stage, ...] = ()
    notes: tuple[str, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)
    cache: CacheOutcome | None = None  # of the result as a whole; None where no cache was asked
    stage_caches: Mapping[str, CacheOutcome] = field(default_factory=dict)  # by stage, where a cache was asked
    models: Mapping[str, str] = field(default_factory=dict)  # the engines that took part: name -> fingerprint
