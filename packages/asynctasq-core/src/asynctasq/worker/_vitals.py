"""What can be seen of a worker from outside, by any thread, without stopping it.

Copying a set or the values of a dict is one step to other threads, so nothing here takes a lock.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from asynctasq.worker._job import Job
from asynctasq.worker._orders import Orders
from asynctasq.worker._report import Counts, Reporter
from asynctasq.worker._snapshot import (
    BackendState,
    BlockedLoop,
    QueueSnapshot,
    RunningTask,
    WorkerSnapshot,
)

_LONGEST: Final = 10
_NONE: Final = Counts()


class Backend:
    """Whether the backend answers, as fetching, settling and renewing find out."""

    def __init__(self) -> None:
        self.state: BackendState = "connecting"
        self.away_since = 0.0
        """By the monotonic clock."""

    def answered(self) -> None:
        """A call of the driver has returned."""
        self.state = "connected"

    def missed(self) -> None:
        """A call of the driver could not reach it, or its reply was lost."""
        if self.state != "away":
            self.away_since = time.monotonic()
            self.state = "away"


class Vitals:
    """Where the parts of a worker leave what they know, each from its own thread."""

    def __init__(self, orders: Orders, driver: str, report: Reporter) -> None:
        self.backend = Backend()
        self.alive: Collection[Job] = ()
        """Jobs that wait or run."""
        self.stops_at: float | None = None
        """Until when what runs may finish, by the monotonic clock."""
        self.blocked: tuple[str, float] | None = None
        """Which task keeps the main loop, and since when."""
        self._orders = orders
        self._driver = driver
        self._report = report
        self._began = time.monotonic()

    def snapshot(self) -> WorkerSnapshot:
        """What is so right now."""
        now = time.monotonic()
        alive = tuple(self.alive)
        running = sorted((job for job in alive if _runs(job)), key=lambda job: job.started)
        backend, stops_at, blocked = self.backend, self.stops_at, self.blocked
        return WorkerSnapshot(
            worker=self._orders.name,
            pid=os.getpid(),
            driver=self._driver,
            backend=backend.state,
            away_for=now - backend.away_since if backend.state == "away" else 0.0,
            concurrency=self._orders.concurrency,
            buffered=len(alive) - len(running),
            queues=self._queues(running),
            longest=tuple(_described(job, now) for job in running[:_LONGEST]),
            uptime=now - self._began,
            blocked=None if blocked is None else BlockedLoop(blocked[0], now - blocked[1]),
            stops_within=None if stops_at is None else max(0.0, stops_at - now),
        )

    def _queues(self, running: Sequence[Job]) -> tuple[QueueSnapshot, ...]:
        counts = self._report.counts
        at_work = Counter(job.delivery.queue for job in running)
        names = dict.fromkeys(self._orders.queues)
        return tuple(_counted(name, at_work[name], counts.get(name, _NONE)) for name in names)


def _counted(name: str, running: int, counts: Counts) -> QueueSnapshot:
    return QueueSnapshot(
        name=name,
        running=running,
        completed=counts.completed,
        failed=counts.failed,
        retried=counts.retried,
        dead=counts.dead,
    )


def _runs(job: Job) -> bool:
    """Whether it has begun and not ended: of an end, the I/O loop hears later."""
    return job.started > 0 and (job.running is None or not job.running.done())


def _described(job: Job, now: float) -> RunningTask:
    at = job.delivery
    return RunningTask(
        name=job.name,
        queue=at.queue,
        id=at.id,
        attempt=at.attempt,
        seconds=max(0.0, now - job.started),  # it may have begun meanwhile
    )
