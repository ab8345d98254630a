"""The fields of an option model as arguments of the command line, and back."""

import argparse
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import ValidationError

from backend.contract.mesh_formats import MESH_FORMATS, ending_of
from backend.contract.options import MeshFileOptions, WorkOptions, invalid_option

Options = TypeVar("Options", bound=WorkOptions)


def add_option(
    command: argparse.ArgumentParser, name: str, annotation: Any, default: Any, about: str, *, repeated: bool = False
) -> None:
    """Add the field `name` of an option model; an absent argument stays None.

    `repeated`: it may be given several times.
    """
    flag = "--" + name.replace("_", "-")
    shown = about.replace("%", "%%") + ("" if default in (None, "auto", "", []) else f" (default: {default})")
    if annotation is bool:
        command.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=shown)
        return
    metavar = name.split("_")[-1].upper()
    kinds = [kind for kind in (get_args(annotation) or (annotation,)) if kind is not type(None)]
    kinds = [annotation] if get_origin(annotation) is Literal else kinds
    choices = get_args(kinds[0]) if len(kinds) == 1 and get_origin(kinds[0]) is Literal else None
    action = "append" if repeated else "store"
    command.add_argument(flag, action=action, choices=choices, metavar=None if choices else metavar, help=shown)


def options_of(parsed: argparse.Namespace, kind: type[Options]) -> Options:
    """Return the options that were given; `-o chair.stl` names a mesh's format. Raises InvalidParameterError."""
    values = {name: getattr(parsed, name) for name in kind.model_fields if name != "debug"}
    if issubclass(kind, MeshFileOptions) and values["format"] is None and parsed.out is not None:
        values["format"] = format_named_by(parsed.out)
    try:
        return kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise invalid_option(error) from error


def format_named_by(path: Path) -> str | None:
    """Return the mesh format that a file's name stands for, None where it is none: chair.stl, chair.obj, chair.zip."""
    ending = path.suffix[1:].lower()
    return next((name for name in MESH_FORMATS if ending in (name, ending_of(name).rpartition(".")[2])), None)
