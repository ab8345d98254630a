"""A headless Chromium that draws WebGL in software, for the pictures of the page and for its tests."""

import shutil
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
# WebGL alone goes through the GPU's stand-in: the page itself through it too would cost more than the CPU's own way.
SOFTWARE_GL = (
    "--use-gl=angle",
    "--use-angle=swiftshader-webgl",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)


def launch(playwright: Any) -> Any:
    """Return the browser; where none is installed, the one that Playwright may have brought."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *SOFTWARE_GL])
