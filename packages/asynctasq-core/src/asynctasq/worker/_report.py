"""What a worker tells of its tasks: events after the fact, counts, and the ``failed`` hook."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import suppress
from typing import TypedDict
from uuid import UUID

from asynctasq.driver import Ack, DeadLetter, Outcome, Release, Retry
from asynctasq.errors import PayloadError
from asynctasq.events import (
    EventBus,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReenqueued,
    TaskStarted,
)
from asynctasq.worker._job import Job
from asynctasq.worker._mailbox import Mailbox


class _Fields(TypedDict):
    at: float
    id: UUID
    task: str
    queue: str
    attempt: int
    correlation_id: str | None
    worker: str | None


class Counts:
    """What became of the tasks of one queue."""

    __slots__ = ("completed", "dead", "failed", "retried")

    def __init__(self) -> None:
        self.completed = self.failed = self.retried = self.dead = 0


class Reporter:
    """Counts and tells. Nothing here can fail a task."""

    bus: EventBus
    """Where it tells; given before anything happens."""

    def __init__(self, worker: str) -> None:
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        """By queue. Any thread may read, and see a number that is a moment old."""
        self.dead: Mailbox[Job] | None = None
        """Where jobs go whose ``failed`` is to be called."""
        self._worker = worker

    @property
    def completed(self) -> int:
        """Tasks completed."""
        return sum(queue.completed for queue in tuple(self.counts.values()))

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return sum(queue.failed for queue in tuple(self.counts.values()))

    def started(self, job: Job) -> None:
        """An attempt begins."""
        job.started = time.monotonic()
        if self.bus.wants(TaskStarted):
            self.bus.emit(TaskStarted(deliveries=job.delivery.deliveries, **self._fields(job)))

    def settled(self, job: Job, outcome: Outcome) -> None:
        """The backend holds what became of it."""
        match outcome:
            case Ack():
                self.counts[job.delivery.queue].completed += 1
                if self.bus.wants(TaskCompleted):
                    self.bus.emit(TaskCompleted(seconds=job.ran, **self._fields(job)))
            case Retry(delay=delay):
                self.counts[job.delivery.queue].retried += 1
                self._failed(job, outcome)
                self.bus.emit(TaskReenqueued(delay=delay, **self._fields(job)))
            case DeadLetter():
                self.counts[job.delivery.queue].dead += 1
                if not job.started:  # nothing of it was decoded before it was settled
                    with suppress(PayloadError):
                        job.read()
                self._failed(job, outcome)
                if self.dead is not None:
                    self.dead.put(job)
            case Release(delay=delay):
                if job.stopping:
                    self.bus.emit(TaskCancelled(reason="shutdown", **self._fields(job)))
                self.bus.emit(TaskReenqueued(delay=delay, **self._fields(job)))

    def _failed(self, job: Job, outcome: Retry | DeadLetter) -> None:
        self.counts[job.delivery.queue].failed += 1
        if job.timed_out:
            self.bus.emit(TaskCancelled(reason="timeout", **self._fields(job)))
        self.bus.emit(
            TaskFailed(
                final=isinstance(outcome, DeadLetter),
                error_type=outcome.failure.type,
                error=outcome.failure.text,
                seconds=job.ran,
                **self._fields(job),
            )
        )

    def _fields(self, job: Job) -> _Fields:
        return _Fields(
            at=time.time(),
            id=job.delivery.id,
            task=job.name,
            queue=job.delivery.queue,
            attempt=job.delivery.attempt,
            correlation_id=job.correlation_id,
            worker=self._worker,
        )
