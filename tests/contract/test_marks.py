"""Strokes and clicks as they are sent: those that are read, and the sentence for each fault."""

import json
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from backend.contract.errors import InvalidParameterError
from backend.contract.marks import _CLICKS, _STROKES, MAX_CLICKS, MAX_POINTS
from backend.contract.options import EditOptions, invalid_option

DAB = {"x": 1.5, "y": 2, "radius": 3, "mode": "add"}


def refused(**sent: str) -> InvalidParameterError:
    with pytest.raises(ValidationError) as caught:
        EditOptions.model_validate(sent)
    return invalid_option(caught.value)


def test_points_and_lines_are_read_in_order() -> None:
    line = {"points": [[1, 2], [3.5, -4]], "radius": 3, "hardness": 0.5, "mode": "remove"}
    options = EditOptions.model_validate({"strokes": json.dumps([DAB, line])})
    assert [stroke.path for stroke in options.strokes] == [[(1.5, 2)], [(1, 2), (3.5, -4)]]
    assert [stroke.mode for stroke in options.strokes] == ["add", "remove"]
    assert [stroke.hardness for stroke in options.strokes] == [1, 0.5]


def test_options_travel_to_another_process_as_they_are() -> None:
    options = EditOptions.model_validate({"strokes": json.dumps([DAB]), "clicks": '[{"x": 1, "y": 2, "mode": "keep"}]'})
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301


@pytest.mark.parametrize(
    "change",
    [
        {"x": "1"}, {"x": True}, {"x": None}, {"x": 1e9}, {"x": [1]}, {"radius": 0}, {"radius": -1}, {"radius": 1e6},
        {"radius": "3"}, {"hardness": 1.1}, {"hardness": -0.1}, {"mode": "erase"}, {"mode": None}, {"points": [[1, 2]]},
        {"colour": "red"},
    ],
)  # fmt: skip
def test_a_faulty_stroke_is_refused_by_name_and_place(change: dict[str, object]) -> None:
    error = refused(strokes=json.dumps([DAB, {**DAB, **change}]))
    assert error.numbers["parameter"] == "strokes"
    assert "stroke 2" in error.detail


@pytest.mark.parametrize(
    "text",
    ["x", "{}", "[1]", "[[]]", "null", "7", '"add"', "[", "[" * 5000, '[{"points": [], "radius": 3, "mode": "add"}]',
     '[{"points": [[1]], "radius": 3, "mode": "add"}]', '[{"points": [[1, 2, 3]], "radius": 3, "mode": "add"}]',
     '[{"x": NaN, "y": 1, "radius": 3, "mode": "add"}]', '[{"x": Infinity, "y": 1, "radius": 3, "mode": "add"}]',
     '[{"x": 1, "y": 1, "radius": 1e999, "mode": "add"}]',
     '[{"x": 1, "y": 1, "hardness": NaN, "radius": 3, "mode": "add"}]',
     "\x00", "[]]"],
)  # fmt: skip
def test_what_is_no_list_of_strokes_is_refused_by_name(text: str) -> None:
    assert refused(strokes=text).numbers["parameter"] == "strokes"


@pytest.mark.parametrize("text", ["x", '[{"x": 1, "y": 2}]', '[{"x": 1, "y": 2, "mode": "add"}]', "{}"])
def test_what_is_no_list_of_clicks_is_refused_by_name(text: str) -> None:
    assert refused(clicks=text).numbers["parameter"] == "clicks"


def test_the_number_of_points_and_clicks_is_bounded() -> None:
    line = {"points": [[1, 1]] * (MAX_POINTS // 2), "radius": 3, "mode": "add"}
    assert len(EditOptions.model_validate({"strokes": json.dumps([line, line])}).strokes) == 2
    assert str(MAX_POINTS) in refused(strokes=json.dumps([line, line, DAB])).detail
    click = {"x": 1, "y": 1, "mode": "keep"}
    assert refused(clicks=json.dumps([click] * (MAX_CLICKS + 1))).numbers["parameter"] == "clicks"


@pytest.mark.parametrize(
    ("kind", "faulty"),
    [(_STROKES, [{}] * 500), (_STROKES, [DAB | {f"n{i}": 1 for i in range(500)}]), (_CLICKS, [{}] * 20),
     (_STROKES, [{"points": [["a", 1]] * 500, "radius": 3, "mode": "add"}]),
     (_CLICKS, [{f"n{i}": 1 for i in range(500)}])],
)  # fmt: skip
def test_no_time_is_spent_on_a_second_thousand_of_faults(kind: TypeAdapter[Any], faulty: list[object]) -> None:
    with pytest.raises(ValidationError) as caught:
        kind.validate_json(json.dumps(faulty))
    assert caught.value.error_count() <= 3  # those of one mark


def test_nothing_sent_is_nothing_drawn() -> None:
    assert EditOptions().strokes == EditOptions.model_validate({"strokes": "[]"}).strokes == []
