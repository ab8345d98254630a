"""What the stages of a matte hand on, and how a debug bundle keeps it: an array and plain values.

What is unpacked may come from a stranger's file: it is checked like one.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from backend.contract.report import FusionReport
from backend.contract.trace import Handover, Packed
from backend.engines.first_guess import FirstGuess
from backend.engines.opinions import Opinion
from backend.images.arrays import Alpha, Disparity
from backend.matte.refine.evidence import Evidence

EVIDENCE = TypeAdapter(Evidence)


@dataclass(frozen=True)
class Asked:
    """What the segmenters say, and why a stand-in was asked, "" where none was."""

    found: Opinion
    stand_in: str = ""


@dataclass(frozen=True)
class Subject:
    """The object's matte and its source."""

    alpha: Alpha
    source: str  # a segmenter's name, "own-mask" or "own-alpha"
    doubts: tuple[str, ...] = ()  # the segmenter's own reasons to distrust its mask, for the scorecard
    evidence: Evidence | None = None  # what is known of a segmenter's guess, for the scorecard
    facts: dict[str, Any] = field(default_factory=dict)  # figures of the segmenter and the refinement, for the report

    @property
    def segmented(self) -> bool:
        """Whether the matte is our own work: its rim's colours are then still mixed with the background's."""
        return self.source not in ("own-mask", "own-alpha") or bool(self.facts)


@dataclass(frozen=True)
class Depth:
    """The picture's disparity, or why there is none."""

    disparity: Disparity | None
    network: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class FusedMatte:
    """The fused alpha and the report's entry on it."""

    alpha: Alpha
    report: FusionReport


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Guess(_Values):
    name: str
    notes: tuple[str, ...]
    facts: dict[str, float | int | str | bool]
    remarks: tuple[str, ...]
    several: bool
    exact: bool
    by_color: bool
    stand_in: str


class _Subject(_Values):
    source: str
    doubts: tuple[str, ...]
    evidence: dict[str, float | None] | None
    facts: dict[str, Any]


class _Depth(_Values):
    network: str
    why_not: str


def _pack_guess(asked: Asked) -> Packed:
    guess = asked.found.guess
    values = {name: getattr(guess, name) for name in _Guess.model_fields if hasattr(guess, name)}
    return guess.saliency, {**values, "name": asked.found.name, "stand_in": asked.stand_in}


def _unpack_guess(packed: Packed) -> Asked:
    values = _Guess.model_validate(packed[1]).model_dump()
    name, stand_in = values.pop("name"), values.pop("stand_in")
    return Asked(Opinion(name, FirstGuess(_opacity(packed), **values)), stand_in)


def _pack_subject(subject: Subject) -> Packed:
    evidence = None if subject.evidence is None else EVIDENCE.dump_python(subject.evidence)
    values = {"source": subject.source, "doubts": subject.doubts, "evidence": evidence, "facts": subject.facts}
    return subject.alpha, values


def _unpack_subject(packed: Packed) -> Subject:
    values = _Subject.model_validate(packed[1])
    evidence = None if values.evidence is None else EVIDENCE.validate_python(values.evidence)
    return Subject(_opacity(packed), values.source, values.doubts, evidence, values.facts)


def _pack_depth(depth: Depth) -> Packed:
    return depth.disparity, {"network": depth.network, "why_not": depth.why_not}


def _unpack_depth(packed: Packed) -> Depth:
    return Depth(packed[0], **_Depth.model_validate(packed[1]).model_dump())


def _pack_fused(fused: FusedMatte) -> Packed:
    return fused.alpha, fused.report.model_dump(exclude_unset=True)


def _unpack_fused(packed: Packed) -> FusedMatte:
    return FusedMatte(_opacity(packed), FusionReport.model_validate(packed[1]))


def _opacity(packed: Packed) -> Alpha:
    """Return the array in [0, 1]. Raises ValueError for another one, and where there is none."""
    array = packed[0]
    if array is None or array.min(initial=0) < 0 or array.max(initial=0) > 1:
        raise ValueError("its values do not lie in [0, 1]")
    return np.asarray(array)


GUESS = Handover("guess", _pack_guess, _unpack_guess)
SUBJECT = Handover("subject", _pack_subject, _unpack_subject)
DEPTH = Handover("depth", _pack_depth, _unpack_depth)
FUSED = Handover("fused", _pack_fused, _unpack_fused)
