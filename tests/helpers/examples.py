"""How many examples the longest tests take: all, or SHARE_OF_EXAMPLES of them where a benchmark has less time."""

import os


def share_of(count: int) -> int:
    return max(1, round(count * float(os.environ.get("SHARE_OF_EXAMPLES", "1"))))
