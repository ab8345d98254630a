"""A GIF's blocks (GIF89a) in, the size of its first picture and the number of its pictures out."""

from backend.contract.errors import ImageCorruptError

MAX_FRAMES = 1000  # counted; more are told as so many
MAX_BLOCKS = 200_000
_EXTENSION, _PICTURE = 0x21, 0x2C


def read_gif_header(data: bytes) -> tuple[int, int, int]:
    """Return (height, width, frames): the screen, or more where the first picture reaches beyond it.

    Raises ImageCorruptError without a picture.
    """
    if len(data) < 13:
        raise ImageCorruptError("The picture's header is broken.")
    width, height = _little(data, 6), _little(data, 8)
    position, frames = 13 + _table_bytes(data[10]), 0
    for _ in range(MAX_BLOCKS):
        kind = data[position : position + 1]
        if kind == bytes([_EXTENSION]):
            position = _after_blocks(data, position + 2)
        elif kind == bytes([_PICTURE]) and position + 10 <= len(data):
            if not frames:
                width = max(width, _little(data, position + 1) + _little(data, position + 5))
                height = max(height, _little(data, position + 3) + _little(data, position + 7))
            frames += 1
            if frames == MAX_FRAMES:
                break
            position = _after_blocks(data, position + 11 + _table_bytes(data[position + 9]))
        else:
            break
    if not frames or not width or not height:
        raise ImageCorruptError("The picture's header gives no size.")
    return height, width, frames


def _table_bytes(flags: int) -> int:
    """Return how long the colour table is that `flags` announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    """Return where the chain of blocks that begins at `position` ends."""
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def _little(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 2], "little")
