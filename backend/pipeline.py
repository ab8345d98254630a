"""`cut_out`, `reconstruct` and `convert_mesh`: the order of the stages, and nothing else.

from backend.pipeline import cut_out, reconstruct
cut_out("photo.jpg").alpha                    # (H, W) float32
reconstruct("photo.jpg").file.data            # a GLB
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from backend.contract.errors import InvalidParameterError, ModelUnavailableError, NoSubjectError
from backend.contract.mesh_engines import DEFAULT_MESH, VIEWS_ENGINE
from backend.contract.mesh_formats import MESH_FORMATS
from backend.contract.options import MaskOptions, MatteOptions, MeshFileOptions, MeshOptions
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.contract.report import ConvertReport, EngineReport, MaskReport, MeshReport, Scorecard, base_report
from backend.contract.settings import Settings
from backend.contract.trace import Handover, Trace
from backend.contract.work import File
from backend.engines.registry import Engines, default_engines
from backend.images.arrays import Alpha, Box, Disparity, Image
from backend.images.compositing import over, plain
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import Picture
from backend.images.metadata import exif_to_keep
from backend.images.open_picture import Source, open_picture, read_within
from backend.images.picture_file import FileStyle, encode_file
from backend.images.pixel_art import is_pixel_art
from backend.images.shadow import shaded, shadow_of
from backend.matte.configs import scorecard_config
from backend.matte.documents.document import find_document, sharpened
from backend.matte.documents.looks_like_ink import border_report
from backend.matte.fuse import fuse, segmentation_alone
from backend.matte.handovers import SUBJECT, Subject
from backend.matte.refine.finish import crop_box, feather
from backend.matte.refine.foreground import foreground_colors
from backend.matte.refine.scorecard import score_matte
from backend.matte.report import matte_report
from backend.matte.roi import find_within_roi
from backend.matte.subject import find_subject
from backend.mesh.built_once import build_once
from backend.mesh.delivery import deliver, note_thin_walls
from backend.mesh.engine import MeshEngine, MeshRequest, ViewsEngine
from backend.mesh.figures import measure, measure_solid
from backend.mesh.framing import Framed, frame_object, on_grey
from backend.mesh.mesh import Mesh
from backend.mesh.preview import contact_sheet
from backend.mesh.read_glb import read_glb
from backend.mesh.repaint import parts_left_out, repaint

if TYPE_CHECKING:
    from backend.engines.form.engine import FormEngine

FOREGROUND_RATIO = 0.85  # the framing whose size the files have
MAX_DISAGREEMENT = 0.15  # of an object's size; the network itself is off by about half of that
ALONE = "The segmentation is used alone; name a strategy to fuse it with depth."


@dataclass(frozen=True)
class Cutout:
    """The matte of the whole picture, and the file that was asked for."""

    alpha: Alpha  # (H, W)
    image: Image  # (H, W, 3)
    box: Box  # x0, y0, x1, y1: the part of the picture that the file shows
    file: File
    report: MaskReport
    clean: bool  # whether the rim's colours in `image` are free of the background


@dataclass(frozen=True)
class Reconstruction:
    """The mesh in the world frame, the framed object that it was made from, and the file."""

    mesh: Mesh
    framed: Framed
    file: File
    report: MeshReport
    alpha: Alpha  # (H, W), of the whole picture
    image: Image  # (H, W, 3); the rim's colours are the object's own


@dataclass(frozen=True)
class Converted:
    """The converted mesh in the world frame, and its file."""

    mesh: Mesh
    file: File
    report: ConvertReport


def cut_out(
    source: Source,
    options: MaskOptions | None = None,
    *,
    mask: Source | None = None,
    engines: Engines | None = None,
    trace: Trace | None = None,
) -> Cutout:
    """Return the matte of the one object in `source`: encoded bytes, a path, an (H, W, 3) uint8 array or a Picture.

    `mask` is the caller's own, in any of the same forms. Raises the errors of `backend.contract.errors`.
    """
    options, engines, trace = options or MaskOptions(), engines or default_engines(), trace or Trace()
    picture, own_mask = _open(source, mask, engines, trace)
    find = find_document if options.mode == "document" else find_subject
    subject = trace.handed(
        SUBJECT,
        lambda: find_within_roi(find, picture, own_mask, options, engines, trace),
        picture.image.shape[:2],
    )
    fusion = segmentation_alone(options.strategy, ALONE)
    alpha = subject.alpha
    depth_models: tuple[str, ...] = ()
    if options.strategy != "segmentation" and options.mode == "document":
        trace.note("Depth is not used for a document.")
    elif options.strategy != "segmentation":
        fused = fuse(picture.image, subject, options, engines, trace)
        alpha, fusion, depth_models = fused.alpha, fused.report, fused.models
    drawn_in_pixels = (
        options.edges == "auto" and picture.alpha is None and subject.segmented and is_pixel_art(picture.image)
    )
    if drawn_in_pixels:
        trace.note("The picture is drawn in hard pixels, so the edges are sharp; edges=soft leaves them soft.")
    if options.wants_sharp_edges or drawn_in_pixels:
        alpha = sharpened(alpha)
    alpha, scorecard = _finish(alpha, subject, options, engines.settings, trace)
    image = picture.image
    clean = options.wants_cutout or not subject.segmented
    if options.wants_cutout and subject.segmented:
        image = _clean_rim(image, alpha, trace)
    box = crop_box(alpha, options.margin) if options.crop else (0, 0, alpha.shape[1], alpha.shape[0])
    with trace.stage("encode"):
        data = _encoded_matte(image, alpha, box, picture, options, trace)
    common = matte_report(picture, subject, scorecard, options, engines.settings, trace, *depth_models)
    background = border_report(picture.image, engines.settings.uniform_deviation)
    report = MaskReport(**common, fusion=fusion, box=box, background=background)
    row = PICTURE_FORMATS[options.output_format]
    file = File(("cutout" if options.wants_cutout else "mask") + row.endings[0], row.media_type, data)
    return Cutout(alpha, image, box, file, report, clean)


def reconstruct(
    source: Source,
    options: MeshOptions | None = None,
    *,
    mask: Source | None = None,
    views: Sequence[tuple[Source, float]] = (),
    engines: Engines | None = None,
    trace: Trace | None = None,
) -> Reconstruction:
    """Return the mesh of the one object in `source`; arguments and errors as in `cut_out`, and NoSubjectError.

    `views` are more photos of it with their azimuths: how many degrees, counter-clockwise from above, the camera was
    carried around the object (or the object turned the other way). The engine `form` joins them.
    """
    options, engines, trace = options or MeshOptions(), engines or default_engines(), trace or Trace()
    options = options.model_copy(update={"strategy": options.strategy or engines.settings.strategy})
    picture, own_mask = _open(source, mask, engines, trace)
    subject = trace.handed(
        SUBJECT,
        lambda: find_within_roi(find_subject, picture, own_mask, options, engines, trace),
        picture.image.shape[:2],
    )
    fused = fuse(picture.image, subject, options, engines, trace)
    alpha, scorecard = _finish(fused.alpha, subject, options, engines.settings, trace)
    if not scorecard.found:  # a few stray pixels are no object, for a mask's report neither
        raise NoSubjectError("The matte is empty: no object was found in the picture.")
    image = _clean_rim(picture.image, alpha, trace) if subject.segmented else picture.image
    with trace.stage("frame"):
        framed = frame_object(image, alpha, options.foreground_ratio, smart=engines.settings.use_smart_padding)
        disparity = None if fused.disparity is None else framed.place(fused.disparity)
    if trace.shows_pictures:
        trace.picture("framed", on_grey(framed))
    engine = _mesh_engine(options, engines, trace, bool(views))
    request = MeshRequest(
        options.resolution,
        options.threshold,
        options.texture,
        options.target_faces,
        options.smooth,
        options.project_photo,
        options.depth_guide,
    )
    if isinstance(engine, ViewsEngine) and views:
        others = [_other_view(photo, azimuth, options, engines, trace) for photo, azimuth in views]
        built = engine.build_views([(framed, disparity, 0.0), *others], request, trace)
    else:
        built = build_once(engine, engines.memoize(engine.name), framed, disparity, request, trace)
    facts = dict(built.facts)
    if engine.name == DEFAULT_MESH:
        facts["form_disagreement"] = _checked(built.mesh, framed, engines, trace)
    scale = FOREGROUND_RATIO / options.foreground_ratio  # the size of an object does not follow its framing
    delivered = deliver(built.mesh, options, trace, scale=scale)
    with trace.stage("measure"):
        figures = measure(built.mesh, framed, delivered.placed, built.guessed, scorecard.doubted)
    note_thin_walls(figures, delivered.placed, trace)
    _note_a_lost_texture(options, trace)
    for sentence in figures.advice:
        trace.note(sentence)
    if trace.shows_pictures:
        trace.picture("mesh", contact_sheet(built.mesh))
    report = MeshReport(
        **matte_report(picture, subject, scorecard, options, engines.settings, trace, engine.name, *fused.models),
        fusion=fused.report,
        engine=EngineReport.model_validate({"name": engine.name, "device": engine.device, **facts}),
        mesh=figures,
    )
    return Reconstruction(built.mesh, framed, delivered.file, report, alpha, image)


def convert_mesh(
    source: bytes | str | Path,
    options: MeshFileOptions | None = None,
    *,
    engines: Engines | None = None,
    trace: Trace | None = None,
) -> Converted:
    """Return a finished mesh, the bytes or the path of a GLB, as the file that the options describe.

    Raises the errors of `read_glb` and `deliver`, and UploadTooLargeError.
    """
    options, engines, trace = options or MeshFileOptions(), engines or default_engines(), trace or Trace()
    settings = engines.settings
    with trace.stage("read"):
        data = read_within(source, settings.max_upload_bytes)
        read = read_glb(data, ImageLimits(settings.max_pixels, settings.max_side_px))
    with trace.stage("repaint"):
        mesh = repaint(read.mesh, options.target_faces, options.texture)
        if sentence := parts_left_out(read.mesh, mesh):
            trace.note(sentence)
    delivered = deliver(mesh, options, trace, sized=read.sized, unlit=read.unlit)
    with trace.stage("measure"):
        figures = measure_solid(delivered.placed)
    note_thin_walls(figures, delivered.placed, trace)
    report = ConvertReport(mesh=figures, options=options.model_dump(), **base_report(trace))
    return Converted(mesh, delivered.file, report)


def _other_view(
    photo: Source, azimuth: float, options: MeshOptions, engines: Engines, trace: Trace
) -> tuple[Framed, Disparity | None, float]:
    """Return a further view as the first is made, without its own points; a note about it says which it is."""
    own = Trace(on_stage=trace.on_stage, tape=trace.tape)
    picture, _ = _open(photo, None, engines, own)
    subject = own.handed(SUBJECT, lambda: find_subject(picture, None, options, engines, own), picture.image.shape[:2])
    fused = fuse(picture.image, subject, options, engines, own)
    alpha = feather(fused.alpha, options.feather_px) if options.feather_px > 0 else fused.alpha
    image = _clean_rim(picture.image, alpha, own) if subject.segmented else picture.image
    framed = frame_object(image, alpha, options.foreground_ratio)
    for sentence in own.notes:
        trace.note(f"View at {azimuth:g}°: {sentence}")
    for sentence in own.degradations:
        trace.degrade(f"View at {azimuth:g}°: {sentence}")
    trace.stages.extend(own.stages)
    return framed, None if fused.disparity is None else framed.place(fused.disparity), azimuth


def _checked(mesh: Mesh, framed: Framed, engines: Engines, trace: Trace) -> float | None:
    """Return how far the embedded network's idea of the shape is from `mesh`, a share of its size; None without it."""
    with trace.stage("check shape"):
        try:
            apart = cast("FormEngine", engines.mesh_engine("form")).disagreement(mesh, framed)
        except ModelUnavailableError:  # a damaged installation is no reason to lose the mesh
            return None
    if apart > MAX_DISAGREEMENT:
        trace.note(
            f"A second network sees another shape: front and back differ by {apart:.0%} of the object's size on "
            "average. Look at the mesh from the side."
        )
    return round(apart, 4)


def _finish(
    alpha: Alpha, subject: Subject, options: MatteOptions, settings: Settings, trace: Trace
) -> tuple[Alpha, Scorecard]:
    if options.feather_px > 0:
        with trace.stage("feather"):
            alpha = feather(alpha, options.feather_px)
    with trace.stage("score"):
        document = isinstance(options, MaskOptions) and options.mode == "document"
        scorecard = score_matte(alpha, scorecard_config(settings, document), subject.doubts, subject.evidence)
    trace.picture("matte", alpha)
    return alpha, scorecard


def _encoded_matte(image: Image, alpha: Alpha, box: Box, picture: Picture, options: MaskOptions, trace: Trace) -> bytes:
    """Return the file of the part `box`: the mask, the cutout, or the object on a colour, with its shadow."""
    exif = exif_to_keep(picture.exif) if options.keep_metadata else b""
    if options.keep_metadata and not exif:
        trace.note("keep_metadata had nothing to keep: the photo has no EXIF that can be read.")
    style = FileStyle(options.output_format, options.output_quality, picture.density, exif)
    x0, y0, x1, y1 = box
    rows, columns = slice(y0, y1), slice(x0, x1)
    part = alpha[rows, columns]
    if not options.wants_cutout:
        return encode_file(None, part, style)
    if options.color_behind is None:
        return encode_file(image[rows, columns], part, style)
    back = plain(options.color_behind, (y1 - y0, x1 - x0))
    if options.shadow != "none":
        back = shaded(back, shadow_of(alpha, options.shadow)[rows, columns])
    return encode_file(over(image[rows, columns], part, back, None)[0], None, style)


def _clean_rim(image: Image, alpha: Alpha, trace: Trace) -> Image:
    with trace.stage("colors"):
        cleaned = foreground_colors(image, alpha)
    trace.picture("colors", cleaned)
    return cleaned


def _note_a_lost_texture(options: MeshOptions, trace: Trace) -> None:
    if options.texture == "baked" and not MESH_FORMATS[options.format].textured:
        textured = ", ".join(name for name, row in MESH_FORMATS.items() if row.textured)
        trace.note(f"texture=baked was ignored: {options.format} holds no texture here; {textured} does.")


def _mesh_engine(options: MeshOptions, engines: Engines, trace: Trace, several_views: bool) -> MeshEngine:
    if several_views and options.engine not in ("auto", VIEWS_ENGINE):
        raise InvalidParameterError(f"Several views are joined by the engine `{VIEWS_ENGINE}`.", parameter="engine")

    def auto() -> MeshEngine:
        engine = engines.mesh_engine()
        if engine.name != DEFAULT_MESH:
            trace.note(f"The embedded engine `{engine.name}` made this mesh. {engines.why_not(DEFAULT_MESH)}")
        return engine

    with trace.stage("load engine"):
        if several_views:
            engine = engines.mesh_engine(VIEWS_ENGINE)
        elif options.engine == "auto":  # where the run is done again, the engine that it stood for
            named = Handover[MeshEngine](
                "engine",
                lambda engine: (None, {"name": engine.name}),
                lambda packed: engines.mesh_engine(str(packed[1].get("name"))),
            )
            engine = trace.handed(named, auto)
        else:
            engine = engines.mesh_engine(options.engine)
    if several_views:
        trace.note(f"The engine `{engine.name}` joined the views.")
    return engine


def _open(source: Source, mask: Source | None, engines: Engines, trace: Trace) -> tuple[Picture, Picture | None]:
    with trace.stage("decode"):
        picture = open_picture(source, engines.settings)
        own_mask = None if mask is None else open_picture(mask, engines.settings, as_data=True)
    for sentence in picture.notes:
        trace.note(sentence)
    trace.picture("photo", picture.image)
    return picture, own_mask
