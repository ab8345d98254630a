"""Which weights are on this machine, and whether they are what they should be.

A file counts as whole when its sha256 is the published one and the one written down beside it when it was fetched
(`<file>.sha256`, in the format of `sha256sum -c`). Hashing gigabytes takes seconds, so it is done once per process
and file; after that size, time and inode tell whether the file was touched.
"""

import hashlib
import threading
from collections import defaultdict
from pathlib import Path
from typing import Literal

from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.weights.catalogue import CATALOGUE, Model, ModelFile
from backend.weights.custom_models import read_custom_models
from backend.weights.partial_file import PartialFile
from backend.weights.remote_services import REMOTE_SERVICES

ModelState = Literal["absent", "partial", "complete", "broken"]
_Stamp = tuple[int, int, int]

_digests: dict[Path, tuple[_Stamp, str]] = {}  # what this process has hashed
_hashing: dict[Path, threading.Lock] = defaultdict(threading.Lock)  # two that need the same file read it once


def find_model(name: str, checkpoints: Path) -> Model:
    """Return the entry called `name`, from the catalogue or from the folder's `models.toml`.

    Raises InvalidParameterError for a name nobody knows and ModelUnavailableError for an entry with a mistake in it.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    if name in REMOTE_SERVICES:
        raise InvalidParameterError(f"{name} is a service of others; it has no weights.", parameter="model")
    custom = read_custom_models(checkpoints)
    if name in custom.models:
        return custom.models[name]
    if name in custom.problems:
        raise ModelUnavailableError(custom.problems[name], model=name)
    known = ", ".join([*CATALOGUE, *custom.models, *REMOTE_SERVICES])
    raise InvalidParameterError(f"No model has that name; there are {known}.", parameter="model")


def check_permission(model: Model, allow_noncommercial: bool) -> None:
    """Raise ModelUnavailableError for a model that needs the operator's permission when there is none."""
    if model.needs_permission and not allow_noncommercial:
        raise ModelUnavailableError(
            f"{model.name} is for non-commercial use only ({model.licence}) and is refused unless the service runs "
            "with ALLOW_NONCOMMERCIAL=1.",
            model=model.name,
        )


def model_state(model: Model, checkpoints: Path) -> ModelState:
    """Tell what is on disk without reading the files: `broken` is a wrong size, or a wrong digest already found."""
    states = [_file_state(file, checkpoints) for file in model.files]
    if "broken" in states:
        return "broken"
    return states[0] if len(set(states)) == 1 else "partial"


def verify(model: Model, checkpoints: Path) -> ModelState:
    """Read every file of the model again, compare its sha256, and return what `model_state` then says."""
    for file in model.files:
        path = checkpoints / file.path
        if path.is_file():
            with _hashing[path]:
                _digests.pop(path, None)
            digest_of(path)
    return model_state(model, checkpoints)


def require_model(name: str, checkpoints: Path, allow_noncommercial: bool = False) -> dict[str, Path]:
    """Return the files of a model that is wholly there and whose digests are right, by their bare names.

    Raises ModelUnavailableError (not there, not what it should be, not allowed) with the command that helps, and
    InvalidParameterError for a name nobody knows. The first call in a process reads the files once.
    """
    model = find_model(name, checkpoints)
    check_permission(model, allow_noncommercial)
    state = model_state(model, checkpoints)
    if state == "complete":
        try:
            for file in model.files:
                digest_of(checkpoints / file.path)
        except OSError as error:
            raise ModelUnavailableError(f"The weights of {name} cannot be read.", model=name) from error
        state = model_state(model, checkpoints)
    if state != "complete":
        raise ModelUnavailableError(f"{_WHAT_IS_WRONG[state].format(name=name)} {how_to_get(model)}", model=name)
    return {Path(file.path).name: checkpoints / file.path for file in model.files}


def how_to_get(model: Model) -> str:
    """Return the sentence that says how the model's files come onto this machine."""
    if model.files[0].origin == "own":
        return "Put its file into the checkpoints folder, beside models.toml."
    permission = "ALLOW_NONCOMMERCIAL=1 " if model.needs_permission else ""
    return f"Fetch it with: {permission}python -m backend models fetch {model.name}"


def digest_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal, read at most once per process while the file stays untouched."""
    with _hashing[path]:
        stamp = _stamp(path)
        known = _digests.get(path)
        if known is None or known[0] != stamp:
            with path.open("rb") as stream:
                known = stamp, hashlib.file_digest(stream, "sha256").hexdigest()
            _digests[path] = known
        return known[1]


def recorded_digest(path: Path) -> str | None:
    """Return the digest that was written down when the file was fetched, or None."""
    try:
        words = path.with_name(path.name + ".sha256").read_text(encoding="ascii").split()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return words[0] if words else None


def is_whole(file: ModelFile, checkpoints: Path) -> bool:
    """Whether the file is there with every digest that is known of it; reads the file unless it was read before."""
    path = checkpoints / file.path
    if not path.is_file():
        return False
    digest_of(path)
    return _file_state(file, checkpoints) == "complete"


_WHAT_IS_WRONG = {
    "absent": "The weights of {name} are not on this machine.",
    "partial": "The weights of {name} are only partly on this machine.",
    "broken": "The weights of {name} on this machine are not what they should be.",
}


def _file_state(file: ModelFile, checkpoints: Path) -> ModelState:
    path = checkpoints / file.path
    if not path.is_file():
        return "partial" if PartialFile(path).part.exists() else "absent"
    if file.exact_size_bytes not in (None, path.stat().st_size):
        return "broken"
    known = _digests.get(path)
    if known is not None and known[0] == _stamp(path):
        for expected in (file.sha256, recorded_digest(path)):
            if expected not in (None, known[1]):
                return "broken"
        if not known[1].startswith(file.sha256_start):
            return "broken"
    return "complete"


def _stamp(path: Path) -> _Stamp:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino
