"""What this worker cannot read: since when it has seen it, and what becomes of it."""

from __future__ import annotations

import logging
import time

from asynctasq.config import Config
from asynctasq.driver import Failure, Outcome, TaskRef
from asynctasq.errors import PayloadError
from asynctasq.worker._decide import after_unreadable
from asynctasq.worker._job import Job

logger = logging.getLogger("asynctasq.worker")
_MOST = 10_000


class Unreadable:
    """Gives back, ever later, what cannot be run here; logs it once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seen = FirstSeen()

    def outcome(self, job: Job, error: PayloadError) -> Outcome:
        """What becomes of it."""
        seen_for = self._seen.seconds(job.delivery.ref)
        config = self._config
        if seen_for == 0:
            logger.warning("task %s is given back, as it cannot be run here: %s", job, error)
        return after_unreadable(
            job.delivery, Failure.of(error), seen_for, config.unknown_task_grace, config.dead_ttl
        )


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
