"""Make the pictures of the page's first step from the example pictures: before, after, the turning mesh, thumbnails.

    python examples/make_page_pictures.py       # writes backend/web/pictures/

They are results of this project on its own pictures, as `python -m backend` makes them.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from backend.contract.options import MaskOptions  # noqa: E402
from backend.mesh.mesh import Mesh  # noqa: E402
from backend.mesh.preview import PAPER, render_mesh  # noqa: E402
from backend.pipeline import cut_out, reconstruct  # noqa: E402

SHOWN = HERE / "pumpkin.jpg"
SIZE, FRAMES, FRAME_PX, ELEVATION_DEG = (600, 450), 24, 220, 10.0
THUMB = (200, 150)
ICON_PX = (180, 192, 512)


def main() -> None:
    out = HERE.parent / "backend" / "web" / "pictures"
    out.mkdir(exist_ok=True)
    photo = Image.open(SHOWN).convert("RGB")
    cut = cut_out(SHOWN, MaskOptions(output="cutout"))
    alpha = Image.fromarray(np.rint(cut.alpha * 255).astype(np.uint8))
    cutout = Image.fromarray(cut.image)
    cutout.putalpha(alpha)
    photo.resize(SIZE, Image.Resampling.LANCZOS).save(out / "before.webp", quality=72, method=6)
    cutout.resize(SIZE, Image.Resampling.LANCZOS).save(out / "after.webp", quality=72, method=6)
    mesh = reconstruct(SHOWN).mesh
    views = [clear_view(mesh, 360 * frame / FRAMES) for frame in range(FRAMES)]
    strip = np.concatenate(views, axis=1)
    Image.fromarray(strip).save(out / "turn.webp", quality=60, method=6)
    thumbs = [Image.open(path).convert("RGB").resize(THUMB, Image.Resampling.LANCZOS) for path in pictures()]
    Image.fromarray(np.concatenate([np.array(thumb) for thumb in thumbs], axis=1)).save(
        out / "examples.webp", quality=70, method=6
    )
    for size in ICON_PX:
        icon(size).save(out / f"icon-{size}.png", optimize=True)
    for path in sorted(out.iterdir()):
        print(path.name, path.stat().st_size)


def icon(size: int) -> Image.Image:
    """Return the cube of icon.svg on the page's light ground, as home screens want it."""
    faces = {
        "#0d6b5c": [(16, 3), (27.5, 9.5), (27.5, 22.5), (16, 29), (4.5, 22.5), (4.5, 9.5)],
        "#63d0b8": [(16, 3), (27.5, 9.5), (16, 16), (4.5, 9.5)],
        "#17907c": [(16, 16), (16, 29), (4.5, 22.5), (4.5, 9.5)],
    }
    drawn = Image.new("RGB", (4 * size, 4 * size), "#f7f6f2")
    for color, corners in faces.items():
        places = [tuple((0.15 + 0.7 * value / 32) * 4 * size for value in corner) for corner in corners]
        ImageDraw.Draw(drawn).polygon(places, color)
    return drawn.resize((size, size), Image.Resampling.LANCZOS)


def pictures() -> list[Path]:
    return sorted(HERE.glob("*.jpg"))


def clear_view(mesh: Mesh, azimuth_deg: float) -> NDArray[np.uint8]:
    """Return one view with a clear background: (FRAME_PX, FRAME_PX, 4)."""
    seen = render_mesh(mesh, azimuth_deg, ELEVATION_DEG, 3 * FRAME_PX).astype(np.float32)
    solid = (np.abs(seen - np.float32(PAPER)).max(axis=2) > 3).astype(np.float32)
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((5, 5)))
    both = np.concatenate([seen * solid[..., None], solid[..., None]], axis=2)
    small = cv2.resize(both, (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_AREA)
    color = small[..., :3] / np.maximum(small[..., 3:], 1e-6)
    return np.rint(np.clip(np.concatenate([color, 255 * small[..., 3:]], axis=2), 0, 255)).astype(np.uint8)


if __name__ == "__main__":
    main()
