"""`mode=document`: a picture of a page in, the ink on it out.

Where paper runs all around the frame, everything on it that is not paper is kept. Otherwise a segmenter first finds the
page, of which only the ink is kept, or the mark itself.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.contract.options import MaskOptions
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.arrays import Alpha, Image, Mask
from backend.images.image_io import Picture
from backend.matte.configs import paper_config
from backend.matte.documents.ink import WHITE, flatten, ink_alpha
from backend.matte.documents.light_ink import is_light_ink, is_thin
from backend.matte.documents.paper import Color, PaperConfig, is_pale_and_light, is_paper, paper_color
from backend.matte.documents.perimeter import measure_perimeter
from backend.matte.documents.shading import Shading, paper_shading
from backend.matte.handovers import Subject
from backend.matte.subject import find_subject

SAMPLE_PX = 400  # longer side of the copy on which paper is searched


@dataclass(frozen=True)
class DocumentConfig:
    all_around: float = 0.75  # share of the border's samples that are the page's paper when it fills the picture
    one_hue: float = 0.15  # largest difference of a channel's ratio to green within one page
    one_light: float = 0.3  # share of a page's light that its shadows keep
    darkest: float = 0.35  # HSL lightness up to which a ground is too dark for a page
    max_saturation: float = 0.45  # HSV saturation from which a ground is too colourful, unless it is light
    light: float = 0.6  # HSL lightness above which a strong colour may be paper, yellow or orange for example
    page: float = 0.5  # share of paper above which a segmenter has found the page, not the mark
    cut: float = 0.008  # trimmed off a page's rim, of the longer side: the sheet's edge is not ink
    room: float = 0.012  # added around a segmenter's mark, of the longer side: segmenters round thin strokes off


def find_document(
    picture: Picture, mask: Picture | None, options: MaskOptions, engines: Engines, trace: Trace
) -> Subject:
    """Return the ink in `picture`, bounded by `mask` or by the picture's transparency. Raises what `find_subject`
    raises."""
    config, rule = DocumentConfig(), paper_config(engines.settings)
    image = picture.image
    with trace.stage("ground"):
        negative = is_light_ink(image)
        if negative:
            trace.note("The ink is lighter than its ground, so the picture was read as a negative.")
            image = 255 - image
    bounded = mask is not None or (picture.alpha is not None and options.use_alpha)
    with trace.stage("paper"):
        shading = _usable(paper_shading(image), config)
        around = 0.0 if shading is None else _share_around(image, shading, rule, config)
    source, region = "paper", None
    if bounded or options.model != "auto" or around < config.all_around:
        subject = find_subject(picture, mask, options, engines, trace)
        source, region = subject.source, subject.alpha >= 0.5
        with trace.stage("region"):
            shading, is_page = _shading_within(image, region, shading, rule, config)
            if subject.segmented:
                region = _fitted(region, is_page, config)
        trace.picture("region", region)
    if shading is None:
        shading = np.full((1, 1, 3), WHITE, np.float32)
    with trace.stage("ink"):
        paper = _paper_in(image, region, shading, rule)
        if paper is not None:
            alpha = ink_alpha(image, region, shading, paper, rule)
    if paper is None:
        trace.note("No paper was found, so nothing was removed.")
        alpha = np.ones(image.shape[:2], np.float32) if region is None else region.astype(np.float32)
    elif not (alpha >= 0.5).any():
        if source == "own-alpha" and region is not None and is_thin(region):
            trace.note("The visible part is thin and as light as paper; it was kept as ink.")
            alpha = region.astype(np.float32)
        else:
            trace.note("Only paper was found; there is no ink to keep.")
    if trace.shows_pictures:
        trace.picture("flattened", flatten(image, shading, (0, 0, image.shape[1], image.shape[0])))
    trace.picture("ink", alpha)
    facts = {"paper": None if paper is None else _hex(shading, paper, negative), "paper_around": round(around, 3)}
    return Subject(alpha, source, facts=facts)


def _usable(shading: Shading, config: DocumentConfig) -> Shading | None:
    """Return `shading`, or None where the ground is not paper."""
    typical = np.median(shading.reshape(-1, 3), axis=0)
    high, low = float(typical.max()), float(typical.min())
    lit = np.percentile(shading.reshape(-1, 3), 90, axis=0)
    # A light part of another hue is not the same page.
    one_hue = np.abs(lit / lit[1] - typical / typical[1]).max() < config.one_hue
    colorful = high - low >= config.max_saturation * high
    if high + low <= 2 * 255 * config.darkest or (
        colorful and not (one_hue and float(lit.max() + lit.min()) > 2 * 255 * config.light)
    ):
        return None
    return shading


def _shading_within(
    image: Image, region: Mask, whole: Shading | None, rule: PaperConfig, config: DocumentConfig
) -> tuple[Shading | None, bool]:
    """Return the shading to use, and whether the region is a page rather than a mark.

    It is a page if it is mostly paper by the `whole` picture's shading, or if it is paper and the whole picture is not.
    """
    within = _usable(paper_shading(image, region), config)
    if whole is not None:
        flat = _small_flat(image, whole)
        inside = _thinned(region, flat)
        if not (inside.any() and is_pale_and_light(flat[inside], rule).mean() > config.page):
            return whole, False
    return within, within is not None


def _share_around(image: Image, shading: Shading, rule: PaperConfig, config: DocumentConfig) -> float:
    """Return the share of the border's samples that are the same paper as in the middle, not the desk."""
    border = measure_perimeter(_small_flat(image, shading)).samples
    ground = measure_perimeter(shading.astype(np.uint8)).samples
    height, width = shading.shape[:2]
    middle = shading[height // 4 : height - height // 4, width // 4 : width - width // 4]
    page = np.median(middle.reshape(-1, 3), axis=0)
    hues = ground / np.maximum(ground[:, 1:2], 1) - page / max(page[1], 1)
    same = (np.abs(hues).max(axis=1) < config.one_hue) & (ground.mean(axis=1) > config.one_light * page.mean())
    return float((is_paper(border, (WHITE, WHITE, WHITE), rule) & same).mean())


def _paper_in(image: Image, region: Mask | None, shading: Shading, rule: PaperConfig) -> Color | None:
    """Return the flattened paper's colour in the region, or beside it where the region holds ink only."""
    flat = _small_flat(image, shading)
    if region is None:
        return paper_color(flat.reshape(-1, 3), rule)
    inside = _thinned(region, flat)
    return paper_color(flat[inside], rule) or paper_color(flat[~inside], rule)


def _fitted(region: Mask, is_page: bool, config: DocumentConfig) -> Mask:
    """Return a segmenter's page without its rim, or its mark with room around it."""
    reach = max(2, round((config.cut if is_page else config.room) * max(region.shape)))
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    change = cv2.erode if is_page else cv2.dilate
    return np.asarray(change(region.view(np.uint8), square) > 0)


def _thinned(region: Mask, small: Image) -> Mask:
    return np.asarray(cv2.resize(region.view(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0)


def _small_flat(image: Image, shading: Shading) -> Image:
    step = max(1, max(image.shape) // SAMPLE_PX)
    thinned = np.ascontiguousarray(image[::step, ::step])
    return flatten(thinned, shading, (0, 0, thinned.shape[1], thinned.shape[0]))


def _hex(shading: Shading, paper: Color, negative: bool) -> str:
    typical = np.clip(np.median(shading.reshape(-1, 3), axis=0) * np.array(paper) / WHITE, 0, 255)
    typical = 255 - typical if negative else typical
    return "#" + "".join(f"{round(float(channel)):02x}" for channel in typical)


def sharpened(alpha: Alpha) -> Alpha:
    """Return `alpha` cut at 0.5: every value is 0 or 1."""
    return (alpha >= 0.5).astype(np.float32)
