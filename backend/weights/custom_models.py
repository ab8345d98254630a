"""The operator's own segmenters: `models.toml` in the checkpoints folder, read into entries of the catalogue.

[shoes]                         # the name that a request gives
file = "shoes.onnx"             # beside models.toml
input_size = 320                # or [height, width]
mean = [0.485, 0.456, 0.406]    # of RGB in [0, 1]
std = [0.229, 0.224, 0.225]
activation = "sigmoid"          # the output is a logit; "none": it is saliency already
licence = "ours"                # optional, as are the next two
commercial_use = true
sha256 = "…"
"""

import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.weights.catalogue import CATALOGUE, EMBEDDED_ENGINES, Model, ModelFile, NetworkInput
from backend.weights.remote_services import REMOTE_SERVICES

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,120}\.onnx")
_RESERVED = frozenset({"auto", *EMBEDDED_ENGINES, *REMOTE_SERVICES})
_REQUIRED = frozenset({"file", "input_size", "mean", "std", "activation"})
_OPTIONAL = frozenset({"licence", "commercial_use", "sha256"})


@dataclass(frozen=True)
class CustomModels:
    """The usable entries of `models.toml` by name, and one sentence for each entry with a mistake."""

    models: dict[str, Model]
    problems: dict[str, str]  # by the entry's name; "" for the file as a whole


def read_custom_models(checkpoints: Path) -> CustomModels:
    """Return what `models.toml` of the checkpoints folder holds, nothing where there is no such file.

    A bad entry never hides the others.
    """
    path = checkpoints / "models.toml"
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device may never end
            return CustomModels({}, {"": "models.toml is not a file."})
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return CustomModels({}, {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return CustomModels({}, {"": f"models.toml cannot be read: {error}."})
    except OSError:
        return CustomModels({}, {"": "models.toml cannot be opened."})
    models, problems = {}, {}
    for name, entry in table.items():
        try:
            models[name] = _model(name, entry)
        except ValueError as error:
            problems[name] = f"models.toml, entry {name[:64]!r}: {error}."
    return CustomModels(models, problems)


def _model(name: str, entry: Any) -> Model:
    if not isinstance(entry, dict):
        raise ValueError("it is outside of any [name] section")
    if not _NAME.fullmatch(name):
        raise ValueError("a name is lower-case letters, digits, '.', '_' and '-'")
    if name in CATALOGUE or name in _RESERVED:
        raise ValueError("the name is taken")
    for missing in sorted(_REQUIRED - entry.keys()):
        raise ValueError(f"{missing} is missing")
    for unknown in sorted(entry.keys() - _REQUIRED - _OPTIONAL):
        raise ValueError(f"unknown key {unknown[:64]!r}")
    file, digest = entry["file"], entry.get("sha256")
    if not (isinstance(file, str) and _FILE.fullmatch(file)):
        raise ValueError("file is the name of an .onnx file in the checkpoints folder, without any folder")
    if digest is not None and not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)):
        raise ValueError("sha256 is 64 lower-case hexadecimal digits")
    licence, commercial_use = entry.get("licence", "unknown"), entry.get("commercial_use", False)
    if not isinstance(licence, str) or not isinstance(commercial_use, bool):
        raise ValueError("licence is a text and commercial_use is true or false")
    source = ModelFile(file, "own", "", None, digest)
    return Model(name, "segmentation", licence, commercial_use, (source,), "Your own network.", _network(entry))


def _network(entry: dict[str, Any]) -> NetworkInput:
    size = entry["input_size"]
    sides = [size, size] if isinstance(size, int) else size
    if not (isinstance(sides, list) and len(sides) == 2 and all(type(side) is int for side in sides)):
        raise ValueError("input_size is one whole number or [height, width]")
    if not all(16 <= side <= 4096 for side in sides):
        raise ValueError("input_size lies between 16 and 4096 pixels")
    if entry["activation"] not in ("none", "sigmoid"):
        raise ValueError('activation is "none" or "sigmoid"')
    mean, std = (_three(entry[key], key) for key in ("mean", "std"))
    if min(std) <= 0:
        raise ValueError("std is greater than zero")
    return NetworkInput((sides[0], sides[1]), mean, std, entry["activation"])


def _three(value: Any, key: str) -> tuple[float, float, float]:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 3 or not all(type(n) in (int, float) and math.isfinite(n) for n in numbers):
        raise ValueError(f"{key} is three numbers")
    red, green, blue = (float(n) for n in numbers)
    return red, green, blue
