"""The record of one run: stage times, intermediate pictures, notes and degradations.

The pipeline passes one `Trace` along; the report, the debug bundle, `Server-Timing` and the progress bar read it.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from backend.contract.work import Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
Packed = tuple["NDArray[Any] | None", dict[str, Any]]  # an array, if there is one, and plain JSON values


@dataclass(frozen=True)
class Handover(Generic[T]):
    """What one stage hands to the next, and how it is kept: `unpack` raises ValueError for what it cannot be."""

    name: str
    pack: "Callable[[T], Packed]"
    unpack: "Callable[[Packed], T]"


class Tape(Protocol):
    """Keeps what stages hand on, or has it from an earlier run."""

    def hand(self, over: Handover[T], make: Callable[[], T], shape: tuple[int, ...], trace: "Trace") -> T:
        """Return what `make` returns, or what the tape has in its place: an array of `shape`, if there is one."""
        ...


@dataclass
class Trace:
    """Collects what one run does.

    `on_picture` gets every intermediate picture as it is made (for a debug bundle), and must not keep the array, which
    may change; `wanted` names those that are kept here. `on_stage` is called with the name of each stage as it begins,
    and may raise to end the run there (the client has left). `tape` keeps what stages hand on.
    """

    on_picture: "Callable[[str, NDArray[Any]], None] | None" = None
    on_stage: Callable[[str], None] | None = None
    wanted: Collection[str] = ()
    tape: Tape | None = None
    stages: list[Stage] = field(default_factory=list)
    pictures: "dict[str, NDArray[Any]]" = field(default_factory=dict)  # the wanted ones
    notes: list[str] = field(default_factory=list)
    degradations: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, device: str = "cpu") -> Iterator[None]:
        """Time the body as stage `name`; a stage entered twice is listed twice."""
        if self.on_stage is not None:
            self.on_stage(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages.append(Stage(name, time.perf_counter() - start, device))

    def handed(self, over: Handover[T], make: Callable[[], T], shape: tuple[int, ...] = ()) -> T:
        """Return what `make` hands on, from the tape where it has it; an array in it is of `shape`."""
        return make() if self.tape is None else self.tape.hand(over, make, shape, self)

    def picture(self, name: str, array: "NDArray[Any]") -> None:
        """Show an intermediate: an image, a mask, a trimap, or (H, W) float32 in [0, 1]."""
        if self.on_picture is not None:
            self.on_picture(name, array)
        if name in self.wanted:
            self.pictures[name] = array.copy()

    @property
    def shows_pictures(self) -> bool:
        """Whether every picture is wanted; check before computing one that is only for show."""
        return self.on_picture is not None

    def shows(self, name: str) -> bool:
        """Whether picture `name` is wanted."""
        return self.shows_pictures or name in self.wanted

    def note(self, sentence: str) -> None:
        """Add a sentence for the person who asked, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def degrade(self, sentence: str) -> None:
        """Add a sentence on what was done less well than asked, once."""
        if sentence not in self.degradations:
            self.degradations.append(sentence)
