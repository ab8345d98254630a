"""Draw docs/demo.webp, the README's moving picture: a photo, its cutout, its mesh turning.

python examples/moving_picture.py [PICTURE] [OUTPUT]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))  # it runs in a checkout that is not installed

from backend.contract.options import MaskOptions, MeshOptions  # noqa: E402
from backend.mesh.preview import render_mesh  # noqa: E402
from backend.pipeline import cut_out, reconstruct  # noqa: E402

SIDE = 320  # px, of each of the three panels
WIPE, TURN = 16, 36  # frames of the cutout's appearing and of one turn of the mesh
FRAME_MS, REST_MS = 80, 900


def main(picture: Path, output: Path) -> None:
    """Write the moving picture of `picture` to `output`, a WebP."""
    photo = Image.open(picture).convert("RGB")
    cutout = cut_out(picture, MaskOptions(output="cutout"))
    mesh = reconstruct(picture, MeshOptions(texture="baked")).mesh
    shown = _panel(photo)
    cut = _panel(_on_checks(cutout.alpha, np.asarray(photo)))
    turns = [Image.fromarray(render_mesh(mesh, 360 * step / TURN, 10, SIDE)) for step in range(TURN)]
    blank = Image.new("RGB", (SIDE, SIDE), turns[0].getpixel((0, 0)))
    frames = [_frame(shown, _wiped(shown, cut, step / WIPE), blank) for step in range(WIPE + 1)]
    frames += [_frame(shown, cut, turn) for turn in [*turns, turns[0]]]
    times = [REST_MS, *[FRAME_MS] * (WIPE - 1), REST_MS, *[FRAME_MS] * TURN, REST_MS]
    frames[0].save(output, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=72, method=6)


def _panel(picture: Image.Image) -> Image.Image:
    """Return the middle of `picture` as a square panel."""
    short = min(picture.size)
    left, top = ((length - short) // 2 for length in picture.size)
    return picture.crop((left, top, left + short, top + short)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _on_checks(alpha: np.ndarray, photo: np.ndarray) -> Image.Image:
    """Return the object of an RGB photo (H, W, 3), alpha (H, W) in [0, 1], on a checkerboard."""
    cell = max(8, min(alpha.shape) // 24)
    rows, columns = np.indices(alpha.shape) // cell
    checks = np.where((rows + columns) % 2, 235, 205)[..., None]
    mixed = photo * alpha[..., None] + checks * (1 - alpha[..., None])
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _wiped(before: Image.Image, after: Image.Image, share: float) -> Image.Image:
    frame = before.copy()
    frame.paste(after.crop((0, 0, round(share * SIDE), SIDE)), (0, 0))
    return frame


def _frame(*panels: Image.Image) -> Image.Image:
    frame = Image.new("RGB", (len(panels) * SIDE, SIDE))
    for index, panel in enumerate(panels):
        frame.paste(panel, (index * SIDE, 0))
    return frame


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "examples" / "robot.jpg",
        Path(sys.argv[2]) if len(sys.argv) > 2 else REPOSITORY / "docs" / "demo.webp",
    )
