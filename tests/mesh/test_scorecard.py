"""The grade follows the flaws, and a guessed shape is never called ready."""

from dataclasses import replace

import pytest

from backend.mesh.scorecard import Facts, judge
from backend.mesh.topology import Topology

SOUND = Facts(Topology(True, True, 0, 1), False, 0.6, 0.4, 0.0, 0.98, 0, 0, 0.0, "")
GUESSED = "The back is guessed."


def test_a_sound_mesh_is_ready_to_use():
    card = judge(SOUND)
    assert card == {
        "points": 100,
        "grade": "A",
        "ready": True,
        "verdict": "Closed and ready to use",
        "advice": (),
    }


def test_a_guessed_shape_is_at_best_a_c_and_says_so_first():
    card = judge(replace(SOUND, guessed=GUESSED))
    assert card["grade"] == "C" and not card["ready"] and card["advice"] == (GUESSED,)
    assert card["verdict"] == "Closed; the back is guessed"


def test_a_mesh_from_a_doubtful_mask_is_at_best_a_c_and_never_ready():
    card = judge(replace(SOUND, doubted=True))
    assert card["grade"] == "C" and not card["ready"] and card["verdict"] == "Closed; the mask is in doubt"
    assert len(card["advice"]) == 1 and "in doubt" in card["advice"][0]
    assert judge(replace(SOUND, doubted=True, guessed=GUESSED))["verdict"] == "Closed; the back is guessed"


FLAWS = {
    "cut open": {"found": Topology(False, False, 12, 1)},
    "more than two": {"found": Topology(False, False, 0, 1)},
    "inward": {"inside_out": True},
    "paper-thin": {"flatness": 0.01},
    "break in print": {"thin_share": 0.1},
    "are missing": {"lost_parts": 2, "lost_share": 0.004},
    "loose": {"loose_parts": 1},
    "covers the mask": {"iou": 0.6},
    "beyond the mask": {"added_parts": 1, "added_share": 0.03},
    "walls": {"wall": 0.002},
}


@pytest.mark.parametrize("word", FLAWS)
def test_each_flaw_takes_points_and_has_a_sentence(word):
    card = judge(replace(SOUND, **FLAWS[word]))
    assert card["points"] < 100 and len(card["advice"]) == 1 and word in card["advice"][0]
    assert "ready" not in card["verdict"] or card["ready"]
    both = judge(replace(SOUND, guessed=GUESSED, **FLAWS[word]))
    assert both["advice"] == (GUESSED, *card["advice"]) and not both["ready"]


@pytest.mark.parametrize("word", ["cut open", "more than two", "inward"])
def test_what_is_no_solid_is_never_ready(word):
    card = judge(replace(SOUND, **FLAWS[word]))
    assert not card["ready"] and card["grade"] in "DE" and "Closed" not in card["verdict"]
