"""Loads of many clients on a running service, with counts of their answers."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tests.helpers.clients import Seen
from tests.helpers.drawn import encoded, toy
from tests.helpers.real_service import form

Forms = tuple[list[bytes], dict[str, str]]
STUB = {"model": "stub", "quality": "fast"}


def forms(count: int, size: tuple[int, int], seed: int = 0, **options: str) -> Forms:
    """Return `count` requests, each with a picture that no other one has (JPEG, `size` is width and height), and the
    headers that they share."""
    picture = toy(*size)[0]
    rng = np.random.default_rng(seed)
    bodies: list[bytes] = []
    headers: dict[str, str] = {}
    for _ in range(count):
        noise = rng.integers(-3, 4, (picture.shape[0], picture.shape[1], 1))
        image = np.clip(picture + noise, 0, 255).astype(np.uint8)
        body, headers = form({"file": encoded(image, "JPEG", quality=85)}, **options)
        bodies.append(body)
    return bodies, headers


def answers(seen: Sequence[Seen]) -> dict[str, int]:
    return dict(Counter(f"{one.status} {one.code}" for one in seen))
