"""The step of the build that pyproject.toml cannot describe: what the page takes from outside of backend/."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

VIEWER = "node_modules/@google/model-viewer"  # of meshes; where `npm ci` has not run, a wheel is built without it
PATTERNS = ("examples/*.jpg", f"{VIEWER}/LICENSE", f"{VIEWER}/dist/model-viewer.min.js")


class BuildWithPage(build_py):
    """Copies the example pictures and the viewer beside the page's own files."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the page then finds them in the checkout
            return
        for file in (file for pattern in PATTERNS for file in Path().glob(pattern)):
            target = Path(self.build_lib, "backend/web/packaged") / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


setup(cmdclass={"build_py": BuildWithPage})
