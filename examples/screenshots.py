"""Screenshots of the page at every step, wide and narrow, light and dark; and the README's picture.

    ./setup.sh run --no-fetch                        # in another terminal
    .venv/bin/python examples/screenshots.py         # -> examples/output/page/
    .venv/bin/python examples/screenshots.py --readme    # -> docs/page.png

Needs playwright (requirements-dev.txt) and a Chromium.
"""

import argparse
import io
from pathlib import Path
from typing import Any

from chromium import launch
from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
SIZES = {"wide": {"width": 1280, "height": 860}, "narrow": {"width": 390, "height": 844}}
PATIENCE_MS = 90_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="of a running service")
    parser.add_argument("--output", type=Path, default=HERE / "output" / "page")
    parser.add_argument("--readme", action="store_true", help="only the README's picture, docs/page.png")
    arguments = parser.parse_args()
    with sync_playwright() as play:
        browser = launch(play)
        if arguments.readme:
            readme_picture(browser, arguments.address, HERE.parent / "docs" / "page.png")
        else:
            arguments.output.mkdir(parents=True, exist_ok=True)
            for size in SIZES:
                for scheme in ("light", "dark"):
                    every_step(browser, arguments.address, size, scheme, arguments.output)
        browser.close()


def open_page(browser: Any, address: str, size: str, scheme: str) -> Any:
    narrow = size == "narrow"
    context = browser.new_context(
        viewport=SIZES[size], color_scheme=scheme, is_mobile=narrow, has_touch=narrow, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(800)
    return page


def every_step(browser: Any, address: str, size: str, scheme: str, folder: Path) -> None:
    """Save one picture per step and view, named by size, scheme and step."""
    page = open_page(browser, address, size, scheme)

    def save(step: str, wait_ms: int = 400) -> None:
        page.wait_for_timeout(wait_ms)
        path = folder / f"{size}-{scheme}-{step}.png"
        page.screenshot(path=path)
        print(path)

    save("1-photo")
    page.set_input_files("#pick", [str(HERE / name) for name in ("robot.jpg", "jug.jpg", "cactus.jpg")])
    save("2-working", 60)
    page.wait_for_selector("#compare:not([hidden])")
    page.wait_for_function("() => document.querySelectorAll('.strip li[data-state=\"matte-ready\"]').length === 3")
    save("2-matte")
    page.click(".steps [data-step=fix]")
    save("3-fix", 1200)
    page.click(".steps [data-step=background]")
    page.locator('input[aria-label="Sun"]').check(force=True)
    page.wait_for_selector("#background-form [type=submit]:not([disabled])")
    save("4-background", 900)
    page.click(".steps [data-step=mesh]")
    save("5-working", 300)  # already done where the service remembers
    page.wait_for_selector("#mesh-verdict b")
    for view in ("solid", "wire", "turntable", "overlay"):
        page.locator(f'input[name="mesh-view"][value="{view}"]').check(force=True)
        save(f"5-{view}", 3500)
    page.click("#engines-open")
    save("6-engines")
    page.context.close()


def readme_picture(browser: Any, address: str, path: Path) -> None:
    """Save the matte and the mesh of the jug side by side."""
    page = open_page(browser, address, "wide", "light")
    page.click(".example:has-text('jug')")
    page.wait_for_selector("#compare:not([hidden])")
    page.wait_for_timeout(500)
    shots = [page.screenshot()]
    page.click("#make-mesh")
    page.wait_for_selector("#mesh-verdict b")
    page.wait_for_timeout(5000)
    shots.append(page.screenshot())
    pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    width, height = pictures[0].size
    both = Image.new("RGB", (2 * width + 24, height), "white")
    for index, picture in enumerate(pictures):
        both.paste(picture, (index * (width + 24), 0))
    both = both.resize((1360, round(1360 * both.height / both.width)), Image.Resampling.LANCZOS)
    both.save(path, optimize=True)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
