"""Deliveries of what this worker has, or had: they begin no run, or only after the one that is."""

from __future__ import annotations

import logging
from collections.abc import Callable

from asynctasq.driver import Ack, Delivery, Outcome, Release
from asynctasq.worker._finished import Finished
from asynctasq.worker._job import Job
from asynctasq.worker._later import Key, Later, key_of

logger = logging.getLogger("asynctasq.worker")


class Again:
    """Looks at what is handed out, beside the jobs that are ``held``, and at what ended."""

    def __init__(self, held: dict[Key, Job], settle: Callable[[Outcome], None]) -> None:
        self._held = held
        self._settle = settle
        self._finished = Finished()
        self.later = Later()

    def takes(self, delivery: Delivery, now: float) -> bool:
        """Whether this is such a delivery; then nothing is left to do for it."""
        if (here := self._held.get(key_of(delivery))) is not None:
            self._meet(here, delivery, now)
            return True
        return delivery.origin is not None and self._is_over(delivery, delivery.origin, now)

    def _meet(self, here: Job, delivery: Delivery, now: float) -> None:
        if here.can_adopt(delivery):
            if outcome := here.adopt(delivery, now):
                self._settle(outcome)
        else:
            self.later.put(delivery, now)

    def _is_over(self, delivery: Delivery, origin: str, now: float) -> bool:
        """Whether this attempt has run here, or one after it."""
        if job := self._finished.take_owed(origin, delivery.attempt):
            self._held[key_of(delivery)] = job
            if outcome := job.adopt(delivery, now):
                self._settle(outcome)
            job.superseded.clear()  # lost, all of them
            return True
        if self._finished.is_over(origin, delivery.attempt):
            logger.info("task %s came again although it has ended here: dropped", delivery.ref)
            self._settle(Ack(delivery))
            return True
        if delivery.attempt > 1:  # it exists because the one before has ended, here or elsewhere
            self._finished.note(origin, delivery.attempt - 1)
        return False

    def settled(self, job: Job, outcome: Outcome, lost: bool) -> None:
        """Remember how it ended, and remove what it does not stand on."""
        delivery = job.delivery
        if delivery.origin is None:
            return
        if not isinstance(outcome, Release):
            self._finished.note(delivery.origin, delivery.attempt, job if lost else None)
        if not lost:
            for copy in job.superseded:
                self._settle(Ack(copy))

    def give_back(self) -> None:
        """What waits for a run to end; not what waits for an outcome, which says what it is."""
        for key, job in self._held.items():
            if job.outcome is None:
                for waiting in self.later.take(key):
                    self._settle(Release(waiting.delivery))
