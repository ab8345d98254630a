"""What every test may ask for."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference pictures and numbers beside the checkout; tests that need it skip without it."""
    folder = Path(os.environ.get("MATTEMESH_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("the shared reference folder is not beside this checkout")
    return folder
