"""A headless Chromium with software WebGL, for the screenshots and tests of the page."""

import shutil
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
# Only WebGL uses the software GPU: drawing the page through it too would be slower.
SOFTWARE_GL = (
    "--use-gl=angle",
    "--use-angle=swiftshader-webgl",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)


def launch(playwright: Any) -> Any:
    """Return the installed browser, or else Playwright's own."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *SOFTWARE_GL])
