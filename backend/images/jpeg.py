"""A finished image -> JPEG bytes, without metadata."""

import cv2

from backend.images.arrays import Image, check_image


def encode_jpeg(image: Image, quality: int) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) as a JPEG of `quality` 1 to 100. Raises ValueError for anything else."""
    check_image(image)
    if not 1 <= quality <= 100:
        raise ValueError(f"a JPEG's quality is 1 to 100, not {quality}")
    # Colours at full resolution from 90 on: at half of it red edges on a plain ground fray.
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if quality >= 90 else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    how = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), how)
    if not done:
        raise RuntimeError("the JPEG encoder gave up")
    result: bytes = encoded.tobytes()
    return result
