"""One file over HTTP, to its end or not at all: resumed where it was cut off, checked, then moved into place.

The same code serves rembg's releases, the hub and their mirrors; docs/models.md says why huggingface_hub does not.
Ranges and If-Range are those of RFC 9110.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from backend.contract.errors import StorageFullError
from backend.weights.catalogue import ModelFile
from backend.weights.partial_file import PartialFile, disk_error

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class DownloadConfig:
    """Attempts, times and sizes of a download."""

    attempts: int = 4  # failed attempts in a row before the download is given up
    backoff_s: float = 1.0  # pause before the second attempt; doubles with each further one
    max_wait_s: float = 60.0  # longest pause between two attempts, whatever Retry-After asks for
    connect_timeout_s: float = 10.0  # to reach the server
    read_timeout_s: float = 30.0  # between two pieces of the body
    progress_bytes: int = 1 << 20  # an attempt that brings this much resets the count of failures
    spare_bytes: int = 64 << 20  # kept free on the disk beside the file
    max_bytes: int = 4 << 30  # accepted of a file whose length the server does not state


@dataclass(frozen=True)
class WantedFile:
    """A file to fetch: its address, its place and its published facts."""

    title: str  # how messages call it: the model's name
    url: str
    target: Path
    published: ModelFile

    @property
    def partial(self) -> PartialFile:
        """The file while it arrives."""
        return PartialFile(self.target)

    @property
    def size_bytes(self) -> int | None:
        """The exact size, None where it is unknown."""
        return self.published.exact_size_bytes


class SourceError(Exception):
    """One source does not give the file; another one may. The text is a clause that says why."""


class _CutOffError(Exception):
    """The attempt ended early and another one may do better."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def download(wanted: WantedFile, on_bytes: Callable[[int], None], config: DownloadConfig) -> None:
    """Fetch the file, check it, write `<file>.sha256` beside it, and put it in place with one rename.

    `on_bytes` is called with the bytes on disk after each piece and may raise to stop; a later call resumes there.
    An address `file:` is a file on this machine. Raises SourceError when the server cannot be reached or sends
    something else, StorageFullError when the disk is full (the part is then removed), and ModelUnavailableError when
    the folder cannot be written to.
    """
    try:
        digest = _arrive(wanted, on_bytes, config)
        wanted.partial.put_in_place(digest)
    except OSError as error:
        wanted.partial.forget_if_full(error)
        raise disk_error(error, wanted.title) from error


def _arrive(wanted: WantedFile, on_bytes: Callable[[int], None], config: DownloadConfig) -> str:
    """Attempt the download until it is whole or `attempts` in a row failed; return the sha256 of the whole part."""
    failures = 0
    while True:
        before = wanted.partial.size()
        try:
            return _attempt(wanted, on_bytes, config)
        except _CutOffError as cut:
            came = wanted.partial.size() - before
            failures = 1 if came >= config.progress_bytes else failures + 1
            if failures >= config.attempts:
                raise SourceError(str(cut)) from cut
            time.sleep(min(config.max_wait_s, max(cut.wait_s, config.backoff_s * 2.0 ** (failures - 1))))


def _attempt(wanted: WantedFile, on_bytes: Callable[[int], None], config: DownloadConfig) -> str:
    """Bring the part to its full length, check it against every published digest, and return its sha256."""
    partial = wanted.partial
    hub_digest = None
    resumed = partial.size() > 0
    if partial.size() != wanted.size_bytes:  # a whole part needs no request
        local = local_path(wanted.url)
        if local is None:
            hub_digest = _receive(wanted, on_bytes, config)
        else:
            _copy(wanted, local, on_bytes, config)
    digest = _read(partial.part, "sha256")
    published = wanted.published
    if (
        digest == (published.sha256 or hub_digest or digest)
        and digest.startswith(published.sha256_start)
        and (not published.md5 or _read(partial.part, "md5") == published.md5)
    ):
        return digest
    partial.forget()
    if resumed:  # perhaps two versions met in one file, so begin again
        raise _CutOffError("what arrived is not the published file")
    raise SourceError("what arrived is not the published file")


def _read(path: Path, algorithm: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def local_path(url: str) -> Path | None:
    """Return the path that a `file:` address names, None for any other address."""
    return Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None


def _copy(wanted: WantedFile, source: Path, on_bytes: Callable[[int], None], config: DownloadConfig) -> None:
    wanted.partial.forget()
    try:
        stream = source.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"the folder holds no {source.name}") from None
    except OSError as error:
        raise SourceError(f"{source.name} in the folder cannot be read") from error
    with stream, wanted.partial.part.open("wb") as part:
        check_space(wanted, os.fstat(stream.fileno()).st_size, config)
        while piece := stream.read(1 << 20):
            part.write(piece)
            on_bytes(part.tell())
        part.flush()
        os.fsync(part.fileno())


def _receive(wanted: WantedFile, on_bytes: Callable[[int], None], config: DownloadConfig) -> str | None:
    """Append what is missing to the part; return the digest that the hub states for the file, if it does."""
    import httpx

    start, etag = wanted.partial.resume_point()
    headers = {"Accept-Encoding": "identity", "User-Agent": "mattemesh"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": etag}
    timeout = httpx.Timeout(config.read_timeout_s, connect=config.connect_timeout_s)
    try:
        with (
            httpx.Client(timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", wanted.url, headers=headers) as answer,
        ):
            if answer.status_code == 206 and answer.headers.get("etag", etag) != etag:
                wanted.partial.forget()
                raise _CutOffError("the file on the server has changed")
            start, total = _check_answer(wanted, answer, start)
            check_space(wanted, (total or 0) - start, config)
            if answer.status_code == 200:
                wanted.partial.remember_version(answer.headers.get("etag", ""))
            _write(wanted, answer, start, total, config.max_bytes, on_bytes)
            return _hub_digest(answer)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
        raise SourceError("its address leads nowhere") from error
    except httpx.TimeoutException as error:
        raise _CutOffError("the server does not answer in time") from error
    except httpx.ConnectError as error:
        raise _CutOffError("the server cannot be reached") from error
    except httpx.TransportError as error:
        raise _CutOffError("the connection was cut off") from error


def _check_answer(wanted: WantedFile, answer: "httpx.Response", asked_start: int) -> tuple[int, int | None]:
    """Return the body's offset in the file and the file's length; raise unless the body is a part of the file."""
    status = answer.status_code
    if status in (408, 425, 429) or status >= 500:
        wait = answer.headers.get("retry-after", "")
        raise _CutOffError(f"the server answers {status}", float(wait) if re.fullmatch(r"[0-9]{1,6}", wait) else 0.0)
    if status == 416:
        wanted.partial.forget()
        raise _CutOffError("the file on the server has changed")
    if status not in (200, 206):
        raise SourceError(f"the server answers {status}")
    if answer.headers.get("content-type", "").lower().startswith("text/html"):
        raise SourceError("the server sends a web page instead of the file")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise SourceError("the server sends the file in an encoding that was not asked for")
    start, total = 0, None
    if status == 206:
        span = re.fullmatch(
            r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", answer.headers.get("content-range", "")
        )
        if span is None or int(span[1]) != asked_start:
            wanted.partial.forget()
            raise _CutOffError("the server sends another part of the file than asked for")
        start, total = asked_start, None if span[2] == "*" else int(span[2])
    elif re.fullmatch(r"[0-9]{1,18}", answer.headers.get("content-length", "")):
        total = int(answer.headers["content-length"])
    if total is not None and wanted.size_bytes not in (None, total):
        wanted.partial.forget()
        raise SourceError(f"the server has {total} bytes instead of {wanted.size_bytes}")
    return start, total if total is not None else wanted.size_bytes


def _write(
    wanted: WantedFile,
    answer: "httpx.Response",
    start: int,
    total: int | None,
    max_bytes: int,
    on_bytes: Callable[[int], None],
) -> None:
    done, limit = start, max_bytes if total is None else total
    on_bytes(done)
    with wanted.partial.part.open("r+b" if start else "wb") as stream:
        stream.seek(start)
        stream.truncate()
        for chunk in answer.iter_raw():
            done += len(chunk)
            if done > limit:
                break
            stream.write(chunk)
            on_bytes(done)
        stream.flush()
        os.fsync(stream.fileno())
    if done > limit or done == 0:
        wanted.partial.forget()
        raise SourceError("the server sends more bytes than the file has" if done else "the server sends nothing")
    if total is not None and done < total:
        raise _CutOffError("the connection was cut off")


def check_space(wanted: WantedFile, missing: int, config: DownloadConfig) -> None:
    """Raise StorageFullError unless the disk has room for `missing` further bytes."""
    free = shutil.disk_usage(wanted.target.parent).free
    if free < missing + config.spare_bytes:
        raise StorageFullError(
            f"The disk has no room for the weights of {wanted.title}: {missing >> 20} MiB are still missing.",
            limit=free,
            actual=missing,
        )


def _hub_digest(answer: "httpx.Response") -> str | None:
    """Return the sha256 that the hub states for its large files, in the answer that redirects to the file itself."""
    for one in [*answer.history, answer]:
        tag = one.headers.get("x-linked-etag", "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", tag):
            return str(tag)
    return None
