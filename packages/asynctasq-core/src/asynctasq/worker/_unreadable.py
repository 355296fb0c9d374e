"""Since when this worker has seen a task that it cannot read."""

from __future__ import annotations

import time

from asynctasq.driver import TaskRef

_MOST = 10_000


class FirstSeen:
    """Remembers up to 10,000 tasks; one that falls out is new when it comes again."""

    def __init__(self) -> None:
        self._seen: dict[TaskRef, float] = {}

    def seconds(self, ref: TaskRef) -> float:
        """How long ago this one was seen first."""
        now = time.monotonic()
        first = self._seen.setdefault(ref, now)
        if len(self._seen) > _MOST:
            del self._seen[next(iter(self._seen))]
        return now - first
