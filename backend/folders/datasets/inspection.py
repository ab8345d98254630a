"""One file of a data set -> its facts, from its structure and a reduced decode.

Runs in worker processes: libjpeg reports corrupt data in the middle of a file only on the stderr of the process.
"""

import hashlib
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from backend.contract.errors import ImageCorruptError, MattemeshError, UploadTooLargeError, problem_of
from backend.contract.settings import Settings
from backend.contract.work import Done, File, Lane, OnStage
from backend.folders.datasets.container import Container, read_container
from backend.folders.datasets.exif_fields import read_fields
from backend.folders.datasets.file_kind import DECODED, HEAD_BYTES, PICTURES, kind_by_name, kind_of, name_fits
from backend.folders.datasets.look import Look, describe_look
from backend.folders.runner import FolderWork
from backend.images.arrays import Alpha, Image
from backend.images.decoding.exif import orientation_of, turn_upright
from backend.images.decoding.image_header import ImageFormat, ImageHeader, ImageLimits, read_header
from backend.images.decoding.jpeg_header import check_jpeg_scans
from backend.images.image_io import read_picture

if TYPE_CHECKING:
    from backend.engines.registry import Engines

REDUCED_PX = 256  # the longer side that a reduced decode keeps, at least
_HEAD = 1 << 20  # of a file over the limit, as much is read: the header is in it
_ANY_SIZE = ImageLimits(max_pixels=1 << 62, max_side_px=1 << 31)


@dataclass(frozen=True)
class FileFacts:
    """The facts of one file. A file that could not be decoded has a `problem` and no `look`."""

    name: str  # relative to the data set's folder, with "/"
    bytes: int = 0
    kind: str = "unknown"  # what it really is; see file_kind
    named_as: str | None = None  # what its name promises
    name_fits: bool = True
    problem: str = ""  # a code of backend.contract.errors, "truncated", "not-decoded", "not-a-picture" or "unreadable"
    reason: str = ""  # the problem in a sentence
    faults: tuple[str, ...] = ()  # defects of a file that can still be decoded
    several: bool = False  # more pictures than the one that is taken
    size: tuple[int, int] | None = None  # (height, width), upright
    exif: tuple[str, ...] | None = None  # the fields that it has; None: no EXIF at all
    has_gps_position: bool = False  # whether the EXIF has a GPS position
    digest: str = ""  # of the file's bytes
    look: Look | None = None

    @property
    def folder(self) -> str:
        """The sub-folder, the category of a data set; "." for files at the top."""
        return self.name.rpartition("/")[0] or "."

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture, or claims to be one by its name."""
        return self.kind in PICTURES or self.named_as is not None


@dataclass(frozen=True, kw_only=True)
class InspectionWork(FolderWork):
    """The file called `name` in `folder`, to be described."""

    folder: Path

    @property
    def lane(self) -> Lane:
        return "mask"

    def perform(self, engines: "Engines", on_stage: OnStage) -> Done:
        """Return the file's facts for `facts_of`."""
        facts = asdict(inspect(self.folder, self.name, engines.settings))
        look = facts["look"] or {}
        pictures = [File(name, media_type, look.pop(name)) for name, media_type in _PICTURES.items() if look]
        return Done(tuple(pictures), report=facts)


# Bytes of a look; they travel as files.
_PICTURES = {"thumbnail": "image/jpeg", "signature": "application/octet-stream"}


def facts_of(done: Done) -> FileFacts:
    """Return the facts that came back from a worker; JSON made lists of their tuples."""
    facts: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in done.report.items()
    }
    if facts["look"] is not None:
        pictures = {file.name: file.data for file in done.files}
        facts["look"] = Look(**{**facts["look"], **pictures})
    return FileFacts(**facts)


def inspect(folder: Path, name: str, settings: Settings) -> FileFacts:
    """Return the facts of `folder/name`. A faulty file has a `problem`, nothing is raised but MemoryError."""
    promised = kind_by_name(name)
    facts = FileFacts(name, named_as=promised)
    try:
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            facts = replace(facts, bytes=size, kind=kind_of(head))
            if promised is None and facts.kind not in PICTURES:
                return facts
            data = head + file.read(_HEAD if size > settings.max_upload_bytes else settings.max_upload_bytes)
    except OSError as error:
        return replace(facts, problem="unreadable", reason=f"It cannot be read: {error.strerror}.")
    return _inspect_bytes(data, facts, settings)


def _inspect_bytes(data: bytes, facts: FileFacts, settings: Settings) -> FileFacts:
    if facts.kind not in DECODED:
        return _not_decoded(facts)
    limits = ImageLimits(settings.max_pixels, settings.max_side_px)
    container = read_container(data, cast(ImageFormat, facts.kind))
    try:
        header = read_header(data, _ANY_SIZE)
        facts = _with_structure(facts, header, container)
        if facts.bytes > settings.max_upload_bytes:
            raise UploadTooLargeError(f"The file is over {settings.max_upload_bytes / 2**20:g} MiB.")
        facts = replace(facts, digest=hashlib.blake2b(data, digest_size=16).hexdigest())
        read_header(data, limits)
        image, alpha, faults = _decode_reduced(data, header, container, limits)
    except MattemeshError as error:
        cut_off = isinstance(error, ImageCorruptError) and not container.complete and not container.faults
        code, reason = ("truncated", "It ends too early.") if cut_off else (problem_of(error).code, error.detail)
        return replace(facts, problem=code, reason=reason)
    faults = (*container.faults, *faults) if container.complete else (*faults, "Its last bytes are missing.")
    if header.format != "jpeg":  # decoded in full; an AVIF or HEIC is turned by its boxes
        facts = replace(facts, size=(image.shape[0], image.shape[1]))
    return replace(facts, faults=faults, look=describe_look(image, alpha))


def _not_decoded(facts: FileFacts) -> FileFacts:
    if facts.kind == "empty":
        return replace(facts, problem="empty-file", reason="The file is empty.", name_fits=True)
    fits = name_fits(facts.name, facts.kind)
    if facts.kind in PICTURES:
        reason = f"It is a {facts.kind.upper()}; convert it to JPEG, PNG or WebP."
        return replace(facts, problem="not-decoded", reason=reason, name_fits=fits)
    reason = f"It is named like a picture, but it is {facts.kind}."
    if facts.kind == "unknown":
        reason = "It does not begin like a picture: its beginning is broken, or it is another kind of file."
    return replace(facts, problem="not-a-picture", reason=reason, name_fits=True)


def _with_structure(facts: FileFacts, header: ImageHeader, container: Container) -> FileFacts:
    kind = "mpo" if header.format == "jpeg" and container.several else header.format
    turned = orientation_of(container.exif) >= 5
    fields = read_fields(container.exif)
    return replace(
        facts,
        kind=kind,
        name_fits=name_fits(facts.name, kind),
        several=container.several,
        size=(header.width, header.height) if turned else (header.height, header.width),
        exif=fields and fields[0],
        has_gps_position=bool(fields and fields[1]),
    )


def _decode_reduced(
    data: bytes, header: ImageHeader, container: Container, limits: ImageLimits
) -> tuple[Image, Alpha | None, tuple[str, ...]]:
    """Return the upright picture at no less than `REDUCED_PX` (if it has as many), its alpha and its faults.

    Raises ImageCorruptError.
    """
    if header.format == "jpeg":
        check_jpeg_scans(data, header.height, header.width)
        pixels, faults = _reduced_jpeg(data, header)
        return turn_upright(pixels, orientation_of(container.exif)), None, faults
    picture = read_picture(data, limits)
    return picture.image, picture.alpha, ()


def _reduced_jpeg(data: bytes, header: ImageHeader) -> tuple[Image, tuple[str, ...]]:
    # libjpeg leaves out the frequencies that a reduced picture does not show: a third of the time, and every coded
    # bit is still read, so that damage is met.
    factor = max(header.height, header.width) // REDUCED_PX
    flags = next((flag for least, flag in _REDUCTIONS if factor >= least), cv2.IMREAD_COLOR_BGR)
    with tempfile.TemporaryFile() as heard:
        own = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error as error:
            raise ImageCorruptError("The picture is truncated or broken and cannot be decoded.") from error
        finally:
            os.dup2(own, 2)
            os.close(own)
        heard.seek(0)
        warnings = heard.read(4096)
    if pixels is None:
        raise ImageCorruptError("The picture is truncated or broken and cannot be decoded.")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), _jpeg_faults(warnings)


_REDUCTIONS = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def _jpeg_faults(warnings: bytes) -> tuple[str, ...]:
    """Return the faults in libjpeg's warnings; surplus bytes before a marker lose no pixel and are ignored."""
    spoilt = b"Corrupt JPEG data" in warnings and b"extraneous bytes" not in warnings
    return ("Part of its data is corrupt: some of the picture is likely wrong.",) if spoilt else ()
