"""A folder -> its files, each once, in a fixed order. Only names and file types are read here, no contents."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from backend.contract.errors import InvalidParameterError


@dataclass
class Walk:
    """The contents of a folder: `files` by their names relative to it (sorted), and why other entries are left out."""

    folder: Path
    files: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)  # name -> a sentence
    hidden: int = 0  # folders left out because their name begins with a dot


def walk(folder: Path, leave_out: Path | None = None) -> Walk:
    """Return the files in `folder` and below, without the folder `leave_out` and without hidden folders.

    Links are followed, but a folder is entered once, however many names lead to it. Raises InvalidParameterError when
    `folder` is none or cannot be read.
    """
    try:
        top = folder.stat()
        if not stat.S_ISDIR(top.st_mode):
            raise InvalidParameterError(f"{folder} is not a folder.", parameter="folder")
        found = Walk(folder)
        entered = {_identity(top)}
        if leave_out is not None and leave_out.is_dir() and _identity(leave_out.stat()) not in entered:
            entered.add(_identity(leave_out.stat()))
        _enter("", found, entered)
    except OSError as error:
        raise InvalidParameterError(f"{folder} cannot be read: {error.strerror}.", parameter="folder") from error
    found.files.sort()
    return found


def _enter(top: str, found: Walk, entered: set[tuple[int, int]]) -> None:
    waiting = [top]  # a list, not recursion: folders may be nested deeper than Python's stack
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(found.folder / inside) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if inside == top:
                raise
            found.problems[inside] = f"The folder cannot be read: {error.strerror}."
            continue
        waiting += [f"{inside}{entry.name}/" for entry in listed if _sort_in(inside, entry, found, entered)]


def _sort_in(inside: str, entry: os.DirEntry[str], found: Walk, entered: set[tuple[int, int]]) -> bool:
    """Put a file or a problem on its list; return whether `entry` is a folder to enter."""
    name = inside + entry.name
    try:
        facts = entry.stat()
    except OSError as error:
        broken = entry.is_symlink()
        found.problems[name] = "The link leads nowhere." if broken else f"It cannot be read: {error.strerror}."
        return False
    if stat.S_ISREG(facts.st_mode):
        found.files.append(name)
    elif not stat.S_ISDIR(facts.st_mode):
        found.problems[name] = "It is a device, pipe or socket, not a file."
    elif entry.name.startswith("."):
        found.hidden += 1
    elif _identity(facts) not in entered:
        entered.add(_identity(facts))
        return True
    elif entry.is_symlink():
        found.problems[name] = "The link leads to a folder that was read before."
    return False


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino
