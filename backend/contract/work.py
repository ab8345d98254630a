"""A piece of work as it travels to whoever does it, and what comes back. Everything here pickles and nothing is heavy:
the process that speaks HTTP imports this and never the pipeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backend.contract.options import BackgroundOptions, EditOptions, MaskOptions, MeshOptions, WorkOptions

Lane = Literal["mask", "mesh"]
Form = Literal[
    "file", "json", "zip", "job"
]  # the result; the result inside its report; the debug bundle; all a job keeps
OnStage = Callable[[str], None]  # told a stage's name as it begins
CacheUse = Literal["use", "renew", "avoid"]  # look and keep; keep without looking; neither
CacheOutcome = Literal["hit", "miss"]


@dataclass(frozen=True)
class Kind:
    """One kind of work: the lane that it waits in, what may be asked of it, the files that it takes, those of them
    that it cannot do without, and how long an option may be when it is sent."""

    lane: Lane
    options: type[WorkOptions]
    files: tuple[str, ...] = ("file", "mask")
    required: tuple[str, ...] = ("file",)
    max_text_bytes: int = 16 * 1024


KINDS: dict[str, Kind] = {
    "remove-bg": Kind("mask", MaskOptions),
    "generate-mesh": Kind("mesh", MeshOptions),
    "edit-mask": Kind("mask", EditOptions, files=("mask", "file"), required=(), max_text_bytes=256 * 1024),
    "add-background": Kind("mask", BackgroundOptions, files=("file", "mask", "background")),
}


@dataclass(frozen=True)
class Work:
    """What to do: a key of `KINDS`, the files as they were sent, by the name of their part, and the options."""

    kind: str
    files: Mapping[str, bytes]
    options: WorkOptions
    form: Form = "file"
    name: str = ""  # the request's or the job's id: for the log, and for the folder of a debug bundle
    cache: CacheUse = "use"

    @property
    def lane(self) -> Lane:
        return KINDS[self.kind].lane


@dataclass(frozen=True)
class File:
    """A finished file."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Stage:
    """One finished stage."""

    name: str
    seconds: float
    device: str


@dataclass(frozen=True)
class Done:
    """What came of a piece of work. The first file is the answer; only the form `job` has more."""

    files: tuple[File, ...]
    stages: tuple[Stage, ...] = ()
    notes: tuple[str, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)
    cache: CacheOutcome | None = None  # of the result as a whole; None where nobody looked
    stage_caches: Mapping[str, CacheOutcome] = field(default_factory=dict)  # of the stages that a cache was asked for
    models: Mapping[str, str] = field(default_factory=dict)  # the engines that took part: name -> fingerprint
