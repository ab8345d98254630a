"""Multipart or JSON body -> files and options. Limits apply while receiving, so that no client can fill the disk."""

import asyncio
import errno
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, QueryParams, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from backend.api.json_forms import form_of_json
from backend.contract.errors import (
    STORAGE_FAILED,
    EmptyFileError,
    InvalidParameterError,
    MissingFileError,
    OverloadedError,
    StorageFailedError,
    StorageFullError,
    TooManyFilesError,
    UploadTooLargeError,
    is_disk_full,
)
from backend.contract.options import WorkOptions, invalid_option
from backend.contract.work import Kind

MAX_FILES = 16  # more than any kind takes, so that an error about an unknown part can name it
MAX_FIELDS = 64
FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, part headers and options
# Parsed per turn of the event loop: a worst case of near-boundaries takes 30 ms.
PIECE_BYTES = 64 * 1024
QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
EXTENDED_NAME = re.compile(rb";\s*filename\*\s*=", re.IGNORECASE)  # filename*=UTF-8''%C3%A9.png
logger = logging.getLogger("mattemesh")


class _LimitedParser(MultiPartParser):
    """Starlette's parser has no limit for files; this one has a limit per part and one for the whole body."""

    def __init__(self, request: Request, limit: int, total: int, max_text_bytes: int) -> None:
        boundary = _boundary(request.headers)
        super().__init__(
            # A form has no charset parameter (RFC 7578), and one that a client sends could name any Python codec, some
            # of which raise errors that the parser does not expect.
            Headers({"content-type": f'multipart/form-data; boundary="{boundary}"'}),
            _without_preamble(_limited_stream(request, total, limit), boundary.encode("latin-1")),
            max_files=MAX_FILES,
            max_fields=MAX_FIELDS,
            max_part_size=max_text_bytes,
        )
        self.limit = limit
        self.received = 0
        self.ended = False

    def on_end(self) -> None:
        self.ended = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self.ended:  # the part that was cut off is missing, and it may be an optional one
            await form.close()
            raise MultiPartException("There is no closing boundary.")
        return form

    def on_part_begin(self) -> None:
        self.received = 0
        super().on_part_begin()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.received += end - start
        if self.received > self.limit:
            raise too_large(self.limit, self.received)
        if self._current_part.file is None and self.received > self.max_part_size:
            name, limit = self._current_part.field_name[:40], self.max_part_size
            raise InvalidParameterError(
                f"The option `{name}` is longer than {limit // 1024} KiB.", parameter=name, limit=limit
            )
        super().on_part_data(data, start, end)

    def on_headers_finished(self) -> None:
        # The library ignores an extended name. RFC 7578 forbids it, and .NET sends it. Names of files are not used.
        disposition = self._current_part.content_disposition or b""
        if EXTENDED_NAME.search(QUOTED.sub(b"", disposition)):
            self._current_part.content_disposition = disposition + b'; filename="extended"'
        try:
            super().on_headers_finished()
        except MultiPartException:
            if self._current_files <= self.max_files:
                raise
            raise TooManyFilesError(
                f"The form has more than {MAX_FILES} files. Send one picture.", limit=MAX_FILES
            ) from None


def _boundary(headers: Headers) -> str:
    """Return the boundary that a form's Content-Type names. Raises MultiPartException."""
    _, parameters = parse_options_header(headers["content-type"])
    boundary = parameters.get(b"boundary", b"").decode("latin-1")
    if not boundary or '"' in boundary or "\\" in boundary:
        raise MultiPartException("There is no valid boundary.")
    return boundary


async def _limited_stream(request: Request, total: int, limit: int) -> AsyncGenerator[bytes]:
    """Yield the body as it arrives. Raises UploadTooLargeError beyond `total` bytes."""
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > total:
            raise too_large(limit, received)
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]
            await asyncio.sleep(0)


async def _without_preamble(stream: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[bytes]:
    """Yield the body from its first boundary on; what comes before is to be ignored (RFC 2046, 5.1.1)."""
    start = b"\r\n--" + boundary
    ahead: bytes | None = b"\r\n"  # until the boundary is found: the end of what came before
    async for piece in stream:
        if ahead is None:
            yield piece
            continue
        ahead += piece
        if start in ahead:
            yield ahead[ahead.index(start) + 2 :]
            ahead = None
        else:
            ahead = ahead[-len(start) :]


def too_large(limit: int, actual: int) -> UploadTooLargeError:
    """Return the error for a file of at least `actual` bytes."""
    return UploadTooLargeError(
        f"The file is larger than {limit / 2**20:.4g} MiB. Send a smaller one.", limit=limit, actual=actual
    )


@asynccontextmanager
async def read_form(request: Request, limit: int, *kinds: Kind) -> AsyncIterator[FormData]:
    """Yield the parsed body; its spooled files are deleted afterwards. `kinds` are the kinds of work it may ask for.

    A JSON object with the files in base64 counts as a form. Raises MissingFileError (neither a form nor JSON),
    UploadTooLargeError (a part over `limit` bytes, or a body over the sum for its kind; from Content-Length or while
    receiving), TooManyFilesError, InvalidParameterError (malformed or compressed), StorageFullError (no room for the
    spool), StorageFailedError (it cannot be written) and OverloadedError (too many open files).
    """
    max_text_bytes = max(kind.max_text_bytes for kind in kinds)
    total = max(len(kind.files) for kind in kinds) * limit + max_text_bytes + FORM_OVERHEAD_BYTES
    media_type = request.headers.get("content-type", "").lower()
    is_json = media_type.partition(";")[0].strip() == "application/json"
    if not is_json and not media_type.startswith("multipart/form-data"):
        raise MissingFileError("Send the picture as the part `file` of a multipart form.", parameter="file")
    if is_json:
        total = 4 * (total + 2) // 3  # of base64
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidParameterError("Send the form as it is, without a Content-Encoding.", parameter="Content-Encoding")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > total:
        raise too_large(limit, int(declared))
    try:
        if is_json:
            form = await _read_json(request, limit, total, max_text_bytes, kinds)
        else:
            form = await _LimitedParser(request, limit, total, max_text_bytes).parse()
    except MultiPartException as error:
        raise InvalidParameterError("The multipart form is malformed.", parameter="body") from error
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise OverloadedError("Too many uploads are in progress; try again soon.") from error
        no_folder = isinstance(error, FileNotFoundError)  # tempfile found none with room
        if is_disk_full(error) or no_folder:
            raise StorageFullError("The service has no disk space left to receive the file.") from error
        logger.error("uploads cannot be kept in the temporary folder: %s", error)
        raise StorageFailedError(STORAGE_FAILED) from error
    try:
        yield form
    finally:
        await form.close()


async def _read_json(
    request: Request, limit: int, total: int, max_text_bytes: int, kinds: tuple[Kind, ...]
) -> FormData:
    body = await read_body(request, limit, total)
    files = {name for kind in kinds for name in kind.files}
    form = await asyncio.to_thread(form_of_json, body, files, max_text_bytes)
    for _, part in form.multi_items():
        if isinstance(part, UploadFile) and (part.size or 0) > limit:
            raise too_large(limit, part.size or 0)
    return form


async def read_body(request: Request, limit: int, total: int) -> bytes:
    """Return the body as it is. Raises UploadTooLargeError beyond `total` bytes; its sentence names `limit`."""
    return b"".join([piece async for piece in _limited_stream(request, total, limit)])


async def read_files(form: FormData, kind: Kind) -> dict[str, bytes]:
    """Return the files of the form that `kind` takes, by part name.

    Raises MissingFileError for a missing required part, TooManyFilesError for a repeated part, EmptyFileError for one
    without bytes, and InvalidParameterError for text in an optional part.
    """
    return {name: data for name in kind.files if (data := await _read_file(form, name, kind)) is not None}


async def _read_file(form: FormData, name: str, kind: Kind) -> bytes | None:
    needed = name in kind.required
    parts = form.getlist(name)
    if not needed:
        parts = [part for part in parts if not _is_unfilled(part)]
    if len(parts) > 1:
        raise TooManyFilesError(
            f"The part `{name}` was sent {len(parts)} times. Send one picture.", actual=len(parts), limit=1
        )
    if not parts:
        if needed:
            raise MissingFileError(f"The form has no part `{name}`. Send the picture there.", parameter=name)
        return None
    if not isinstance(parts[0], UploadFile):
        fault = MissingFileError if needed else InvalidParameterError
        raise fault(f"The part `{name}` is text. Send the picture as a file.", parameter=name)
    data = await parts[0].read()
    if not data:
        raise EmptyFileError(f"The part `{name}` has no bytes. Send a picture there.", parameter=name)
    return data


def _is_unfilled(part: UploadFile | str) -> bool:
    """Whether `part` is what a browser sends for a file field in which nothing was chosen: no name and no bytes."""
    return isinstance(part, UploadFile) and not part.filename and part.size == 0


def read_options(form: FormData, query: QueryParams, kind: Kind) -> WorkOptions:
    """Return the options of `kind` from the form fields and the query; a form field overrides the query.

    Raises InvalidParameterError, which names the option and its valid values.
    """
    values: dict[str, str] = {}
    for name, text in query.multi_items():
        if name in values:
            raise _sent_twice(name)
        values[name] = text
    sent: set[str] = set()
    for name, value in form.multi_items():
        if name in kind.files:
            continue
        if isinstance(value, UploadFile):
            raise TooManyFilesError(
                f"Send files as {' or '.join(kind.files)}, not as `{name[:40]}`.", parameter=name[:40]
            )
        if name in sent:
            raise _sent_twice(name)
        sent.add(name)
        values[name] = value
    try:
        return kind.options.model_validate({name: value for name, value in values.items() if value != ""})
    except ValidationError as error:
        raise invalid_option(error) from error


def _sent_twice(name: str) -> InvalidParameterError:
    return InvalidParameterError(f"The option `{name[:40]}` was sent twice.", parameter=name[:40])
