"""What can go wrong, in two small families, and the one table that gives each its HTTP status and code.

`CallerError`: the request cannot be served as it is; sending it again changes nothing. `ServiceError`: the request
was fine, this service cannot serve it now. The message is one sentence for the person who asked: it holds no path,
library name or client file name. `numbers` are the figures that matter (`limit`, `actual`, `parameter`, …) and are
sent along by themselves.
"""

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class MattemeshError(Exception):
    """The root of both families; `detail` is one sentence, `numbers` what a program would want to read."""

    def __init__(self, detail: str, **numbers: int | float | str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.numbers = numbers

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword arguments survive the trip between processes.
        return rebuild, (type(self), self.detail, self.numbers)


def rebuild(kind: type[MattemeshError], detail: str, numbers: dict[str, int | float | str]) -> MattemeshError:
    """Return the error that was taken apart to travel between processes."""
    return kind(detail, **numbers)


class CallerError(MattemeshError):
    """The request itself is at fault."""


class ServiceError(MattemeshError):
    """The service is at fault, or too busy; `retry_after_s` is set where waiting helps."""

    retry_after_s: int | None = None


class MissingFileError(CallerError):
    """The form has no file."""


class TooManyFilesError(CallerError):
    """The form has more than one file for one picture."""


class EmptyFileError(CallerError):
    """The file has no bytes."""


class InvalidParameterError(CallerError):
    """An option has a value outside its range, or a name nobody knows."""


class UnsupportedImageTypeError(CallerError):
    """The bytes are not a JPEG, PNG or WebP."""


class ImageCorruptError(CallerError):
    """The bytes begin as a picture and cannot be decoded to its end."""


class UploadTooLargeError(CallerError):
    """More bytes than the limit."""


class TooManyPixelsError(CallerError):
    """The header announces more pixels, or a longer side, than the limit."""


class NoSubjectError(CallerError):
    """Nothing was found to make a mesh of."""


class UnauthorizedError(CallerError):
    """The service needs a key, and none of its keys came."""


class CrossSiteError(CallerError):
    """A page of another site asks for work."""


class HostNotAllowedError(CallerError):
    """The request asks for a name that the service does not answer to."""


class RateLimitedError(CallerError):
    """More requests than one client may send."""


class NotFoundError(CallerError):
    """There is no such job or file; it never was, has expired or was removed."""


class NotFinishedError(CallerError):
    """The job has no result yet."""


class CancelledJobError(CallerError):
    """The job was cancelled and has no result."""


class OutOfRangeError(CallerError):
    """A part was asked for that begins behind the file's end."""


class IdempotencyConflictError(CallerError):
    """The key of an earlier request came with another one."""


class UploadTooSlowError(CallerError):
    """The body came more slowly than the service waits for."""


class NotReadyError(ServiceError):
    """The service takes no work yet, or no more."""

    retry_after_s = 5


class OverloadedError(ServiceError):
    """The queue is full."""

    retry_after_s = 5


class TimedOutError(ServiceError):
    """The work passed its deadline."""

    retry_after_s = 10


class WorkerLostError(ServiceError):
    """The process that did the work ended."""

    retry_after_s = 1


class ModelUnavailableError(ServiceError):
    """The weights of a model asked for by name are absent, or are not what they should be."""


class OutOfMemoryError(ServiceError):
    """The work did not fit into memory, on the last device tried."""

    retry_after_s = 30


class StorageFullError(ServiceError):
    """The disk is full."""


def is_disk_full(error: OSError | sqlite3.OperationalError) -> bool:
    """Whether the disk is full, or a quota or size limit is reached."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)  # a full disk has no room for the WAL's index: IOERR


@contextmanager
def translate_disk_full(detail: str) -> Iterator[None]:
    """Re-raise the body's disk-full errors, the system's and SQLite's, as StorageFullError(`detail`)."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if is_disk_full(error):
            raise StorageFullError(detail) from error
        raise


@dataclass(frozen=True)
class Problem:
    """How one class of error is told: HTTP status, the stable `code`, and a short title that never varies."""

    status: int
    code: str
    title: str


PROBLEMS: dict[type[MattemeshError], Problem] = {
    MissingFileError: Problem(422, "missing-file", "No file was sent"),
    TooManyFilesError: Problem(422, "too-many-files", "More than one file was sent"),
    EmptyFileError: Problem(422, "empty-file", "The file is empty"),
    InvalidParameterError: Problem(422, "invalid-parameter", "An option has a value that cannot be used"),
    UnsupportedImageTypeError: Problem(415, "unsupported-image-type", "Not a JPEG, PNG or WebP picture"),
    ImageCorruptError: Problem(422, "image-corrupt", "The picture is truncated or broken"),
    UploadTooLargeError: Problem(413, "upload-too-large", "The file is too large"),
    TooManyPixelsError: Problem(422, "too-many-pixels", "The picture has too many pixels"),
    NoSubjectError: Problem(422, "no-subject", "Nothing was found to cut out"),
    UnauthorizedError: Problem(401, "unauthorized", "A key is needed"),
    CrossSiteError: Problem(403, "cross-site", "Another site's page asked"),
    HostNotAllowedError: Problem(421, "host-not-allowed", "Not a name of this service"),
    RateLimitedError: Problem(429, "rate-limited", "Too many requests"),
    NotFoundError: Problem(404, "not-found", "There is nothing at this address"),
    NotFinishedError: Problem(409, "not-finished", "The job is not finished"),
    CancelledJobError: Problem(409, "cancelled", "The job was cancelled"),
    OutOfRangeError: Problem(416, "out-of-range", "The file has no such part"),
    IdempotencyConflictError: Problem(409, "idempotency-conflict", "The key belongs to another request"),
    UploadTooSlowError: Problem(408, "upload-too-slow", "The upload came too slowly"),
    NotReadyError: Problem(503, "not-ready", "The service takes no work now"),
    OverloadedError: Problem(503, "overloaded", "The service is busy"),
    TimedOutError: Problem(503, "timed-out", "The work took too long"),
    WorkerLostError: Problem(503, "worker-lost", "The work was interrupted"),
    ModelUnavailableError: Problem(503, "model-unavailable", "The model is not on this machine"),
    OutOfMemoryError: Problem(503, "out-of-memory", "The work did not fit into memory"),
    StorageFullError: Problem(507, "storage-full", "The disk is full"),
}

INTERNAL = Problem(500, "internal", "Something went wrong inside the service")


INTERNAL_DETAIL = "The service met a fault of its own; the log has the details."


def problem_of(error: BaseException) -> Problem:
    """Return the row of the table for `error`; anything that is not in the table is a bug and is told as one."""
    return PROBLEMS.get(type(error), INTERNAL) if isinstance(error, MattemeshError) else INTERNAL


def problem_body(error: BaseException, instance: str) -> dict[str, Any]:
    """Return the RFC 9457 body that tells `error`; of a bug it says nothing but that it is one."""
    if isinstance(error, MattemeshError):
        return body_of(problem_of(error), error.detail, instance, error.numbers)
    return body_of(INTERNAL, INTERNAL_DETAIL, instance, {})


def body_of(problem: Problem, detail: str, instance: str, numbers: Mapping[str, object]) -> dict[str, Any]:
    """Return the RFC 9457 body of one `problem`."""
    return {
        "type": f"urn:mattemesh:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "instance": instance,
        "code": problem.code,
        **numbers,
    }
