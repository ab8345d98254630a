"""The errors, in two families, and the table that gives each its HTTP status and code.

`CallerError`: the request is at fault; a retry does not help. `ServiceError`: the request is valid, but the service
cannot serve it now. The message is for the person who sent the request: one sentence without paths, library names or
the client's file names. `numbers` (`limit`, `actual`, `parameter`, …) become fields of the problem.
"""

import errno
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

STORAGE_FAILED = "The service cannot use its disk. Its log says why."
logger = logging.getLogger("mattemesh")


class MattemeshError(Exception):
    """Base of both families; `detail` is one sentence, `numbers` are values for programs."""

    def __init__(self, detail: str, **numbers: int | float | str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.numbers = numbers

    def __reduce__(self) -> tuple[object, ...]:
        # The default would lose the keyword arguments when the error is pickled.
        return rebuild, (type(self), self.detail, self.numbers)


def rebuild(kind: type[MattemeshError], detail: str, numbers: dict[str, int | float | str]) -> MattemeshError:
    """Return the unpickled error."""
    return kind(detail, **numbers)


class CallerError(MattemeshError):
    """The request is at fault."""


class ServiceError(MattemeshError):
    """The service is at fault or too busy; `retry_after_s` is set if a retry can help."""

    retry_after_s: int | None = None


class MissingFileError(CallerError):
    """The form has no file."""


class TooManyFilesError(CallerError):
    """The form has more than one file for one part."""


class EmptyFileError(CallerError):
    """The file has no bytes."""


class InvalidParameterError(CallerError):
    """An option has an unknown name or an invalid value."""


class UnsupportedImageTypeError(CallerError):
    """The bytes are not a picture of a kind that is read."""


class ImageCorruptError(CallerError):
    """The picture is truncated or cannot be decoded."""


class UploadTooLargeError(CallerError):
    """The file has more bytes than the limit."""


class TooManyPixelsError(CallerError):
    """The header announces more pixels, or a longer side, than the limit."""


class UnsupportedMeshTypeError(CallerError):
    """The bytes are not a GLB, or one that uses what is not read here."""


class MeshCorruptError(CallerError):
    """The mesh is truncated or contradicts itself."""


class TooManyFacesError(CallerError):
    """The mesh has more faces or vertices than the limit."""


class NoSubjectError(CallerError):
    """No object was found to make a mesh from."""


class UnauthorizedError(CallerError):
    """The service needs a key and the request has no valid one."""


class CrossSiteError(CallerError):
    """The request comes from another site's page."""


class OwnerOnlyError(CallerError):
    """The request changes the service itself and does not come from whoever runs it."""


class HostNotAllowedError(CallerError):
    """The request names a host that the service does not answer to."""


class RateLimitedError(CallerError):
    """The client exceeded its rate limit."""


class NotFoundError(CallerError):
    """No such job or file: it never existed, has expired or was removed."""


class NotFinishedError(CallerError):
    """The job has no result yet."""


class CancelledJobError(CallerError):
    """The job was cancelled and has no result."""


class OutOfRangeError(CallerError):
    """The requested range begins after the end of the file."""


class IdempotencyConflictError(CallerError):
    """The Idempotency-Key was already used for a different request."""


class UploadTooSlowError(CallerError):
    """The body arrived more slowly than the minimum rate."""


class NotReadyError(ServiceError):
    """The service is starting or stopping."""

    retry_after_s = 5


class OverloadedError(ServiceError):
    """The queue is full."""

    retry_after_s = 5


class TimedOutError(ServiceError):
    """The work passed its deadline."""

    retry_after_s = 10


class WorkerLostError(ServiceError):
    """The worker process ended during the work."""

    retry_after_s = 1


class ModelUnavailableError(ServiceError):
    """The requested model is missing, damaged or not allowed."""


class OutOfMemoryError(ServiceError):
    """The work did not fit into memory on the last device tried."""

    retry_after_s = 30


class StorageFullError(ServiceError):
    """The disk is full."""


class StorageFailedError(ServiceError):
    """What the service stores cannot be read or written: it is damaged, gone, or the disk fails."""

    retry_after_s = 10


# A quota, a size limit, and a flush or an index that finds no room are I/O errors to SQLite.
FULL_DISK_IOERR = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE)


def is_disk_full(error: OSError | sqlite3.OperationalError) -> bool:
    """Whether the disk is full, or a quota or size limit is reached."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    return code == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) in FULL_DISK_IOERR


@contextmanager
def translate_disk_full(detail: str) -> Iterator[None]:
    """Re-raise the body's disk-full errors, the system's and SQLite's, as StorageFullError(`detail`)."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if is_disk_full(error):
            raise StorageFullError(detail) from error
        raise


@contextmanager
def translate_disk_errors(full: str, failed: str = STORAGE_FAILED) -> Iterator[None]:
    """Re-raise the body's OSError as StorageFullError(`full`), or as StorageFailedError(`failed`) with a line in the
    log."""
    try:
        with translate_disk_full(full):
            yield
    except OSError as error:
        logger.error("the disk cannot be used: %s", error)
        raise StorageFailedError(failed) from error


@dataclass(frozen=True)
class Problem:
    """The HTTP status, the stable `code` and the fixed title of one class of error."""

    status: int
    code: str
    title: str


PROBLEMS: dict[type[MattemeshError], Problem] = {
    MissingFileError: Problem(422, "missing-file", "No file was sent"),
    TooManyFilesError: Problem(422, "too-many-files", "More than one file was sent"),
    EmptyFileError: Problem(422, "empty-file", "The file is empty"),
    InvalidParameterError: Problem(422, "invalid-parameter", "An option has an invalid value"),
    UnsupportedImageTypeError: Problem(415, "unsupported-image-type", "Not a picture that can be read"),
    ImageCorruptError: Problem(422, "image-corrupt", "The picture is truncated or broken"),
    UploadTooLargeError: Problem(413, "upload-too-large", "The file is too large"),
    TooManyPixelsError: Problem(422, "too-many-pixels", "The picture has too many pixels"),
    UnsupportedMeshTypeError: Problem(415, "unsupported-mesh-type", "Not a GLB that can be read here"),
    MeshCorruptError: Problem(422, "mesh-corrupt", "The mesh is truncated or broken"),
    TooManyFacesError: Problem(422, "too-many-faces", "The mesh has too many faces"),
    NoSubjectError: Problem(422, "no-subject", "Nothing was found to cut out"),
    UnauthorizedError: Problem(401, "unauthorized", "An API key is required"),
    CrossSiteError: Problem(403, "cross-site", "Requests from other sites are not allowed"),
    OwnerOnlyError: Problem(403, "owner-only", "Only whoever runs the service may do this"),
    HostNotAllowedError: Problem(421, "host-not-allowed", "The service does not answer to this name"),
    RateLimitedError: Problem(429, "rate-limited", "Too many requests"),
    NotFoundError: Problem(404, "not-found", "Nothing found at this address"),
    NotFinishedError: Problem(409, "not-finished", "The job is not finished"),
    CancelledJobError: Problem(409, "cancelled", "The job was cancelled"),
    OutOfRangeError: Problem(416, "out-of-range", "The requested range is outside the file"),
    IdempotencyConflictError: Problem(409, "idempotency-conflict", "The Idempotency-Key belongs to another request"),
    UploadTooSlowError: Problem(408, "upload-too-slow", "The upload came too slowly"),
    NotReadyError: Problem(503, "not-ready", "The service is not ready"),
    OverloadedError: Problem(503, "overloaded", "The service is busy"),
    TimedOutError: Problem(503, "timed-out", "The work took too long"),
    WorkerLostError: Problem(503, "worker-lost", "The work was interrupted"),
    ModelUnavailableError: Problem(503, "model-unavailable", "The model is not available"),
    OutOfMemoryError: Problem(503, "out-of-memory", "The work did not fit into memory"),
    StorageFullError: Problem(507, "storage-full", "The disk is full"),
    StorageFailedError: Problem(503, "storage-failed", "The storage of the service fails"),
}

INTERNAL = Problem(500, "internal", "Internal error")


INTERNAL_DETAIL = "The service hit an internal error. Its log has the details."


def problem_of(error: BaseException) -> Problem:
    """Return the table's problem for `error`, or the internal error for anything else."""
    return PROBLEMS.get(type(error), INTERNAL) if isinstance(error, MattemeshError) else INTERNAL


def problem_body(error: BaseException, instance: str) -> dict[str, Any]:
    """Return the RFC 9457 body for `error`; for a bug it has no details."""
    if isinstance(error, MattemeshError):
        return body_of(problem_of(error), error.detail, instance, error.numbers)
    return body_of(INTERNAL, INTERNAL_DETAIL, instance, {})


def body_of(problem: Problem, detail: str, instance: str, numbers: Mapping[str, object]) -> dict[str, Any]:
    """Return the RFC 9457 body of `problem`."""
    return {
        "type": f"urn:mattemesh:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "instance": instance,
        "code": problem.code,
        **numbers,
    }
