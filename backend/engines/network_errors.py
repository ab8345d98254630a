"""Translates the exceptions of a network to the errors of the service."""

from collections.abc import Iterator
from contextlib import contextmanager

from backend.contract.errors import ModelUnavailableError, OutOfMemoryError
from backend.contract.memory import is_out_of_memory


@contextmanager
def network_errors(name: str, broken: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise OutOfMemoryError for a lack of memory in the body, and ModelUnavailableError for an error in `broken`.

    `name` is the model's. Other errors pass: they are bugs.
    """
    faults: tuple[type[Exception], ...] = (MemoryError, RuntimeError, *broken)
    try:
        yield
    except faults as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"{name} did not fit into memory.") from error
        if isinstance(error, broken):
            raise ModelUnavailableError(f"The network of {name} cannot be run.", model=name) from error
        raise
