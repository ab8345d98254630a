"""Composites: an object with exact alpha in front of a place, as a camera and a file would give them."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image
from training.refiner.sources import CutOut, Mesh, Sources, resized

Float = NDArray[np.float32]
Random = np.random.Generator
_FINE = 3  # meshes are drawn at so many times the size


def composite(random: Random, sources: Sources, long_side: int = 0) -> tuple[Image, Float, tuple[str, ...]]:
    """Return a picture (H, W, 3) uint8, its alpha (H, W) float32 in [0, 1], and which of hair, glass and blur it shows.

    Its longer side has 384 to 768 px.
    """
    long_side = long_side or int(random.integers(384, 769))
    short_side = int(long_side * random.uniform(0.62, 1.0))
    size = (long_side, short_side) if random.random() < 0.5 else (short_side, long_side)
    back = _place(random, sources, size)
    colour, alpha = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)  # premultiplied
    for _ in range(1 if random.random() < 0.8 else int(random.integers(2, 4))):
        one, cover = _object(random, sources, size)
        colour = one + colour * (1 - cover[..., None])
        alpha = cover + alpha * (1 - cover)
    effects = []
    for name, chance, effect in (("hair", 0.25, _with_hair), ("glass", 0.08, _with_glass), ("blur", 0.10, _moved)):
        if random.random() < chance:
            colour, alpha = effect(random, colour, alpha)
            effects.append(name)
    if random.random() < 0.5:
        pull = random.uniform(0.1, 0.45)  # light and haze of the place
        mean = back.reshape(-1, 3).mean(axis=0)
        colour = colour * (1 - pull) + pull * colour * (mean / max(float(mean.mean()), 1.0))
    if random.random() < 0.35:
        back = _with_shadow(random, back, alpha)
    picture = colour + back * (1 - alpha[..., None])
    if random.random() < 0.6:
        blur = random.uniform(0.3, 1.1)
        picture, alpha = (cv2.GaussianBlur(values, (0, 0), blur) for values in (picture, alpha))
    return _as_a_file(random, picture), np.clip(alpha, 0, 1), tuple(effects)


def _as_a_file(random: Random, picture: Float) -> Image:
    picture = picture * random.uniform(0.75, 1.15) + random.uniform(-8, 8)
    if random.random() < 0.7:
        picture = picture + random.normal(0, random.uniform(0.5, 7), picture.shape)
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    if random.random() < 0.8:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(55, 98))]
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
    return pixels


def _place(random: Random, sources: Sources, size: tuple[int, int]) -> Float:
    kind = random.random()
    if kind < 0.18:
        return _backdrop(random, size)
    if kind < 0.55:
        picture = sources.scenes[random.integers(len(sources.scenes))]
        mask = None
    else:
        picture, mask = sources.photo(sources.photos[random.integers(len(sources.photos))])
    if mask is not None:  # its own object is painted over with what surrounds it
        hole = cv2.dilate((mask > 0.5).astype(np.uint8), np.ones((9, 9), np.uint8))
        small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        hole_small = cv2.resize(hole, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_NEAREST)
        filled = cv2.resize(cv2.inpaint(small, hole_small, 5, cv2.INPAINT_TELEA), (picture.shape[1], picture.shape[0]))
        grain = random.normal(0, 6, picture.shape)
        soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 3)[..., None]
        picture = np.clip(picture * (1 - soft) + (filled + grain) * soft, 0, 255).astype(np.uint8)
    height, width = picture.shape[:2]
    zoom = max(size[0] / height, size[1] / width) * random.uniform(1.0, 1.6)
    zoom = max(zoom, size[0] / height, size[1] / width)
    large = (max(size[0], round(height * zoom)), max(size[1], round(width * zoom)))
    picture = resized(picture.astype(np.float32), large)
    top, left = random.integers(large[0] - size[0] + 1), random.integers(large[1] - size[1] + 1)
    picture = picture[top : top + size[0], left : left + size[1]]
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    if random.random() < 0.55:  # out of focus
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 7))
    return np.ascontiguousarray(picture)


def _backdrop(random: Random, size: tuple[int, int]) -> Float:
    first, second = random.uniform(0, 255, 3), random.uniform(0, 255, 3)
    if random.random() < 0.5:
        first, second = np.full(3, random.uniform(150, 255)), np.full(3, random.uniform(150, 255))
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[0 : 1 : complex(size[0]), 0 : 1 : complex(size[1])]
    ramp = np.clip(0.5 + (rows - 0.5) * np.sin(angle) + (columns - 0.5) * np.cos(angle), 0, 1)[..., None]
    return np.asarray(first * (1 - ramp) + second * ramp, np.float32)


def _object(random: Random, sources: Sources, size: tuple[int, int]) -> tuple[Float, Float]:
    """Return premultiplied colours (H, W, 3) and alpha (H, W) of one object somewhere in a picture of `size`."""
    kind = random.random()
    if kind < 0.45:
        mesh = sources.mesh(sources.mesh_numbers[random.integers(len(sources.mesh_numbers))])
        cut_out = _drawn(random, mesh, sources, int(min(size) * random.uniform(0.6, 1.0)))
    elif kind < 0.70:
        cut_out = sources.cut_outs[random.integers(len(sources.cut_outs))]
    else:
        cut_out = _of_a_photo(random, sources)
    height, width = cut_out.alpha.shape
    turn = random.uniform(-25, 25) if random.random() < 0.4 else 0.0
    scale = random.uniform(0.45, 0.95) * min(size[0] / height, size[1] / width)
    if random.random() < 0.2:
        scale *= random.uniform(0.4, 0.8)
    centre = (
        random.uniform(0.35, 0.65) * size[1],
        random.uniform(0.4, 0.65) * size[0],
    )
    premultiplied = np.dstack([cut_out.image * cut_out.alpha[..., None], cut_out.alpha]).astype(np.float32)
    if random.random() < 0.5:
        premultiplied = premultiplied[:, ::-1]
    if scale < 1:
        premultiplied = cv2.resize(
            np.ascontiguousarray(premultiplied), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        scale = 1.0
    height, width = premultiplied.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
    matrix[:, 2] += (centre[0] - width / 2, centre[1] - height / 2)
    laid = cv2.warpAffine(np.ascontiguousarray(premultiplied), matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    gain = random.uniform(0.6, 1.25, 3) if random.random() < 0.3 else random.uniform(0.8, 1.15)
    colour = np.clip(laid[:, :, :3] * gain, 0, 255 * laid[:, :, 3:])
    return colour.astype(np.float32), np.clip(laid[:, :, 3], 0, 1)


def _of_a_photo(random: Random, sources: Sources) -> CutOut:
    """An object of a photo at half its size: its hand-made outline, a pixel too coarse, shrinks with it."""
    picture, mask = sources.photo(sources.photos[random.integers(len(sources.photos))])
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8))
    half = (max(picture.shape[0] // 2, 1), max(picture.shape[1] // 2, 1))
    rows, columns = np.nonzero(mask.max(axis=1))[0], np.nonzero(mask.max(axis=0))[0]
    if rows.size < 40 or columns.size < 40:
        return sources.cut_outs[random.integers(len(sources.cut_outs))]
    solid = mask[..., None]
    spread = cv2.blur(picture.astype(np.float32) * solid, (7, 7)) / np.maximum(cv2.blur(mask, (7, 7)), 1e-3)[..., None]
    colours = np.where(solid > 0, picture, spread)  # the colours of the object, also just outside it
    image = resized(np.clip(colours, 0, 255).astype(np.float32), half).astype(np.uint8)
    alpha = resized(mask, half)
    box = np.s_[rows[0] // 2 : rows[-1] // 2 + 1, columns[0] // 2 : columns[-1] // 2 + 1]
    return CutOut(image[box], alpha[box])


def _drawn(random: Random, mesh: Mesh, sources: Sources, side: int) -> CutOut:
    """Draw a mesh from a random side, its faces from the farthest to the nearest, under one lamp."""
    fine = side * _FINE
    yaw, pitch = random.uniform(0, 2 * np.pi), random.uniform(-0.2, 0.8)
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    points = mesh.vertices @ (turn_x @ turn_y).T
    distance = random.uniform(1.6, 4.0)
    spread = 1 / (distance - points[:, 2])
    flat = np.stack([points[:, 0] * spread, -points[:, 1] * spread], axis=1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    flat = (flat - low) / max(float((high - low).max()), 1e-6) * (fine - 6) + 3
    corners = points[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    lamp = random.normal(0, 1, 3)
    lamp /= np.linalg.norm(lamp)
    light = 0.45 + 0.55 * np.abs(normals @ lamp)
    colours = mesh.colors * light[:, None]
    canvas, cover = np.zeros((fine, fine, 3), np.uint8), np.zeros((fine, fine), np.uint8)
    shapes = np.rint(flat[mesh.faces] * 16).astype(np.int32)
    for face in np.argsort(corners[:, :, 2].mean(axis=1)):
        cv2.fillConvexPoly(canvas, shapes[face], colours[face].tolist(), shift=4)
        cv2.fillConvexPoly(cover, shapes[face], 255, shift=4)
    alpha = cover.astype(np.float32) / 255
    image = canvas.astype(np.float32)
    if random.random() < 0.75:
        image = image * _texture(random, sources, (fine, fine))
    box_rows, box_columns = np.nonzero(cover.max(axis=1))[0], np.nonzero(cover.max(axis=0))[0]
    if box_rows.size < 2 * _FINE or box_columns.size < 2 * _FINE:
        return sources.cut_outs[random.integers(len(sources.cut_outs))]
    box = np.s_[box_rows[0] : box_rows[-1] + 1, box_columns[0] : box_columns[-1] + 1]
    image, alpha = image[box], alpha[box]
    small = (max(alpha.shape[0] // _FINE, 1), max(alpha.shape[1] // _FINE, 1))
    shrunk = resized(alpha, small)
    colour = resized(image * alpha[..., None], small) / np.maximum(shrunk, 1e-3)[..., None]
    return CutOut(np.clip(colour, 0, 255).astype(np.uint8), shrunk)


def _texture(random: Random, sources: Sources, size: tuple[int, int]) -> Float:
    """A factor (H, W, 3) around 1 with the grain of a photo."""
    picture = sources.scenes[random.integers(len(sources.scenes))]
    side = int(random.integers(60, min(picture.shape[:2])))
    top, left = random.integers(picture.shape[0] - side + 1), random.integers(picture.shape[1] - side + 1)
    patch = picture[top : top + side, left : left + side].astype(np.float32)
    if random.random() < 0.6:
        patch = np.repeat(patch.mean(axis=2, keepdims=True), 3, axis=2)
    patch = cv2.resize(patch, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return (1 + random.uniform(0.2, 0.9) * (patch / max(float(patch.mean()), 1.0) - 1)).astype(np.float32)


def _with_hair(random: Random, colour: Float, alpha: Float) -> tuple[Float, Float]:
    """Strands that leave the outline, thinner than a pixel to three pixels wide."""
    inside = (alpha > 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return colour, alpha
    outline = max(outlines, key=len)[:, 0].astype(np.float64)
    if len(outline) < 60:
        return colour, alpha
    height, width = alpha.shape
    middle = outline.mean(axis=0)
    strands = np.zeros((height * 2, width * 2), np.uint8)
    start, share = random.integers(len(outline)), random.uniform(0.15, 0.6)
    length = random.uniform(0.05, 0.18) * min(height, width)
    for _ in range(int(random.integers(40, 320))):
        at = outline[int(start + random.uniform(0, share) * len(outline)) % len(outline)]
        way = at - middle
        way = way / max(float(np.hypot(*way)), 1e-6)
        angle = np.arctan2(way[1], way[0]) + random.normal(0, 0.45)
        bend, step = random.normal(0, 0.12), length * random.uniform(0.3, 1.2) / 12
        path = [at - way * 4]
        for _ in range(12):
            path.append(path[-1] + step * np.array([np.cos(angle), np.sin(angle)]))
            angle += bend
        points = np.rint(np.array(path) * 2 * 8).astype(np.int32)
        cv2.polylines(strands, [points], False, 255, int(random.integers(1, 5)), cv2.LINE_AA, shift=3)
    cover = resized(strands.astype(np.float32), (height, width)) / 255 * random.uniform(0.7, 1.0)
    body = alpha > 0.9
    tone = colour[body].mean(axis=0) * random.uniform(0.4, 1.2) if body.any() else np.full(3, 60.0)
    shade = np.clip(tone * (1 + random.normal(0, 0.15, (height, width, 1))), 0, 255).astype(np.float32)
    extra = cover * (1 - alpha)
    return colour + shade * extra[..., None], alpha + extra


def _with_glass(random: Random, colour: Float, alpha: Float) -> tuple[Float, Float]:
    """A pane or ball of tinted glass beside or before the object: alpha 0.3, a bright rim of 0.8."""
    height, width = alpha.shape
    pane = np.zeros((height * 2, width * 2), np.uint8)
    rim = np.zeros_like(pane)
    centre = (int(random.uniform(0.25, 0.75) * width * 2), int(random.uniform(0.3, 0.7) * height * 2))
    axes = (int(random.uniform(0.08, 0.25) * width * 2), int(random.uniform(0.1, 0.3) * height * 2))
    turn = float(random.uniform(0, 180))
    cv2.ellipse(pane, centre, axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.ellipse(rim, centre, axes, turn, 0, 360, 255, int(random.integers(3, 9)), cv2.LINE_AA)
    cover = np.maximum(
        0.3 * resized(pane.astype(np.float32), alpha.shape), 0.8 * resized(rim.astype(np.float32), alpha.shape)
    )
    cover = cover / 255
    tint = random.uniform(60, 255, 3)
    extra = cover * (1 - alpha)
    return (colour + tint * extra[..., None]).astype(np.float32), alpha + extra


def _moved(random: Random, colour: Float, alpha: Float) -> tuple[Float, Float]:
    """The object moved while the picture was taken."""
    length, angle = int(random.integers(5, 17)), random.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle, reach = (length - 1) / 2, (length - 1) / 2
    first = (round(middle - reach * np.cos(angle)), round(middle - reach * np.sin(angle)))
    last = (round(middle + reach * np.cos(angle)), round(middle + reach * np.sin(angle)))
    cv2.line(kernel, first, last, 1.0, 1)
    kernel /= kernel.sum()
    blurred: Callable[[Float], Float] = lambda values: cv2.filter2D(values, -1, kernel)  # noqa: E731
    return blurred(colour), blurred(alpha)


def _with_shadow(random: Random, back: Float, alpha: Float) -> Float:
    """What the object keeps from the light: darker, sheared, soft, and no part of the alpha."""
    height, width = alpha.shape
    lean, low = random.uniform(-0.6, 0.6), random.uniform(0.3, 0.9)
    rows = np.nonzero(alpha.max(axis=1) > 0.5)[0]
    foot = float(rows[-1]) if rows.size else height - 1.0
    matrix = np.array([[1, -lean, lean * foot], [0, low, foot * (1 - low)]], np.float32)
    shadow = cv2.warpAffine(alpha, matrix, (width, height))
    shadow = cv2.GaussianBlur(shadow, (0, 0), random.uniform(1, 14))
    return (back * (1 - random.uniform(0.15, 0.6) * shadow[..., None])).astype(np.float32)
