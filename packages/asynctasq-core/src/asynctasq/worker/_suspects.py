"""Tasks that may kill their worker: one at a time, so that none takes another down with it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Final

from asynctasq.worker._job import Job

SUSPECT: Final = 2
"""Losses from which on a task runs beside no other such."""
SECONDS_APART: Final = 1.0
"""After which a task with losses that found no place is handed out again."""


class Suspects:
    """The one with two losses or more that runs here, or is about to.

    A third loss is the end of a task: so no other may even be held when it starts, be it to be
    given back; nor be fetched just then, as what was lost together is due together.
    """

    def __init__(self, alive: Collection[Job]) -> None:
        self._alive = alive
        self._last: Job | None = None
        self._waits = False
        """It starts when the others that came with it are given back."""

    def is_free(self) -> bool:
        """Whether none waits or runs."""
        return not any(is_suspect(job) for job in self._alive)

    def begin(self, job: Job, held: Iterable[Job]) -> bool:
        """This is the one; False: not before others are given back."""
        self._last = job
        self._waits = self._are_given_back(held)
        return not self._waits

    def start_now(self, held: Iterable[Job]) -> Job | None:
        """The one that waited, once nothing is in its way."""
        if not self._waits or self._last is None or self._are_given_back(held):
            return None
        self._waits = False
        return self._last

    def withdraw(self, job: Job) -> bool:
        """Whether it has waited; it will not start."""
        waited = self._waits and job is self._last
        if waited:
            self._waits = False
        return waited

    def want_to_be_alone(self) -> bool:
        """Whether nothing is to be fetched for a moment."""
        if self._last is None or self._last not in self._alive:
            return False
        return self._waits or time.monotonic() - self._last.since < SECONDS_APART

    def _are_given_back(self, held: Iterable[Job]) -> bool:
        """Whether others such are here still, on their way back."""
        return any(is_suspect(job) and job not in self._alive for job in held)


def is_suspect(job: Job) -> bool:
    """Whether it has taken down two workers or more."""
    return job.delivery.losses >= SUSPECT
