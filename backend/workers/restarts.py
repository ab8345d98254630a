"""Restart back-off: a crashed worker restarts at once, until it crashes too often; then its rests double."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RestartPolicy:
    """Limits of crashes and rests. A kill at a deadline does not count as a crash."""

    crashes: int = 3  # the worker rests after this many crashes within the window
    window_s: float = 60.0  # sliding window over which crashes count
    first_rest_s: float = 5.0  # length of the first rest; it doubles with each further one in a row
    longest_rest_s: float = 60.0  # upper bound of a rest


@dataclass
class Restarts:
    """One worker's crashes; `now` is a monotonic time in seconds."""

    policy: RestartPolicy
    times: deque[float] = field(default_factory=deque)
    rests: int = 0  # in a row

    def crashed(self, now: float) -> float:
        """Record a crash and return the seconds to rest before the next start.

        A worker that stayed up for a whole window starts with a clean record.
        """
        policy = self.policy
        if self.times and now - self.times[-1] > policy.window_s + self._rest():
            self.times.clear()
            self.rests = 0
        self.times.append(now)
        while self.times[0] < now - policy.window_s:
            self.times.popleft()
        if self.rests == 0 and len(self.times) < policy.crashes:
            return 0.0
        self.rests += 1
        return self._rest()

    def _rest(self) -> float:
        if self.rests == 0:
            return 0.0
        return float(min(self.policy.first_rest_s * 2 ** min(self.rests - 1, 20), self.policy.longest_rest_s))
