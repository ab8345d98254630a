"""A multipart body -> its files and options. Limits are kept while receiving, so that nobody fills the disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from backend.errors import (
    InvalidParameterError,
    MissingFileError,
    StorageFullError,
    TooManyFilesError,
    UploadTooLargeError,
    is_disk_full,
)
from backend.schemas import MatteOptions, invalid_option

FILES = ("file", "mask")
FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, headers and options
Options = TypeVar("Options", bound=MatteOptions)


class _LimitedParser(MultiPartParser):
    """Starlette's parser, which has no limit of its own for a file, with one for every part."""

    def __init__(self, request: Request, limit: int) -> None:
        super().__init__(request.headers, request.stream(), max_files=16, max_fields=64, max_part_size=16 * 1024)
        self.limit = limit
        self.received = 0

    def on_part_begin(self) -> None:
        self.received = 0
        super().on_part_begin()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.received += end - start
        if self.received > self.limit:
            raise too_large(self.limit, self.received)
        super().on_part_data(data, start, end)

    def on_headers_finished(self) -> None:
        try:
            super().on_headers_finished()
        except MultiPartException:
            if self._current_files <= self.max_files:
                raise
            raise TooManyFilesError(
                f"The form has more than {self.max_files:.0f} files; send one picture.", limit=len(FILES)
            ) from None


def too_large(limit: int, actual: int) -> UploadTooLargeError:
    """Return the error for a file of `actual` bytes or more."""
    return UploadTooLargeError(
        f"The file has more than {limit / 2**20:.4g} MiB; send a smaller one.", limit=limit, actual=actual
    )


@asynccontextmanager
async def read_form(request: Request, limit: int) -> AsyncIterator[FormData]:
    """Yield the parsed body; its spooled files are gone afterwards.

    Raises MissingFileError (not a multipart form), UploadTooLargeError (a part over `limit` bytes, declared or
    found while receiving), TooManyFilesError, InvalidParameterError (malformed form) and StorageFullError (no room for
    the spool).
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise MissingFileError("Send the picture as the part `file` of a multipart form.", parameter="file")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > len(FILES) * limit + FORM_OVERHEAD_BYTES:
        raise too_large(limit, int(declared))
    try:
        form = await _LimitedParser(request, limit).parse()
    except MultiPartException as error:
        raise InvalidParameterError("The multipart form is malformed.", parameter="body") from error
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise StorageFullError("There is no room to receive the file.") from error
    try:
        yield form
    finally:
        await form.close()


async def read_file(form: FormData, name: str) -> bytes | None:
    """Return the bytes of the one file called `name`, None when there is none.

    Raises TooManyFilesError, and MissingFileError when the part is text.
    """
    parts = form.getlist(name)
    if len(parts) > 1:
        raise TooManyFilesError(
            f"The part `{name}` was sent {len(parts)} times; send one picture.", actual=len(parts), limit=1
        )
    if not parts:
        return None
    if not isinstance(parts[0], UploadFile):
        raise MissingFileError(f"The part `{name}` is text; send the picture itself as a file.", parameter=name)
    return await parts[0].read()


async def required_file(form: FormData) -> bytes:
    """Return the bytes of the picture. Raises MissingFileError, and what `read_file` raises."""
    data = await read_file(form, "file")
    if data is None:
        raise MissingFileError("The form has no part `file`; send the picture there.", parameter="file")
    return data


def read_options(form: FormData, query: dict[str, str], kind: type[Options]) -> Options:
    """Return the options sent as form fields or in the query; the form wins.

    Raises InvalidParameterError that names the option and what it may be.
    """
    values = dict(query)
    sent: set[str] = set()
    for name, value in form.multi_items():
        if name in FILES:
            continue
        if isinstance(value, UploadFile):
            raise TooManyFilesError(
                f"Files are sent as {' and '.join(FILES)}, not as `{name[:40]}`.", parameter=name[:40]
            )
        if name in sent:
            raise InvalidParameterError(f"The option `{name[:40]}` was sent twice.", parameter=name[:40])
        sent.add(name)
        values[name] = value
    try:
        return kind.model_validate({name: value for name, value in values.items() if value != ""})
    except ValidationError as error:
        raise invalid_option(error) from error
