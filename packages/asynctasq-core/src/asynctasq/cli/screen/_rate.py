"""How many tasks a second, from a count that is looked at every now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

BARS: Final = 30
SECONDS_A_BAR: Final = 2.0
_OVER: Final = 5.0


class Rate:
    """Of the last seconds as a number, of the last minute as bars."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()
        self._bars: deque[int] = deque([0] * (BARS + 1), maxlen=BARS + 1)
        self._bar = 0

    def note(self, now: float, total: int) -> None:
        """So many it were in all, at that time of the monotonic clock."""
        before = self._looks[-1][1] if self._looks else total
        self._looks.append((now, total))
        while len(self._looks) > 2 and self._looks[1][0] <= now - _OVER:
            self._looks.popleft()
        bar = int(now // SECONDS_A_BAR)
        for _ in range(min(bar - self._bar, BARS + 1)):
            self._bars.append(0)
        self._bar = bar
        self._bars[-1] += max(0, total - before)

    def per_second(self) -> float:
        """Over the last five seconds."""
        if len(self._looks) < 2:
            return 0.0
        (since, before), (now, total) = self._looks[0], self._looks[-1]
        return max(0, total - before) / (now - since) if now > since else 0.0

    def bars(self) -> Sequence[int]:
        """Of two seconds each, the newest last; the one that still grows is not among them."""
        return tuple(self._bars)[:-1]
