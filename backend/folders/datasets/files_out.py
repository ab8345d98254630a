"""Results -> files in a folder, as JSON and CSV; each file is whole or not there."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.contract.confined_folder import ConfinedFolder
from backend.contract.errors import InvalidParameterError
from backend.contract.files import translate_write_errors


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` by their names (which may have one folder in front) into `folder`, over what is there.

    Raises InvalidParameterError, also for a link on the way, or StorageFullError.
    """
    with translate_write_errors(folder), ConfinedFolder(folder) as out:
        for name, data in files.items():
            out.write(name, data)


def check_folder_for_results(out: Path, *inputs: Path) -> None:
    """Raise InvalidParameterError when `out` is a file, or one of the folders that are only read."""
    if out.exists() and not out.is_dir():
        raise InvalidParameterError(f"{out} is a file; the results need a folder.", parameter="out")
    for folder in inputs:
        if out.exists() and folder.exists() and out.samefile(folder):
            raise InvalidParameterError(f"{out} holds the pictures; name another folder with -o.", parameter="out")


def as_json(content: Any) -> bytes:
    """Return `content` as indented JSON; names that are not UTF-8 are escaped."""
    return json.dumps(content, indent=1).encode("ascii")


def as_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """Return a table as CSV in UTF-8. A text that a spreadsheet would run as a formula gets a `./` in front."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(header)
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return target.getvalue().encode("utf-8", "backslashreplace")


def _harmless(cell: object) -> object:
    return f"./{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
