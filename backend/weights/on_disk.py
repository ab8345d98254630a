"""Finds the weights on this machine and checks that they are the published ones.

A file counts as whole when its digest is the published one and the one recorded beside it when it was fetched.
Hashing gigabytes takes seconds, so it is done once while the file stays untouched (`backend/weights/digests.py`).
"""

import logging
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from backend.contract.errors import InvalidParameterError, ModelUnavailableError
from backend.weights.catalogue import CATALOGUE, REMBG, Model, ModelFile
from backend.weights.custom_models import read_custom_models
from backend.weights.digests import digest_of, forget_digests, known_digests, record_digest, record_of, recorded_digest
from backend.weights.partial_file import PartialFile
from backend.weights.remote_services import REMOTE_SERVICES

log = logging.getLogger(__name__)

_REMOTE_SESSIONS = frozenset({"withoutbg", "atlascloud"})  # of rembg 2.0.86; it marks later ones itself

ModelState = Literal["absent", "partial", "complete", "broken"]


def find_model(name: str, checkpoints: Path) -> Model:
    """Return the entry called `name`, from the catalogue or from the folder's `models.toml`.

    Raises InvalidParameterError for an unknown name and ModelUnavailableError for an entry with a mistake in it.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    if name in REMOTE_SERVICES:
        raise InvalidParameterError(f"{name} is a remote service and has no weights.", parameter="model")
    if name.startswith(REMBG):
        return _other_session(name, checkpoints)
    custom = read_custom_models(checkpoints)
    if name in custom.models:
        return custom.models[name]
    if name in custom.problems:
        raise ModelUnavailableError(custom.problems[name], model=name)
    alike = " or ".join(get_close_matches(name.lower(), [*CATALOGUE, *custom.models, *REMOTE_SERVICES], n=2))
    meant = f"Did you mean {alike}? " if alike else ""
    raise InvalidParameterError(
        f"There is no model of that name. {meant}All names: python -m backend models list", parameter="model"
    )


def _other_session(name: str, checkpoints: Path) -> Model:
    """Return the entry for a session of rembg that the catalogue does not list, over a file that was put there by hand.

    Whether rembg has such a session shows when the worker opens it. Raises what `find_model` raises.
    """
    session = name.removeprefix(REMBG)
    if session in _REMOTE_SESSIONS:
        raise refuse_remote_session(name)
    if session in CATALOGUE:
        raise InvalidParameterError(f"{session} runs without rembg: ask for model={session}.", parameter="model")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", session):
        raise InvalidParameterError("That is not the name of a session of rembg.", parameter="model")
    file = ModelFile(f"{session}.onnx", "own", "", None)
    about = "A session of rembg, over a file that you put into the checkpoints folder."
    model = Model(name, "segmentation", "unknown", False, (file,), about, needs_permission=True, runner="rembg")
    if not (checkpoints / file.path).is_file():  # a name that a request invents leaves nothing behind
        raise ModelUnavailableError(what_is_wrong(model, "absent"), model=name)
    return model


def refuse_remote_session(name: str) -> InvalidParameterError:
    """Return the error for a session of rembg that sends pictures away."""
    return InvalidParameterError(f"{name} sends pictures to a remote service and is refused.", parameter="model")


def check_permission(model: Model, allow_noncommercial: bool) -> None:
    """Raise ModelUnavailableError for a model that needs the operator's permission and does not have it."""
    if model.needs_permission and not allow_noncommercial:
        raise ModelUnavailableError(
            f"{model.name} is not cleared for commercial use (licence: {model.licence}) and is refused unless the "
            "service runs with ALLOW_NONCOMMERCIAL=1.",
            model=model.name,
        )


def model_state(model: Model, checkpoints: Path) -> ModelState:
    """Return what is on disk without reading the files; `broken` is a wrong size, or a wrong digest already known."""
    states = [_file_state(file, checkpoints) for file in model.files]
    if "broken" in states:
        return "broken"
    return states[0] if len(set(states)) == 1 else "partial"


def verify(model: Model, checkpoints: Path) -> ModelState:
    """Read every file of the model again, compare its digests, and return what `model_state` then says.

    The copy that was converted from a checkpoint is read too: a damaged one is "broken", and removed.
    """
    files = {checkpoints / file.path: file for file in model.files}
    copies = [path.with_suffix(".safetensors") for path in files if path.suffix == ".ckpt"]
    for path in filter(Path.is_file, [*files, *copies]):
        forget_digests(path)
    for path in filter(Path.is_file, files):
        _read_through(files[path], path)
    damaged = [drop_if_damaged(copy) for copy in copies]
    return "broken" if any(damaged) else model_state(model, checkpoints)


def require_model(name: str, checkpoints: Path, allow_noncommercial: bool = False) -> dict[str, Path]:
    """Return the files of a complete model whose digests are right, by their bare names.

    Raises ModelUnavailableError (absent, damaged, not allowed) with the command that helps, and
    InvalidParameterError for an unknown name. Files that no process has read since they changed are read once.
    """
    model = find_model(name, checkpoints)
    check_permission(model, allow_noncommercial)
    state = model_state(model, checkpoints)
    if state == "complete":
        try:
            for file in model.files:
                _read_through(file, checkpoints / file.path)
        except OSError as error:
            raise ModelUnavailableError(f"The weights of {name} cannot be read.", model=name) from error
        state = model_state(model, checkpoints)
    if state != "complete":
        raise ModelUnavailableError(what_is_wrong(model, state), model=name)
    return {Path(file.path).name: checkpoints / file.path for file in model.files}


def what_is_wrong(model: Model, state: ModelState) -> str:
    """Return the sentences that say what a model in a state other than complete lacks, and how to get it."""
    return f"{_WHAT_IS_WRONG[state].format(name=model.name)} {how_to_get(model)}"


def how_to_get(model: Model) -> str:
    """Return the sentence that says how to get the model's files."""
    if model.files[0].origin == "own":
        return f"Put {model.files[0].path} into the checkpoints folder."
    permission = "ALLOW_NONCOMMERCIAL=1 " if model.needs_permission else ""
    return f"Fetch them with: {permission}python -m backend models fetch {model.name}"


def check_recorded(path: Path, model: str) -> str:
    """Return the sha256 of a file. Raises ModelUnavailableError when another one is written down beside it."""
    digest = digest_of(path)
    if recorded_digest(path) not in (None, digest):
        raise ModelUnavailableError(
            f"{path.name} is not the file it was when its sha256 was written down: fetch it again, or delete "
            f"{record_of(path).name} if it was replaced on purpose.",
            model=model,
        )
    return digest


def record_if_new(path: Path) -> None:
    """Record the digest of a file that has loaded well, unless it has a record."""
    if recorded_digest(path) is not None:
        return
    try:
        record_digest(path, digest_of(path))
    except OSError as error:
        log.warning("the sha256 of %s cannot be written down: %s", path.name, error.strerror)


def drop_if_damaged(copy: Path) -> bool:
    """Remove a converted copy that differs from its record, as the next load makes it again; return whether it did."""
    if not copy.is_file() or recorded_digest(copy) in (None, digest_of(copy)):
        return False
    log.warning("%s is damaged; it is removed and made again", copy.name)
    for path in (copy, record_of(copy)):
        path.unlink(missing_ok=True)
    return True


def is_whole(file: ModelFile, checkpoints: Path) -> bool:
    """Whether the file is on disk with every known digest; reads it unless it was read before."""
    path = checkpoints / file.path
    if not path.is_file():
        return False
    _read_through(file, path)
    return _file_state(file, checkpoints) == "complete"


_WHAT_IS_WRONG = {
    "absent": "The weights of {name} are not on this machine.",
    "partial": "The weights of {name} are only partly on this machine.",
    "broken": "The weights of {name} on this machine are damaged or not the published files.",
}


def _read_through(file: ModelFile, path: Path) -> None:
    """Read the file for its digests; where only an md5 is published and it fits, the sha256 is recorded."""
    digest_of(path)
    if file.md5 and recorded_digest(path) is None and digest_of(path, "md5") == file.md5:
        record_if_new(path)


def _file_state(file: ModelFile, checkpoints: Path) -> ModelState:
    path = checkpoints / file.path
    if not path.is_file():
        return "partial" if PartialFile(path).part.exists() else "absent"
    if file.exact_size_bytes not in (None, path.stat().st_size):
        return "broken"
    digests = known_digests(path)
    sha256 = digests.get("sha256")
    if sha256 is not None and not (
        sha256 == (file.sha256 or sha256) == (recorded_digest(path) or sha256) and sha256.startswith(file.sha256_start)
    ):
        return "broken"
    return "broken" if file.md5 and digests.get("md5", file.md5) != file.md5 else "complete"
