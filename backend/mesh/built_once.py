"""The stage `build`: an engine's mesh of the same framed object and request is looked up before it is made again.

Another format, axis, size or shading of a mesh then costs its file alone.
"""

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.cache.memoize import Arrays, Memoize
from backend.contract.trace import Trace
from backend.images.arrays import Disparity
from backend.mesh.engine import Built, MeshEngine, MeshRequest
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh, Texture

PARTS = ("vertices", "faces", "colors", "normals", "uv", "image")


def build_once(
    engine: MeshEngine,
    memoize: Memoize,
    framed: Framed,
    disparity: Disparity | None,
    request: MeshRequest,
    trace: Trace,
) -> Built:
    """Return what `engine.build` returns, with the sentences that it leaves in the trace."""
    if trace.shows_pictures:  # only a real run makes them
        return engine.build(framed, disparity, request, trace)
    fresh: list[Built] = []

    def compute() -> Arrays:
        notes, degradations = len(trace.notes), len(trace.degradations)
        built = engine.build(framed, disparity, request, trace)
        fresh.append(built)
        return _packed(built, trace.notes[notes:], trace.degradations[degradations:])

    detail = f"{request} {framed.box} {framed.corner} {framed.scale} {framed.cut}"
    kept = memoize("build", detail, _digest(framed.image, framed.alpha, disparity), compute)
    return fresh[0] if fresh else _unpacked(kept, trace)


def _digest(*arrays: NDArray[Any] | None) -> NDArray[np.uint8]:
    """Return a digest of all arrays: they are megabytes, and a cache hashes what it is given in one piece."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(None if array is None else (array.dtype.str, array.shape)).encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return np.frombuffer(digest.digest(), np.uint8)


def _packed(built: Built, notes: list[str], degradations: list[str]) -> Arrays:
    mesh, texture = built.mesh, built.mesh.texture
    uv, image = (None, None) if texture is None else (texture.uv, texture.image)
    arrays = (mesh.vertices, mesh.faces, mesh.colors, mesh.normals, uv, image)
    header = {
        "parts": [name for name, array in zip(PARTS, arrays, strict=True) if array is not None],
        "facts": built.facts,
        "guessed": built.guessed,
        "notes": notes,
        "degradations": degradations,
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return (text, *(array for array in arrays if array is not None))


def _unpacked(kept: Arrays, trace: Trace) -> Built:
    header = json.loads(kept[0].tobytes())
    parts: dict[str, Any] = dict(zip(header["parts"], kept[1:], strict=True))
    texture = Texture(parts["uv"], parts["image"]) if "image" in parts else None
    mesh = Mesh(parts["vertices"], parts["faces"], parts.get("colors"), texture, parts.get("normals"))
    for sentence in header["notes"]:
        trace.note(sentence)
    for sentence in header["degradations"]:
        trace.degrade(sentence)
    return Built(mesh, header["facts"], header["guessed"])
