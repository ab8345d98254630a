"""`roi`: a picture and where its object is in, the matte of the whole picture out.

The part is searched as if it were the picture, so that what is beside it, however large, is never taken for the object.
"""

from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from backend.contract.options import MatteOptions, roi_box
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.image_io import Picture
from backend.matte.handovers import Subject
from backend.matte.subject import mask_as_alpha

Options = TypeVar("Options", bound=MatteOptions, contravariant=True)


class Find(Protocol[Options]):
    """`find_subject` or `find_document`."""

    def __call__(
        self, picture: Picture, mask: Picture | None, options: Options, engines: Engines, trace: Trace, /
    ) -> Subject: ...


def find_within_roi(
    find: Find[Options], picture: Picture, mask: Picture | None, options: Options, engines: Engines, trace: Trace
) -> Subject:
    """Return what `find` finds in the part of `picture` that the options name, with 0 around it.

    Without `roi` it is `find` itself. Raises what `find` raises, and InvalidParameterError for a part outside.
    """
    if options.roi is None:
        return find(picture, mask, options, engines, trace)
    height, width = picture.image.shape[:2]
    x0, y0, x1, y1 = roi_box(options.roi, height, width)
    part = replace(
        picture,
        image=np.ascontiguousarray(picture.image[y0:y1, x0:x1]),
        alpha=None if picture.alpha is None else np.ascontiguousarray(picture.alpha[y0:y1, x0:x1]),
    )
    if mask is not None:
        drawn = mask_as_alpha(mask, picture, trace)[y0:y1, x0:x1]
        grey = np.rint(drawn * 255).astype(np.uint8)
        mask = replace(mask, image=np.dstack([grey] * 3), alpha=None)
    points = [point.model_copy(update={"x": point.x - x0, "y": point.y - y0}) for point in options.points]
    given = {"points": points} if points else {}
    subject = find(part, mask, options.model_copy(update=given), engines, trace)
    alpha = np.zeros((height, width), np.float32)
    alpha[y0:y1, x0:x1] = subject.alpha
    return replace(subject, alpha=alpha)
