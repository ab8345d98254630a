"""Weights that are missing, cut short, altered by a byte or a web page: a clear 503, never loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.weights.catalogue import CATALOGUE, DEFAULT_SEGMENTER
from tests.helpers.incidents import PHOTO
from tests.helpers.real_service import RealService
from tests.helpers.stub_networks import DAMAGE

SMALL = CATALOGUE["u2netp"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_reported_and_never_loaded(service: RealService, damage: str) -> None:
    answer = service.mask(PHOTO, model=damage)
    assert answer.outcome == (503, "model-unavailable")
    assert damage in answer.json()["detail"]
    assert str(service.folder) not in answer.body.decode()
    assert damage not in service.worker()["loaded"]
    assert service.mask(PHOTO).status == 200
    assert service.mask(PHOTO, model="auto").status == 200


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>404</title>", None])
def test_a_damaged_file_of_the_catalogue_is_reported_with_the_command_that_helps(
    service: RealService, content: bytes | None
) -> None:
    place = service.folder / "checkpoints" / SMALL.files[0].path
    _lay(place, SMALL.files[0].exact_size_bytes, content)
    try:
        answer = service.mask(PHOTO, model=SMALL.name)
    finally:
        place.unlink()
    assert answer.outcome == (503, "model-unavailable")
    assert f"models fetch {SMALL.name}" in answer.json()["detail"]
    assert SMALL.name not in service.worker()["loaded"]
    assert service.mask(PHOTO).status == 200


def test_auto_stands_on_its_stand_in_where_the_default_model_is_of_the_right_size_and_wrong(
    own_service: Callable[..., RealService],
) -> None:
    service = own_service()
    file = CATALOGUE[DEFAULT_SEGMENTER].files[0]
    _lay(service.folder / "checkpoints" / file.path, file.exact_size_bytes, None)
    assert service.mask(PHOTO, model=DEFAULT_SEGMENTER).outcome == (503, "model-unavailable")
    answer = service.mask(PHOTO, model="auto")
    assert answer.status == 200
    assert DEFAULT_SEGMENTER not in service.worker()["loaded"]
    engine = service.get("/health").json()["engines"]["segmenter"]
    assert engine["auto"] == "border"
    assert engine["why"]
    assert service.worker()["crashes"] == 0


def _lay(place: Path, size: int | None, content: bytes | None) -> None:
    """Lay `content` there; None is a file of the right size that is all zeros and takes no room."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        file.write(content or b"")
        if content is None:
            assert size is not None
            file.truncate(size)
