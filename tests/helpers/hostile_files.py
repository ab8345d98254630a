"""The hostile files of a script beside the checkout, without most of the work that it takes to compress their zeros.

Their bombs are refused for what their heads claim, so the pixels behind a head may stop early: a reader that begins to
decode one gives another answer than the expected one.
"""

import runpy
import subprocess
import sys
import zlib
from pathlib import Path

DECODED_BYTES = 1_000_000  # of the pixels of each PNG


def make_hostile_files(script: Path, folder: Path) -> None:
    """Run `script`, which writes its files into `folder`, in a process of its own."""
    subprocess.run([sys.executable, __file__, script, folder], check=True, stdout=subprocess.DEVNULL)


class _Beginning:
    """A zlib.compressobj for the first DECODED_BYTES alone."""

    def __init__(self, level: int) -> None:
        del level
        self._zlib, self._left = _compressobj(1), DECODED_BYTES

    def compress(self, data: bytes) -> bytes:
        if self._left <= 0:
            return b""
        self._left -= len(data)
        return self._zlib.compress(data)

    def flush(self) -> bytes:
        return self._zlib.flush()


if __name__ == "__main__":
    _compressobj, _compress = zlib.compressobj, zlib.compress
    zlib.compressobj = _Beginning  # type: ignore[assignment]
    zlib.compress = lambda data, level=1: _compress(data, 1)  # type: ignore[assignment,misc]
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
