"""When a worker that crashed may start again: at once, until it crashes too often; then after ever longer rests."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RestartPolicy:
    """How much crashing is borne. A deadline's kill is no crash."""

    crashes: int = 3  # so many within the window, and the worker rests
    window_s: float = 60.0
    first_rest_s: float = 5.0
    longest_rest_s: float = 60.0


@dataclass
class Restarts:
    """One worker's crashes; `now` is a monotonic time in seconds."""

    policy: RestartPolicy
    times: deque[float] = field(default_factory=deque)
    rests: int = 0  # in a row

    def crashed(self, now: float) -> float:
        """Take note of a crash and return how many seconds to rest before the next start.

        A worker that has stayed up for a whole window begins with a clean sheet.
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
