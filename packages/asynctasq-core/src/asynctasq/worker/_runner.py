"""The slots of a worker: which job runs, which waits, and what became of each."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import TypeAlias

from asynctasq.codec import encode
from asynctasq.config import Config
from asynctasq.driver import Delivery, Failure, Outcome, Release
from asynctasq.errors import AsyncTasQError
from asynctasq.worker._decide import after_error, after_success, after_unreadable, before_run
from asynctasq.worker._job import Job, failure_of
from asynctasq.worker._report import Reporter
from asynctasq.worker._unreadable import FirstSeen

logger = logging.getLogger("asynctasq.worker")
Key: TypeAlias = tuple[str, int]


def _key(delivery: Delivery) -> Key:
    """Queue and id; the id as a number, as a UUID is hashed in Python code."""
    return delivery.queue, delivery.id.int


class Runner:
    """Runs up to ``concurrency`` jobs; each ends as an outcome that is handed to ``settle``."""

    def __init__(
        self,
        config: Config,
        concurrency: int,
        settle: Callable[[Outcome], None],
        report: Reporter,
    ) -> None:
        self.held: dict[Key, Job] = {}
        """Every job from its hand-out until it is settled: all of these need their lease."""
        self.room = asyncio.Event()
        """Set when there is a use for more deliveries."""
        self._config = config
        self._concurrency = concurrency
        self._settle = settle
        self._report = report
        self._buffer: deque[Job] = deque()
        self._running: set[Job] = set()
        self._unreadable = FirstSeen()
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self.room.set()

    def wanted(self) -> int:
        """How many deliveries there is a use for: free slots, and a batch to follow."""
        return 2 * self._concurrency - len(self._running) - len(self._buffer)

    def accept(self, deliveries: Iterable[Delivery]) -> None:
        """Take over deliveries: run, buffer, or adopt what runs here already."""
        for delivery in deliveries:
            key = _key(delivery)
            job = self.held.get(key)
            if job is None:
                job = self.held[key] = Job(delivery)
                self._buffer.append(job)
            elif outcome := job.adopt(delivery):
                self._settle(outcome)
        self._fill()

    def _fill(self) -> None:
        while self._buffer and len(self._running) < self._concurrency:
            self._start(self._buffer.popleft())
        if self.wanted() >= max(1, self._concurrency // 2):
            self.room.set()
        else:
            self.room.clear()

    def _start(self, job: Job) -> None:
        if dead := before_run(job.delivery, self._config.max_losses, self._config.dead_ttl):
            self._end(job, dead)
            return
        try:
            job.load()
        except AsyncTasQError as error:
            self._end(job, self._after_unreadable(job, error))
            return
        self._running.add(job)
        # Not the context of whoever frees the slot: what a task sets there is its own.
        job.running = self._loop.create_task(self._run(job), context=self._context.copy())

    def _after_unreadable(self, job: Job, error: Exception) -> Outcome:
        seen_for = self._unreadable.seconds(job.delivery.ref)
        config = self._config
        if seen_for == 0:
            logger.warning("cannot read task %s: %s", job.delivery.ref, error)
        return after_unreadable(
            job.delivery, Failure.of(error), seen_for, config.unknown_task_grace, config.dead_ttl
        )

    async def _run(self, job: Job) -> None:
        self._report.started(job)
        try:
            outcome = self._after_success(job, await job.execute())
        except asyncio.CancelledError as error:
            outcome = self._after_cancel(job, error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome = self._after_error(job, error)
        self._running.discard(job)
        self._end(job, outcome)
        self._fill()

    def _after_success(self, job: Job, value: object) -> Outcome:
        stored: bytes | Failure = b""
        if job.envelope.store_result:
            try:
                stored = encode(value)
            except Exception as error:
                stored = Failure("ResultError", f"its result could not be stored: {error}")
        return after_success(job.delivery, job.envelope, stored, self._config.result_ttl)

    def _after_cancel(self, job: Job, error: BaseException) -> Outcome:
        if job.stopping:
            return Release(job.delivery)
        if job.timed_out:
            error = TimeoutError(f"the attempt ran longer than {job.envelope.timeout} s")
        return self._after_error(job, error)

    def _after_error(self, job: Job, error: BaseException) -> Outcome:
        job.error = error
        return after_error(
            job.delivery,
            job.envelope,
            failure_of(error),
            wanted=job.wants_retry(error),
            dead_ttl=self._config.dead_ttl,
        )

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.outcome = outcome
        self._settle(outcome)

    def settled(self, outcomes: Sequence[Outcome], lost: Sequence[Delivery]) -> None:
        """The backend has them: let the jobs go, and tell what happened."""
        fenced = {(_key(delivery), delivery.receipt) for delivery in lost}
        for outcome in outcomes:
            key, receipt = _key(outcome.delivery), outcome.delivery.receipt
            job = self.held.get(key)
            if job is None or job.delivery.receipt != receipt:
                continue  # adopted anew since: that receipt is settled by itself
            del self.held[key]
            if fenced and (key, receipt) in fenced:
                logger.warning("the lease of task %s was lost before it was settled", job)
            else:
                self._report.settled(job, outcome)

    def lost(self, delivery: Delivery) -> None:
        """The backend says that this lease is somebody else's now."""
        key = _key(delivery)
        job = self.held.get(key)
        if job is None or job.delivery.receipt != delivery.receipt or job.outcome is not None:
            return
        if job.running is not None:
            logger.warning("the lease of task %s was lost while it ran", job)
            return
        logger.warning("the lease of task %s was lost before it began: not run here", delivery.ref)
        self._buffer.remove(job)
        del self.held[key]
        self._fill()

    def release_buffer(self) -> None:
        """Give back what has not started."""
        while self._buffer:
            job = self._buffer.popleft()
            self._end(job, Release(job.delivery))

    async def finished(self, seconds: float) -> None:
        """Wait for what runs; then cancel it and give it back. Threads are left to their lease."""
        running = {job.running for job in self._running if job.running is not None}
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for job in tuple(self._running):
                job.stop()
            if late:
                await asyncio.wait(late, timeout=self._config.stop_grace)
