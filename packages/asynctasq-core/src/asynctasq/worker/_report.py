"""What a worker tells of its tasks: events after the fact, counts, and the ``failed`` hook."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from typing import TypedDict
from uuid import UUID

from asynctasq.driver import Ack, DeadLetter, Outcome, Release, Retry
from asynctasq.errors import AsyncTasQError, WorkerLost
from asynctasq.events import (
    EventBus,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReenqueued,
    TaskStarted,
)
from asynctasq.worker._job import Job

logger = logging.getLogger("asynctasq.worker")


class _Fields(TypedDict):
    at: float
    id: UUID
    task: str
    queue: str
    attempt: int
    correlation_id: str | None
    worker: str | None


class Reporter:
    """Counts and tells. Nothing here can fail a task."""

    def __init__(self, bus: EventBus, worker: str) -> None:
        self.completed = 0
        self.failed = 0
        """Failed attempts."""
        self._bus = bus
        self._worker = worker
        self._hooks: set[asyncio.Task[None]] = set()

    def started(self, job: Job) -> None:
        """An attempt begins."""
        job.started = time.perf_counter()
        if self._bus.wants(TaskStarted):
            self._bus.emit(TaskStarted(deliveries=job.delivery.deliveries, **self._fields(job)))

    def settled(self, job: Job, outcome: Outcome) -> None:
        """The backend holds what became of it."""
        seconds = time.perf_counter() - job.started if job.started else 0.0
        match outcome:
            case Ack():
                self.completed += 1
                if self._bus.wants(TaskCompleted):
                    self._bus.emit(TaskCompleted(seconds=seconds, **self._fields(job)))
            case Retry(delay=delay):
                self._failed(job, outcome, seconds)
                self._bus.emit(TaskReenqueued(delay=delay, **self._fields(job)))
            case DeadLetter():
                readable = job.started > 0 or _load(job)
                self._failed(job, outcome, seconds)
                if readable:
                    self._call_hook(job)
            case Release(delay=delay):
                if job.stopping:
                    self._bus.emit(TaskCancelled(reason="shutdown", **self._fields(job)))
                self._bus.emit(TaskReenqueued(delay=delay, **self._fields(job)))

    def _failed(self, job: Job, outcome: Retry | DeadLetter, seconds: float) -> None:
        self.failed += 1
        if job.timed_out:
            self._bus.emit(TaskCancelled(reason="timeout", **self._fields(job)))
        self._bus.emit(
            TaskFailed(
                final=isinstance(outcome, DeadLetter),
                error_type=outcome.failure.type,
                error=outcome.failure.text,
                seconds=seconds,
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

    def _call_hook(self, job: Job) -> None:
        """Tell the task itself that it is dead."""
        hook = asyncio.ensure_future(_call_failed(job))
        self._hooks.add(hook)
        hook.add_done_callback(self._hooks.discard)

    async def hooks_done(self, seconds: float) -> None:
        """Wait for the hooks that run, for so long at most."""
        if self._hooks:
            await asyncio.wait(self._hooks, timeout=seconds)


def _load(job: Job) -> bool:
    """Read a task that died unread; False where that cannot be."""
    try:
        job.load()
    except AsyncTasQError:
        return False
    return True


async def _call_failed(job: Job) -> None:
    job.enter()
    error = job.error if isinstance(job.error, Exception) else WorkerLost(str(job.error or ""))
    try:
        answer = job.work.failed(error)
        if inspect.isawaitable(answer):
            await answer
    except Exception:
        logger.exception("failed() of task %s %s failed", job.name, job.delivery.id)
