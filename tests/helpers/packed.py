"""The packages for Blender and ComfyUI, as those unpack and import them."""

import importlib.util
import sys
import uuid
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

from backend.contract.settings import REPOSITORY


def packed(name: str, folder: Path) -> Path:
    """Return the zip that pack.py writes of integrations/`name`."""
    path: Path = _loaded("pack", REPOSITORY / "integrations" / "pack.py").pack(name, folder)
    return path


def imported(name: str, folder: Path) -> Any:
    """Return the package out of that zip; `folder` must be empty."""
    with zipfile.ZipFile(packed(name, folder)) as archive:
        archive.extractall(folder / "unpacked")
    (start,) = (folder / "unpacked").rglob("__init__.py")
    return _loaded(f"{name}_{uuid.uuid4().hex}", start)


def service_module() -> Any:
    """Return the module that both packages hold."""
    return _loaded("integrations_service", REPOSITORY / "integrations" / "service.py")


def _loaded(name: str, path: Path) -> ModuleType:
    places = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
