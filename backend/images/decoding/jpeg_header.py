"""A JPEG's marker segments, read without decoding: its size, and whether its scans are safe to decode.

Markers and segments follow ITU-T T.81, annex B. As in libjpeg, bytes that are not a marker are skipped.
"""

import re
from collections.abc import Iterator

from backend.contract.errors import ImageCorruptError

MAX_SEGMENTS = 10_000  # an ICC profile has up to 255, an extended XMP of 20 MiB about 300
MAX_SCANS = 100  # encoders write about 15 at most; each costs a pass over every block, however short it is

# Without 00 (a stuffed data byte), 01 and D0 to D7 (no segment follows them), FF (fill).
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, less DHT, JPG and DAC
_HUFFMAN_FRAMES = frozenset({0xC0, 0xC1, 0xC2})


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return the largest (height, width) that a frame header before the first scan announces.

    Raises ImageCorruptError without such a header.
    """
    height = width = 0
    for marker, start, _ in jpeg_segments(data):
        if marker == _SOS:
            break
        if marker in _FRAMES and start + 5 <= len(data):
            height = max(height, int.from_bytes(data[start + 1 : start + 3], "big"))
            width = max(width, int.from_bytes(data[start + 3 : start + 5], "big"))
    if not height or not width:
        raise ImageCorruptError("The picture's header gives no size.")
    return height, width


def check_jpeg_scans(data: bytes, height: int, width: int) -> None:
    """Raise ImageCorruptError for a JPEG whose few bytes would cost hours of decoding.

    Every scan of a progressive file is a pass over all its blocks, and a decoder fills missing blocks with grey.
    """
    scans = coded_bytes = scan_start = 0
    huffman = True
    for marker, start, end in jpeg_segments(data):
        if scan_start:
            coded_bytes += start - scan_start
            scan_start = 0
        if marker in _FRAMES:
            huffman = marker in _HUFFMAN_FRAMES
        elif marker == _SOS:
            scans += 1
            scan_start = end
            if scans > MAX_SCANS:
                raise ImageCorruptError("The picture has too many scans.", limit=MAX_SCANS)
    if scan_start:
        coded_bytes += max(len(data) - scan_start, 0)
    # A Huffman-coded block takes at least one bit in the scan of its DC value. Half of that is required, because the
    # finest component may be halved along one side.
    blocks = -(-height // 8) * -(-width // 8)
    if huffman and coded_bytes * 16 < blocks:
        raise ImageCorruptError("The picture's data end long before its announced size is filled.")


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment's body up to the end of the image; the body may be cut short."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            return
        marker, start = found[1][0], found.end() + 2
        position = found.end()
        if marker == _SOI:
            continue
        if marker == _EOI:
            yield marker, start, start
            return
        length = int.from_bytes(data[found.end() : start], "big")
        if length < 2:
            raise ImageCorruptError("The picture has a segment without a length.")
        position = found.end() + length
        yield marker, start, position
    raise ImageCorruptError("The picture has too many segments.", limit=MAX_SEGMENTS)
