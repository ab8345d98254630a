"""What stages hand on, into a bundle as it is made, or out of the bundle of an earlier run."""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.bundles.debug_bundle import Bundle
from backend.contract.errors import InvalidParameterError
from backend.contract.run_inputs import HandedOn
from backend.contract.trace import Handover, Trace

T = TypeVar("T")


class Kept(Protocol):
    """What an earlier run has handed on."""

    def names(self) -> Collection[str]: ...

    def read(self, name: str, shape: tuple[int, ...]) -> tuple[HandedOn, NDArray[Any] | None]:
        """Return what is kept under `name`, an array of `shape` if there is one. Raises InvalidParameterError."""
        ...


class RunTape:
    """Keeps what a run hands on in `bundle`, and takes what is in `played` from there instead of making it.

    The second handover of one name, of a further view for example, is kept as `name-2`.
    """

    def __init__(self, bundle: Bundle | None = None, played: Kept | None = None) -> None:
        self._bundle, self._played = bundle, played
        self._calls: Counter[str] = Counter()
        self.handed: dict[str, HandedOn] = {}
        self.taken: list[str] = []  # what came out of `played`, in order
        self.made: list[str] = []  # what did not

    def hand(self, over: Handover[T], make: Callable[[], T], shape: tuple[int, ...], trace: Trace) -> T:
        """Return what `make` hands on, or what the earlier run did. Raises InvalidParameterError for a damaged one."""
        self._calls[over.name] += 1
        name = over.name if self._calls[over.name] == 1 else f"{over.name}-{self._calls[over.name]}"
        if self._played is not None and name in self._played.names():
            kept, array = self._played.read(name, shape)
            try:
                made = over.unpack((array, kept.values))
            except ValueError as error:
                raise InvalidParameterError(f"The bundle's `{name}` cannot be used.", parameter="bundle") from error
            for sentence in kept.notes:
                trace.note(sentence)
            for sentence in kept.degradations:
                trace.degrade(sentence)
            self.taken.append(name)
            self._keep(name, array, kept)
            return made
        notes, degradations = len(trace.notes), len(trace.degradations)
        made = make()
        self.made.append(name)
        array, values = over.pack(made)
        entry = HandedOn(values=values, notes=trace.notes[notes:], degradations=trace.degradations[degradations:])
        self._keep(name, array, entry)
        return made

    def _keep(self, name: str, array: NDArray[Any] | None, entry: HandedOn) -> None:
        if self._bundle is None:
            return
        file = (
            None
            if array is None
            else self._bundle.store_array(f"inputs/{name}.npy", np.ascontiguousarray(array, np.float32))
        )
        self.handed[name] = entry.model_copy(update={"file": file})
