"""The name of each picture's result: unique, and the same in every run.

`a/x.jpg` becomes `a/x.png`. Where several pictures share that name, or another file has it, it becomes
`a/x.jpg.png`, and after that `a/x.jpg (2).png`. A name in the manifest stays with its picture.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import PurePosixPath

import numpy as np

from backend.folders.batch.out_folder import RESERVED

MAX_BYTES = 200  # of a file's name; file systems take 255


def name_results(
    inputs: Sequence[str],
    ending: str,
    owned: Callable[[str], str | None],
    given: Iterable[str],
    is_taken: Callable[[str], bool],
) -> Iterator[tuple[str, str]]:
    """Yield each of `inputs` with the name of its result, which has `ending` (".png").

    `owned` returns the name that was given to an input before; `given` are all names given before, to these inputs or
    to others; `is_taken` says whether OUT_DIR has such a file already. Names that differ only in case, or in how a
    letter is composed, count as the same.
    """

    def kept(each: str) -> str | None:
        name = owned(each)
        return name if name is not None and name.endswith(ending) else None

    earlier = Hashes(map(fold_name, given))
    plain = Hashes(fold_name(_candidates(each, ending)[0]) for each in inputs if kept(each) is None)
    shared = plain.repeated()
    folders = {folder for each in inputs for folder in PurePosixPath(_moved(each)).parents}
    used = {hash(fold_name(str(folder))) for folder in folders}
    for each in inputs:
        if before := kept(each):
            yield each, before
            continue
        first, *longer = _candidates(each, ending)
        if (mark := hash(fold_name(first))) in shared or mark in used or mark in earlier or is_taken(first):
            for name in _numbered(longer, ending):
                mark = hash(fold_name(name))
                if not (mark in used or mark in earlier or mark in plain or is_taken(name)):
                    break
            used.add(mark)
            yield each, name
        else:
            yield each, first


class Hashes:
    """The hashes of many names, 8 bytes each: two names that differ are taken for one only by a rare chance."""

    def __init__(self, names: Iterable[str]) -> None:
        self._sorted = np.sort(np.fromiter(map(hash, names), np.int64))

    def __contains__(self, mark: int) -> bool:
        at = np.searchsorted(self._sorted, mark)
        return bool(at < len(self._sorted) and self._sorted[at] == mark)

    def repeated(self) -> set[int]:
        """Return those that are there more than once."""
        return set(self._sorted[1:][self._sorted[1:] == self._sorted[:-1]].tolist())


def _candidates(each: str, ending: str) -> list[str]:
    path = PurePosixPath(_moved(each))
    return [str(path.with_name(_short(stem, each, ending))) for stem in (path.stem, path.name)]


def _numbered(names: list[str], ending: str) -> Iterator[str]:
    yield from names
    for number in count(2):
        yield f"{names[-1].removesuffix(ending)} ({number}){ending}"


def _moved(each: str) -> str:
    """Return the input's name, its top folder renamed where OUT_DIR uses that name itself."""
    first, slash, rest = each.partition("/")
    return f"{first}_{slash}{rest}" if slash and first.casefold() in RESERVED else each


def _short(stem: str, each: str, ending: str) -> str:
    raw = stem.encode("utf-8", "surrogateescape")
    if len(raw) + len(ending) <= MAX_BYTES:
        return stem + ending
    mark = hashlib.blake2b(each.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{raw[: MAX_BYTES - len(ending) - 9].decode('utf-8', 'ignore')}~{mark}{ending}"


def fold_name(name: str) -> str:
    """Return what is the same for names that some file system takes for one: in case, or in composed letters."""
    return unicodedata.normalize("NFC", name).casefold()
