"""What both loops of a worker share: places to run in, and the jobs that are ready for them.

Each side takes a place, then a job, without a lock: ``deque.pop`` is atomic, so that a place is
never given twice and a job never started twice, nor started and given back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from asynctasq.worker._job import Job


class Places:
    """As many as tasks may run at once."""

    def __init__(self, count: int) -> None:
        self._free = deque([None] * count)

    def take(self) -> bool:
        """Take one, if one is free."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def free(self) -> None:
        """Give one back."""
        self._free.append(None)


class Tray:
    """Jobs of one kind that wait for a place."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._ready: deque[Job] = deque()

    def put(self, job: Job) -> None:
        """Let a job wait for a place."""
        self._ready.append(job)

    def take(self) -> Job | None:
        """The job that can start now; it has its place. None: no job, or no place for one."""
        if not self._ready or not self._places.take():
            return None
        return self.follow()

    def follow(self) -> Job | None:
        """The job that starts in a place just left; None: none waits, and the place is free."""
        try:
            return self._ready.popleft()
        except IndexError:
            self._places.free()
            return None

    def waiting_since(self) -> float:
        """When the first of those that wait came; infinity: none waits."""
        try:
            return self._ready[0].since
        except IndexError:
            return float("inf")

    def withdraw(self, job: Job) -> bool:
        """Take a job out again; False if it has started."""
        try:
            self._ready.remove(job)
        except ValueError:
            return False
        return True

    def empty(self) -> Iterator[Job]:
        """All that wait, taken out."""
        while self._ready:
            try:
                yield self._ready.popleft()
            except IndexError:
                return
