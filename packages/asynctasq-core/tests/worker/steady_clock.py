"""A clock that no pause of the process moves."""

from __future__ import annotations

import threading
import time


class SteadyClock:
    """Stands still while the whole process does, so that no lease ends by that alone.

    A renewal that is overdue after such a pause comes before the end of its lease, as it does where
    the backend is elsewhere and the pause is short beside a lease.
    """

    _EVERY = 0.005
    _MOST = 0.02
    """Seconds that pass from one tick to the next, however long it took."""

    def __init__(self) -> None:
        self._seconds = time.monotonic()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="steady-clock", daemon=True)
        self._thread.start()

    def __call__(self) -> float:
        return self._seconds

    def _tick(self) -> None:
        before = time.monotonic()
        while not self._ends.wait(self._EVERY):
            now = time.monotonic()
            self._seconds += min(now - before, self._MOST)
            before = now

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
