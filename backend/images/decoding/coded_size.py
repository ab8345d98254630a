"""The size that a coded picture announces to its own decoder, AV1 or HEVC, which makes room for it.

An AVIF or HEIC has a second size beside the one of its boxes, and only the smaller of two claims may be a lie.
"""

from collections.abc import Iterator

from backend.images.decoding.bits import Bits

_SEQUENCE_HEADER = 1  # AV1's type of OBU
_SPS = 33  # HEVC's type of NAL unit, a sequence parameter set
_SPS_BYTES = 256  # of a set: its size stands in the first 100
MAX_UNITS = 100_000  # in a file: a large photo has a few for each of its hundred tiles


def av1_sizes(data: bytes) -> Iterator[tuple[int, int] | None]:
    """Yield (height, width) of each sequence header in the OBUs of `data`, None for every other OBU."""
    position = 0
    while position < len(data):
        head = data[position]
        position += 2 if head & 4 else 1  # an extension byte follows
        size = len(data) - position
        if head & 2:
            size, position = _leb128(data, position)
        is_header = head >> 3 & 15 == _SEQUENCE_HEADER
        yield _av1_size(data[position : position + min(size, 512)]) if is_header else None
        position += size


def hevc_sizes(data: bytes, length_bytes: int) -> Iterator[tuple[int, int] | None]:
    """Yield (height, width) of each parameter set among the NAL units of `data`, None for every other unit.

    Each unit follows its length, of `length_bytes`.
    """
    position = 0
    while position + length_bytes < len(data):
        size = int.from_bytes(data[position : position + length_bytes], "big")
        position += length_bytes
        yield hevc_size(data[position : position + size]) if data[position] >> 1 & 63 == _SPS else None
        position += size


def hevc_size(unit: bytes) -> tuple[int, int]:
    """Return (height, width) of a sequence parameter set (ITU-T H.265, 7.3.2.2), a NAL unit with its header."""
    bits = Bits(unit[2:_SPS_BYTES].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    sub_layers = bits.take(3)
    bits.take(1 + 88 + 8)  # profile, tier and level
    present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.exp_golomb()  # the set's number
    if bits.exp_golomb() == 3:  # chroma in full: whether its planes are coded apart
        bits.take(1)
    width = bits.exp_golomb()
    return bits.exp_golomb(), width


def _av1_size(header: bytes) -> tuple[int, int]:
    """Return (height, width) of a sequence header (AV1 bitstream, 5.5.1)."""
    bits = Bits(header)
    bits.take(4)
    if bits.take(1):  # reduced, for a still picture
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    width = bits.take(width_bits) + 1
    return bits.take(height_bits) + 1, width


def _skip_operating_points(bits: Bits) -> None:
    delay_bits = 0  # 0: no decoder model
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):
            bits.exp_golomb()
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_delay and bits.take(1):
            bits.take(4)


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at `position` and where it ends."""
    value = 0
    for index, byte in enumerate(data[position : position + 8]):
        value |= (byte & 127) << 7 * index
        if not byte & 128:
            return value, position + index + 1
    return value, min(position + 8, len(data))
