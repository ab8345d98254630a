"""The name of each picture's result: unique, and the same in every run.

`a/x.jpg` becomes `a/x.png`. Where several pictures share that name, or another file has it, it becomes
`a/x.jpg.png`, and after that `a/x.jpg (2).png`. A name in the manifest stays with its picture.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath

from backend.folders.batch.out_folder import RESERVED

MAX_BYTES = 200  # of a file's name; file systems take 255


def name_results(
    inputs: Sequence[str], ending: str, owned: Mapping[str, str], is_taken: Callable[[str], bool]
) -> dict[str, str]:
    """Return the name of the result for each of `inputs`, with `ending` (".png").

    `owned` are names given before, to these inputs or to others; `is_taken` says whether OUT_DIR has such a file
    already. Names that differ only in case, or in how a letter is composed, count as the same.
    """
    names = {each: owned[each] for each in inputs if each in owned and owned[each].endswith(ending)}
    used = {fold_name(name) for name in owned.values()}
    used |= {fold_name(str(parent)) for each in inputs for parent in PurePosixPath(_moved(each)).parents}
    wanted = Counter(fold_name(_candidates(each, ending)[0]) for each in inputs if each not in names)
    for each in inputs:
        if each in names:
            continue
        plain, *others = _candidates(each, ending)
        shared = wanted[fold_name(plain)] > 1
        for name in _numbered([*others] if shared else [plain, *others], ending):
            if fold_name(name) not in used and not is_taken(name):
                break
        names[each] = name
        used.add(fold_name(name))
    return names


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
