"""A remote service as a segmenter: a reduced copy of the picture out, its alpha back, upsampled to full size.

The copy is encoded from the pixels alone, so nothing else of the file is sent: no EXIF, no location, no name.
"""

from collections.abc import Callable
from pkgutil import resolve_name

import cv2
import httpx
import numpy as np

from backend.cache.memoize import Arrays, Memoize, compute_always
from backend.contract.settings import Settings
from backend.engines.first_guess import FirstGuess
from backend.engines.remote.exchange import Exchange, ExchangeConfig
from backend.engines.remote.matte_of import RemoteMatte
from backend.images.arrays import Image, check_image
from backend.images.encode import encode_jpeg
from backend.images.guided_filter import guided_upsample
from backend.images.resize import rescale
from backend.weights.remote_services import REMOTE_SERVICES, address_of, require_key

MAX_SIDE_PX = 2048  # longer side of the copy that leaves this machine: at most 4.2 megapixels
MIN_SIDE_PX = 64  # shorter side of the copy: services refuse smaller pictures, so they are enlarged
QUALITY = 95  # of the JPEG
HEADERS = {"User-Agent": "mattemesh", "Accept-Encoding": "identity"}
SMALL_ANSWER = 0.8  # an answer below this share of the copy's height is a preview

# How a service is asked: the exchange, the key, the JPEG and its size (height, width).
Ask = Callable[[Exchange, str, bytes, tuple[int, int]], RemoteMatte]


class RemoteSegmenter:
    """Asks the service called `name`. It has no state: threads may share it."""

    device = "remote"

    def __init__(
        self,
        name: str,
        key: str,
        memoize: Memoize = compute_always,
        config: ExchangeConfig | None = None,
        transport: httpx.BaseTransport | None = None,
        address: str = "",
    ) -> None:
        self.name = name
        self._service = REMOTE_SERVICES[name]
        self._ask: Ask = resolve_name(self._service.ask)
        self.one_scale = f"each of the three views would cost a picture at {self._service.title}"
        self._key, self._memoize = key, memoize
        self._config, self._transport = config or ExchangeConfig(), transport
        self._address = address or self._service.address

    def predict(self, image: Image) -> FirstGuess:
        """Return the saliency of `image` ((H, W, 3) uint8 RGB), at its own size, and what it cost.

        Raises ValueError for a wrong array, ModelUnavailableError, OverloadedError and TimedOutError where the service
        gives no matte.
        """
        check_image(image)
        copy = copy_to_send(image)
        sent: list[RemoteMatte] = []

        def compute() -> Arrays:
            sent.append(self._send(copy))
            return (sent[0].alpha,)

        (alpha,) = self._memoize("segment", self.name, copy, compute)
        height, width = image.shape[:2]
        facts: dict[str, float | int | str | bool] = {
            "device": self.device,
            "service": self._service.title,
            "picture_left_this_machine": bool(sent),
            "sent_height": copy.shape[0],
            "sent_width": copy.shape[1],
            "answer_height": alpha.shape[0],
            "answer_width": alpha.shape[1],
        }
        if sent and sent[0].charged is not None:
            facts["credits_charged"] = sent[0].charged
        small = cv2.resize(image, (alpha.shape[1], alpha.shape[0]), interpolation=cv2.INTER_AREA)
        saliency = alpha if alpha.shape == (height, width) else guided_upsample(alpha, np.asarray(small), image)
        notes = () if alpha.any() else (f"{self._service.title} found nothing to cut out.",)
        return FirstGuess(saliency, notes, facts, self._remarks(bool(sent), copy, alpha.shape))

    def _send(self, copy: Image) -> RemoteMatte:
        with httpx.Client(transport=self._transport, headers=HEADERS) as client:
            exchange = Exchange(self._service, self._address, client, self._config)
            return self._ask(exchange, self._key, encode_jpeg(copy, QUALITY), (copy.shape[0], copy.shape[1]))

    def _remarks(self, sent: bool, copy: Image, answer: tuple[int, ...]) -> tuple[str, ...]:
        title, cost = self._service.title, self._service.cost
        if not sent:
            first = f"An earlier answer of {title} was used again; the picture did not leave this machine."
        else:
            first = f"The picture left this machine: {title} made this mask ({cost})."
        if answer[0] >= SMALL_ANSWER * copy.shape[0]:
            return (first,)
        return first, f"{title} answered with {answer[1]} × {answer[0]} pixels only, as for an account without credits."


def copy_to_send(image: Image) -> Image:
    """Return the copy of `image` that is sent: reduced by area, or enlarged where services would refuse it."""
    height, width = image.shape[:2]
    return rescale(image, min(MAX_SIDE_PX / max(height, width), max(1.0, MIN_SIDE_PX / min(height, width))))


def open_remote(name: str, settings: Settings, memoize: Memoize = compute_always) -> RemoteSegmenter:
    """Return the segmenter that asks the service called `name`. Raises ModelUnavailableError without a key for it."""
    return RemoteSegmenter(name, require_key(name, settings), memoize, address=address_of(name, settings))
