"""A mesh's result -> its files. Only an OBJ has more than one: its material and its texture lie beside it."""

from collections.abc import Sequence
from pathlib import Path

from backend.commands.streams import write_result
from backend.contract.errors import InvalidParameterError
from backend.contract.work import File


def write_mesh(path: Path, file: File, inputs: Sequence[Path | None] = ()) -> tuple[Path, ...]:
    """Write the file to `path`, or for a name in .obj the OBJ, its MTL and its texture side by side; return all paths.

    Raises InvalidParameterError, before anything is written, where a file beside it is one of the `inputs`.
    """
    if path.suffix.lower() != ".obj" or not file.name.endswith(".obj.zip"):
        write_result(path, file.data)
        return (path,)
    from backend.mesh.obj import obj_files

    files = obj_files(file.data, path.stem)
    files[path.name] = files.pop(f"{path.stem}.obj")  # the suffix as it was written
    paths = tuple(path.with_name(name) for name in files)
    for beside in paths[:-1]:
        if beside.exists() and any(given and given.exists() and beside.samefile(given) for given in inputs):
            raise InvalidParameterError(
                f"{beside} is your own file and would be replaced; use another -o.", parameter="out"
            )
    for one, data in zip(paths, files.values(), strict=True):
        write_result(one, data)
    return paths
