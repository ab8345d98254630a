"""Make the pictures of docs/gallery.md from the example pictures.

    python examples/make_gallery.py       # writes docs/gallery/

The masks are u2netp's, the meshes form's, whatever other weights are here: a gallery shows what a first start gives.
The picture of a folder's report needs playwright (requirements-dev.txt) and a Chromium.
"""

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from chromium import launch
from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from backend.contract.options import BackgroundOptions, MaskOptions, MeshOptions  # noqa: E402
from backend.contract.settings import Settings  # noqa: E402
from backend.engines.registry import Engines  # noqa: E402
from backend.matte.editing.background import add_background  # noqa: E402
from backend.mesh.preview import contact_sheet  # noqa: E402
from backend.pipeline import cut_out, reconstruct  # noqa: E402

OUT = HERE.parent / "docs" / "gallery"
PANEL = (440, 330)
GROUNDS = {
    "jug": BackgroundOptions(color="#ffffff", shadow="contact"),
    "robot": BackgroundOptions(color="#f4e3c3", color_to="#c9794b", gradient="round", shadow="soft"),
    "duck": BackgroundOptions(color="#9fc5d8", shadow="contact"),
    "cactus": BackgroundOptions(color="#fbe9e2", color_to="#d9a18c", shadow="contact"),
}
MESHES = ("jug", "duck", "pumpkin", "robot")
BATCH = ("batch", "examples", "-o", "cut", "--output", "cutout")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    engines = Engines(Settings())
    for name, ground in GROUNDS.items():
        save(f"{name}.webp", on_ground(HERE / f"{name}.jpg", ground, engines))
    for name in MESHES:
        mesh = reconstruct(HERE / f"{name}.jpg", MeshOptions(model="u2netp", engine="form"), engines=engines).mesh
        save(f"{name}-mesh.webp", contact_sheet(mesh, 330))
    with tempfile.TemporaryDirectory() as folder:
        photograph_report(Path(folder))


def on_ground(photo: Path, ground: BackgroundOptions, engines: Engines) -> np.ndarray:
    """Return the photo, its mask and its cutout on a ground side by side: (330, 1320, 3) uint8."""
    cutout = cut_out(photo, MaskOptions(model="u2netp", output="cutout"), engines=engines)
    placed = add_background(cutout.file.data, ground, engines=engines)
    mask = Image.fromarray(np.rint(cutout.alpha * 255).astype(np.uint8))
    panels = (Image.open(photo), mask, Image.fromarray(placed.image))
    shown = [panel.convert("RGB").resize(PANEL, Image.Resampling.LANCZOS) for panel in panels]
    return np.concatenate([np.asarray(panel) for panel in shown], axis=1)


def photograph_report(folder: Path) -> None:
    """Run the command for a folder on the example pictures and save what its report says of each."""
    (folder / "examples").mkdir()
    for photo in HERE.glob("*.jpg"):
        (folder / "examples" / photo.name).write_bytes(photo.read_bytes())
    own = {"PYTHONPATH": str(HERE.parent), "SEGMENTER": "u2netp"}
    subprocess.run([sys.executable, "-m", "backend", *BATCH], cwd=folder, env={**os.environ, **own}, check=True)
    with sync_playwright() as play:
        browser = launch(play)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((folder / "cut" / "report.html").as_uri())
        page.add_style_tag(content="th:last-child, td:last-child { display: none }")  # the seconds
        shot = page.locator("section", has=page.get_by_role("heading", name="Pictures")).screenshot()
        save("batch.webp", np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")))
        browser.close()


def save(name: str, picture: np.ndarray) -> None:
    Image.fromarray(picture).save(OUT / name, quality=78, method=6)
    print(name, (OUT / name).stat().st_size, "bytes")


if __name__ == "__main__":
    main()
