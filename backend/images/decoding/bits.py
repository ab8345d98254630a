"""A string of bits in, numbers out: what the headers of video codecs are written in."""


class Bits:
    """Reads `data` from its first bit on. Beyond the end every bit is 0, so that a broken header ends by its values."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next `count` bits as a number."""
        self._left -= count
        shifted = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return shifted & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """Return the next number in the Exp-Golomb code, at most 2^32 - 2 (ITU-T H.265, 9.2)."""
        zeros = 0
        while zeros < 32 and self._left > 0 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
