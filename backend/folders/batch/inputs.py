"""IN_DIR -> the pictures in it, by what their names or their first bytes say. Nothing is decoded here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from backend.contract.errors import InvalidParameterError
from backend.folders.batch.manifest import is_manifest
from backend.folders.batch.out_folder import MANIFEST
from backend.folders.datasets.file_kind import DECODED, HEAD_BYTES, kind_by_name, kind_of
from backend.folders.datasets.walk import walk


@dataclass
class Inputs:
    """The contents of a folder; names are relative to it, with "/", sorted."""

    pictures: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)  # named like a picture, but not a file -> why
    skipped: dict[str, str] = field(default_factory=dict)  # folders and links that are skipped -> why
    others: int = 0  # files that are not pictures
    hidden: int = 0  # files and folders whose names begin with a dot
    stamps: Mapping[str, bytes] = field(default_factory=dict)  # of pictures whose content a listing tells


class FolderSource:
    """The pictures in a folder and below; what is in `out` are results."""

    def __init__(self, folder: Path, out: Path | None) -> None:
        self.folder, self._out = folder, out

    @property
    def title(self) -> str:
        return self.folder.resolve().name or str(self.folder)

    def find(self) -> Inputs:
        """Return the pictures in it. Raises InvalidParameterError when the folder cannot be read."""
        return find_pictures(self.folder, self._out)

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return the first `max_bytes` of a picture. Raises OSError."""
        with (self.folder / name).open("rb") as file:
            return file.read(max_bytes)


def check_in_and_out(folder: Path, out: Path) -> None:
    """Raise InvalidParameterError unless `folder` can be read from and `out` written to without touching a picture."""
    if not folder.exists():
        raise InvalidParameterError(f"There is no folder {folder}.", parameter="folder")
    if not folder.is_dir():
        raise InvalidParameterError(f"{folder} is not a folder.", parameter="folder")
    if out.exists() and not out.is_dir():
        raise InvalidParameterError(f"{out} is a file; the results need a folder.", parameter="out")
    if folder.resolve().is_relative_to(out.resolve()):  # a result of a sub-folder could replace a picture
        raise InvalidParameterError(f"{out} holds the pictures; name another folder with -o.", parameter="out")


def find_pictures(folder: Path, out: Path | None) -> Inputs:
    """Return the pictures in `folder` and below, without what is hidden and without any run's results.

    `out`: the folder of the results, left out. Raises InvalidParameterError when the folder cannot be read.
    """
    walked = walk(folder, leave_out=out)
    results = {
        name.removesuffix(MANIFEST)
        for name in walked.files
        if name.endswith(f"/{MANIFEST}") and is_manifest(folder / name)
    }
    found = Inputs(hidden=walked.hidden)
    found.skipped = dict.fromkeys(sorted(results), "It holds the results of another run.")
    for name in walked.files:
        if results and any(f"{parent}/" in results for parent in PurePosixPath(name).parents):
            continue
        if PurePosixPath(name).name.startswith("."):
            found.hidden += 1
        elif kind_by_name(name) is not None or _head_kind(folder / name) in DECODED:
            found.pictures.append(name)
        else:
            found.others += 1
    for name, sentence in walked.problems.items():
        claims = kind_by_name(name) is not None and not (folder / name).is_dir()
        (found.unreadable if claims else found.skipped)[name] = sentence
    return found


def _head_kind(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            return kind_of(os.read(descriptor, HEAD_BYTES))
        finally:
            os.close(descriptor)
    except OSError:
        return "unknown"
