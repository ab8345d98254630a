"""The two addresses of a run, folders or buckets -> where its pictures are and where its results go."""

from pathlib import Path

from backend.contract.errors import InvalidParameterError
from backend.folders.batch.buckets import BucketSource, OutBucket
from backend.folders.batch.inputs import FolderSource, check_in_and_out
from backend.folders.batch.out_folder import OutFolder
from backend.folders.batch.places import Out, Source
from backend.folders.bucket import Bucket

Address = Path | str  # a folder, or the URL of a bucket


def check_addresses(folder: Address, out: Address) -> None:
    """Raise InvalidParameterError unless pictures in `folder` are safe from results in `out`."""
    if isinstance(folder, Path) and isinstance(out, Path):
        check_in_and_out(folder, out)
    elif isinstance(folder, Path):
        check_in_and_out(folder, folder / ".mattemesh")  # whether it can be read
    elif isinstance(out, Path):
        if out.exists() and not out.is_dir():
            raise InvalidParameterError(f"{out} is a file; the results need a folder.", parameter="out")
    elif f"{_plain(folder)}/".startswith(f"{_plain(out)}/"):
        raise InvalidParameterError(f"{out} holds the pictures; name another place with -o.", parameter="out")


def open_source(folder: Address, out: Address) -> Source:
    """Return the pictures in `folder`, without the results in `out`. Raises InvalidParameterError."""
    if isinstance(folder, Path):
        return FolderSource(folder, out if isinstance(out, Path) else None)
    inside = _plain(out).removeprefix(f"{_plain(folder)}/") if isinstance(out, str) else ""
    return BucketSource(Bucket(folder), "" if inside == _plain(str(out)) else inside)


def open_out(out: Address, joins: bool = False) -> Out:
    """Return the place of the results; `joins`: for another process, which has opened it.

    Raises InvalidParameterError, StorageFullError and StorageFailedError.
    """
    return OutFolder(out, joins) if isinstance(out, Path) else OutBucket(Bucket(out), joins)


def _plain(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{'/'.join(part for part in rest.split('/') if part)}"
