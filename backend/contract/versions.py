"""The versions of the project and of what its results depend on."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

__version__ = "0.2.0"  # the only place that holds it; pyproject.toml reads it from here
PACKAGES = (
    "torch",
    "onnxruntime",
    "transformers",
    "opencv-contrib-python-headless",
    "trimesh",
    "pillow",
    "numpy",
    "rembg",
)


@cache
def versions() -> dict[str, str]:
    """Return the versions of what the result depends on, by package; nothing is imported for it."""
    found = {"mattemesh": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
