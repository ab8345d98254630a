"""A debug bundle as somebody sent it: a zip, or the folder that it was unpacked into. Nothing of it is trusted.

Nothing is unpacked: files are read by names of our own, each up to a limit of its own, and compared with their digests.
"""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from backend.contract.confined_folder import ConfinedFolder
from backend.contract.errors import InvalidParameterError
from backend.contract.run_inputs import FORM, HandedOn, RunInputs, StoredFile

MAX_REPORT_BYTES = 8 * 2**20
MAX_ENTRIES = 1000
END_BYTES, COMMENT_BYTES, ZIP64_BYTES = 22, 65_535, 20  # of a zip's end record, its comment, and the locator before it
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
HEADER_BYTES = 4096  # of an .npy, more than ours have
PLAIN = (0, 0o100000, 0o040000)  # kinds of entries: not said, a file, a folder


class Archive:
    """The files of a bundle. Raises InvalidParameterError for what is no bundle, or one that was tampered with."""

    def __init__(self, path: Path) -> None:
        self._folder: ConfinedFolder | None = None
        self._zip: zipfile.ZipFile | None = None
        self._top = ""  # of a zip: what stands before all of its names, a folder that was packed as a whole
        try:
            if path.is_dir():
                self._folder = ConfinedFolder(path)
            else:
                self._zip = _open_zip(path)
                self._top = _top(self._zip)
        except OSError as error:
            raise _wrong(f"{path} cannot be read: {error.strerror}.") from error

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.close()
        if self._zip is not None:
            self._zip.close()

    def read(self, name: str, limit: int) -> bytes:
        """Return the file called `name`, which may have `limit` bytes. Raises InvalidParameterError."""
        try:
            data = self._read(name, limit + 1)
        except (KeyError, FileNotFoundError) as error:
            raise _wrong(f"The bundle has no {name}.") from error
        except (OSError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _wrong(f"The bundle is damaged: {name} cannot be read.") from error
        if len(data) > limit:
            raise _wrong(f"The bundle's {name} is too large; it may have {limit:,} bytes.")
        return data

    def _read(self, name: str, at_most: int) -> bytes:
        if self._folder is not None:
            return self._folder.read(name, at_most)
        assert self._zip is not None
        info = self._zip.getinfo(self._top + name)
        if info.file_size >= at_most:  # else the bytes that are there decide: a header may lie
            return bytes(at_most)
        with self._zip.open(info) as file:
            return file.read(at_most)

    def read_stored(self, file: StoredFile, limit: int) -> bytes:
        """Return the file that report.json describes. Raises InvalidParameterError, also where it is another one."""
        data = self.read(file.name, limit)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise _wrong(f"The bundle is damaged: {file.name} is not the file that its report.json describes.")
        return data


def read_inputs(archive: Archive) -> tuple[RunInputs, dict[str, str]]:
    """Return what the run was given, and the versions that it ran on. Raises InvalidParameterError."""
    data = archive.read("report.json", MAX_REPORT_BYTES)
    try:
        report = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise _wrong("The bundle's report.json is no JSON.") from error
    inputs = report.get("inputs") if isinstance(report, dict) else None
    if not isinstance(inputs, dict):
        raise _wrong(
            "The bundle does not say what its run was given: an older version wrote it, or a run that cannot be done "
            "again. Make a new one with debug."
        )
    if inputs.get("form") != FORM:
        form = str(inputs.get("form"))[:20]
        raise _wrong(f"Another version of Mattemesh wrote this bundle (form {form}, not {FORM}); replay it there.")
    try:
        read = RunInputs.model_validate(inputs)
    except ValidationError as error:
        where = ".".join(str(part)[:40] for part in error.errors()[0]["loc"])
        raise _wrong(f"The bundle's report.json is not as we write it: inputs.{where}.") from error
    for name, file in (*read.files.items(), *((name, handed.file) for name, handed in read.handed.items())):
        if file is not None and file.name not in (f"inputs/{name}", f"inputs/{name}.npy"):
            raise _wrong(f"The bundle's report.json is not as we write it: {name} has another place.")
    versions = report.get("versions")
    known = versions if isinstance(versions, dict) else {}
    return read, {str(name): str(version) for name, version in known.items()}


class KeptHandovers:
    """What the run of a bundle has handed on: those of `wanted`, and of further views the same."""

    def __init__(self, archive: Archive, inputs: RunInputs, wanted: Collection[str]) -> None:
        self._archive = archive
        self._handed = {name: kept for name, kept in inputs.handed.items() if name.partition("-")[0] in wanted}

    def names(self) -> Collection[str]:
        """Return the names under which something is kept."""
        return self._handed.keys()

    def read(self, name: str, shape: tuple[int, ...]) -> tuple[HandedOn, NDArray[Any] | None]:
        """Return what is kept under `name`. Raises InvalidParameterError for an array of another kind than ours."""
        kept = self._handed[name]
        if kept.file is None:
            return kept, None
        data = self._archive.read_stored(kept.file, HEADER_BYTES + 4 * int(np.prod(shape, dtype=np.int64)))
        try:
            return kept, _array(data, shape)
        except ValueError as error:
            raise _wrong(f"The bundle's {kept.file.name} is no array of the picture's size.") from error


def _array(data: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the array in an .npy. Its header is judged before anything is allocated, and nothing is unpickled."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version")
    found, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=HEADER_BYTES)
    if found != shape or fortran or dtype != np.dtype("<f4") or len(data) - file.tell() != 4 * np.prod(shape):
        raise ValueError("another array")
    array = np.frombuffer(data, np.float32, offset=file.tell()).reshape(shape).copy()
    if not np.isfinite(array).all():
        raise ValueError("not finite")
    return array


def _open_zip(path: Path) -> zipfile.ZipFile:
    with path.open("rb") as file:
        _check_end(file)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise _wrong(f"{path.name} is no debug bundle: it is no zip that can be read.") from error
    entries = archive.infolist()
    twice = [name for name, count in Counter(entry.filename for entry in entries).items() if count > 1]
    linked = [entry.filename for entry in entries if (entry.external_attr >> 16) & 0o170000 not in PLAIN]
    packed = [entry for entry in entries if entry.flag_bits & 1 or entry.compress_type not in COMPRESSIONS]
    if twice or linked or packed:
        archive.close()
        raise _wrong(
            f"{path.name} is no debug bundle: it has a name twice, a link, or a file that is encrypted or packed in "
            "another way than ours."
        )
    return archive


def _top(archive: zipfile.ZipFile) -> str:
    """Return the folder, with its slash, that a zipped folder's report stands in; empty where it stands freely."""
    found = [name for name in archive.namelist() if name.endswith("/report.json") and name.count("/") == 1]
    return found[0].removesuffix("report.json") if len(found) == 1 and "report.json" not in archive.namelist() else ""


def _check_end(file: IO[bytes]) -> None:
    """Raise InvalidParameterError for a directory larger than a bundle's, before zipfile reads it into memory."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - END_BYTES - COMMENT_BYTES - ZIP64_BYTES))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < END_BYTES:
        raise _wrong("This is no debug bundle: it is no zip.")
    count, directory = struct.unpack_from("<HI", tail, at + 10)
    if count > MAX_ENTRIES or directory > MAX_ENTRIES * 256 or tail[:at][-ZIP64_BYTES:].startswith(b"PK\6\7"):
        raise _wrong(f"This is no debug bundle: it has more than {MAX_ENTRIES} files.")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _wrong(sentence: str) -> InvalidParameterError:
    return InvalidParameterError(sentence, parameter="bundle")
