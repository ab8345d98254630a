"""The fields of an option model as arguments of the command line, and back."""

import argparse
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import ValidationError

from backend.contract.errors import InvalidParameterError
from backend.contract.mesh_formats import MESH_FORMATS, ending_of
from backend.contract.options import MaskOptions, MeshFileOptions, WorkOptions, invalid_option
from backend.contract.picture_formats import PICTURE_FORMATS, format_of_name

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
    """Return the options that were given; `-o chair.stl` and `-o cut.webp` name the format.

    Raises InvalidParameterError, also for a name that ends like no format, with the list, or like another.
    """
    values = {name: getattr(parsed, name) for name in kind.model_fields if name != "debug"}
    if parsed.out is not None and parsed.out.suffix:
        is_mesh = issubclass(kind, MeshFileOptions)
        option = "format" if is_mesh else "output_format"
        named = _mesh_format_of_name(parsed.out) if is_mesh else format_of_name(parsed.out)
        if values[option] not in (None, named):
            raise InvalidParameterError(
                f"{parsed.out.name} does not end like a {values[option].upper()}; name another file with -o.",
                parameter="out",
            )
        values[option] = named
    try:
        return kind.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise invalid_option(error) from error


def _mesh_format_of_name(path: Path) -> str:
    name = format_named_by(path)
    if name is None:
        endings = ", ".join(f".{known}" for known in MESH_FORMATS)
        raise InvalidParameterError(f"{path.name} has to end in one of {endings}.", parameter="out")
    return name


def format_named_by(path: Path) -> str | None:
    """Return the mesh format that a file's name stands for, None where it is none: chair.stl, chair.obj, chair.zip."""
    ending = path.suffix[1:].lower()
    return next((name for name in MESH_FORMATS if ending in (name, ending_of(name).rpartition(".")[2])), None)


def result_ending(options: WorkOptions) -> str:
    """Return the ending of the name of a mask's, a cutout's or a mesh's file."""
    if isinstance(options, MaskOptions):
        return PICTURE_FORMATS[options.output_format].endings[0]
    return f".{ending_of(options.format)}" if isinstance(options, MeshFileOptions) else ""
