"""The measured facts of a mesh in, its points and grade, a verdict of a few words and advice in sentences out."""

from dataclasses import dataclass
from typing import Any

from backend.contract.report import MAX_POINTS_IN_DOUBT, grade_of
from backend.mesh.topology import Topology

MIN_FLATNESS = 0.06  # below it a mesh counts as paper-thin; a coin has 0.08
MIN_THICKNESS = 0.04  # mean thickness as a share of the extent; below it a mesh counts as paper-thin
MIN_IOU = 0.85  # below it the advice names the overlap; a good mesh and its matte differ in rim pixels only
MAX_THIN_SHARE = 0.02  # of the silhouette, where the mesh is thinner than a wall should be
MIN_WALL = 0.008  # thickness as a share of the extent; below it a wall counts as thin
DOUBTED = "The mask itself is in doubt: check it, and make the mesh again from a better one."


@dataclass(frozen=True)
class Facts:
    """What was measured of a mesh; shares lie in [0, 1]."""

    found: Topology
    inside_out: bool
    flatness: float
    thickness: float  # mean thickness as a share of the extent
    thin_share: float  # of the silhouette
    iou: float
    loose_parts: int
    lost_parts: int
    lost_share: float  # of the matte
    guessed: str  # what of the shape is a guess; "" where it was predicted
    added_parts: int = 0  # places of the silhouette beside the matte
    added_share: float = 0.0  # of the silhouette
    doubted: bool = False  # the segmenter distrusts the mask that the mesh was made from
    wall: float | None = None  # the walls' thickness as a share of the extent; None: not measured, or there are none


def judge(facts: Facts) -> dict[str, Any]:
    """Return `points`, `grade`, `ready`, `verdict` and `advice` of a mesh.

    A shape that is guessed, and a mask in doubt, come first in the advice; the grade is then C at best and the mesh is
    never ready.
    """
    losses = _losses(facts)
    points = max(0, round(100.0 - sum(loss for loss, _ in losses)))
    doubts = [facts.guessed] * bool(facts.guessed) + [DOUBTED] * facts.doubted
    if doubts:
        points = min(points, MAX_POINTS_IN_DOUBT)
    grade = grade_of(points)
    sound = facts.found.closed and facts.found.consistent and not facts.inside_out
    ready = sound and not losses and not doubts
    advice = doubts + [sentence for _, sentence in losses]
    return {
        "points": points,
        "grade": grade,
        "ready": ready,
        "verdict": _verdict(facts, sound, ready, flawed=bool(losses)),
        "advice": tuple(advice),
    }


def _verdict(facts: Facts, sound: bool, ready: bool, flawed: bool) -> str:
    if not sound:
        return "Has open edges" if facts.found.open_edges else "Not a solid"
    if ready:
        return "Closed and ready to use"
    doubt = "; the back is guessed" if facts.guessed else "; the mask is in doubt" if facts.doubted else ""
    return ("Closed, with flaws" if flawed else "Closed") + doubt


def _losses(facts: Facts) -> list[tuple[float, str]]:
    """Return the points that each flaw takes, with its sentence."""
    losses: list[tuple[float, str]] = []

    def take(loss: float, sentence: str) -> None:
        losses.append((loss, sentence))

    if facts.found.open_edges:
        take(
            50.0,
            f"The mesh is cut open along {facts.found.open_edges} edges, probably where the object leaves the engine's "
            "box; try a smaller foreground_ratio.",
        )
    elif not facts.found.closed:
        take(50.0, "The mesh has edges of more than two faces, so some programs will not accept it as a solid.")
    elif not facts.found.consistent or facts.inside_out:
        take(50.0, "Some faces of the mesh look inward; let your program recalculate its normals.")
    if facts.flatness < MIN_FLATNESS or facts.thickness < MIN_THICKNESS:
        take(
            35.0,
            "The mesh is paper-thin; a cleaner mask, a photo from an angle that shows the object's depth, "
            "or another mesh engine may help.",
        )
    elif facts.thin_share > MAX_THIN_SHARE:
        take(15.0, f"{facts.thin_share:.0%} of the mesh is so thin that it may break in print; scale it up.")
    elif facts.wall is not None and facts.wall < MIN_WALL:
        take(15.0, "Some walls of the mesh are so thin that they may break in print; scale it up.")
    if facts.lost_parts:
        places, verb = ("One place", "is") if facts.lost_parts == 1 else (f"{facts.lost_parts} places", "are")
        take(
            min(15.0 + 500.0 * facts.lost_share, 40.0),
            f"{places} of the mask, {facts.lost_share:.1%} of its area, {verb} missing in the mesh; allow more faces "
            "or a finer resolution, or crop the photo closer.",
        )
    if facts.added_parts:
        places, verb = ("One place", "lies") if facts.added_parts == 1 else (f"{facts.added_parts} places", "lie")
        take(
            min(15.0 + 100.0 * facts.added_share, 40.0),
            f"{places} of the mesh, {facts.added_share:.1%} of its outline, {verb} beyond the mask; look at it from "
            "all sides before you use it.",
        )
    if facts.loose_parts:
        pieces = "One piece hangs" if facts.loose_parts == 1 else f"{facts.loose_parts} pieces hang"
        take(min(10.0 * facts.loose_parts, 30.0), f"{pieces} loose beside the mesh; remove what is not part of it.")
    if facts.iou < MIN_IOU:
        take(
            min(20.0 + 100.0 * (MIN_IOU - facts.iou), 60.0),
            f"Seen by the camera, the mesh covers the mask to only {facts.iou:.0%}; check the mask and the mesh before "
            "you use it.",
        )
    return losses
