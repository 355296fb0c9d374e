"""Running jobs on the loop where users' code lives, and in threads beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextvars import copy_context
from inspect import isawaitable
from typing import Any

from asynctasq._text import plain
from asynctasq.codec import encode
from asynctasq.config import Config
from asynctasq.driver import Failure, Outcome, Release
from asynctasq.errors import PayloadError, WorkerLost
from asynctasq.tasks import (
    Client,
    CurrentTask,
    Runnable,
    current,
    dispatch_through,
    enter_attempt,
    enter_task,
)
from asynctasq.worker._decide import after_commit, after_error, after_success
from asynctasq.worker._job import Job, failure_of
from asynctasq.worker._mailbox import Mailbox
from asynctasq.worker._report import Reporter
from asynctasq.worker._slots import Ended
from asynctasq.worker._suspects import SECONDS_APART
from asynctasq.worker._threads import DaemonThreads
from asynctasq.worker._tray import Tray

logger = logging.getLogger("asynctasq.worker")


_ENDS_ALL = (KeyboardInterrupt, asyncio.CancelledError)
"""What code of users may raise to end more than itself. A SystemExit is an error like others."""


class Runner:
    """Runs each job in a fresh context; all of this happens on one loop, the main one."""

    def __init__(
        self,
        config: Config,
        tray: Tray,
        report: Reporter,
        ended: Mailbox[Ended],
        *,
        interruptible: bool,
    ) -> None:
        self._config = config
        self._tray = tray
        self._report = report
        self._ended = ended
        self._interruptible = interruptible
        """Whether a Ctrl-C may come as an error of what runs; not where signals are handled."""
        self._loop = asyncio.get_running_loop()
        # Not the context of whoever frees a slot: what a task sets there is its own.
        self._context = copy_context()
        self._hooks: set[asyncio.Task[None]] = set()
        self._threads = DaemonThreads()

    def dispatch_through(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        """What jobs dispatch goes through this client, on that loop."""
        self._context.run(dispatch_through, client, loop)

    def start(self, jobs: Sequence[Job]) -> None:
        """Run these, which have their places, and what can be run of those in the tray."""
        for job in jobs:
            self._begin(job)
        while (ready := self._tray.take()) is not None:
            self._begin(ready)

    def _begin(self, job: Job) -> None:
        job.running = self._loop.create_task(self._run(job), context=self._context.copy())

    def stop(self, jobs: Sequence[Job]) -> None:
        """The worker shuts down: cancel them, to be given back. What runs in a thread goes on."""
        for job in jobs:
            if not (job.is_thread or job.definition.in_process):
                job.stopping = True
                job.cancel()

    async def _run(self, job: Job) -> None:
        if not job.claim():  # given back meanwhile
            return
        try:
            job.load()
        except _ENDS_ALL:
            raise
        except BaseException as error:  # of its own __post_init__
            self._end(job, _unreadable(error))
            return
        self._report.started(job)
        outcome: Outcome
        try:
            outcome = self._after_success(job, await self._execute(job))
        except asyncio.CancelledError as error:
            outcome = self._after_cancel(job, error)
        except BaseException as error:
            outcome = self._after_error(job, error)
            if isinstance(error, KeyboardInterrupt) and self._interruptible:
                self._end(job, outcome)
                raise  # perhaps of somebody who interrupts the program around this worker
        self._end(job, outcome)

    def _end(self, job: Job, outcome: Outcome | PayloadError) -> None:
        self._ended.put((job, outcome))
        if (following := self._tray.follow()) is not None:  # no slot waits for the other loop
            self._begin(following)

    async def _execute(self, job: Job) -> Any:
        """Run the attempt, within its time-out; raises what it raises."""
        enter(job)
        if job.is_thread:
            # A thread cannot be stopped: its slot stays taken and its lease is renewed.
            answer = await self._threads.run(job.work.execute)
            # Of a plain function around a coroutine function: what it gave has not run yet.
            return await answer if isawaitable(answer) else answer
        enter_attempt(job)
        if job.envelope.timeout is None:
            return await job.work.execute()
        timer = self._loop.call_later(job.envelope.timeout, _time_out, job)
        try:
            return await job.work.execute()
        finally:
            timer.cancel()

    def _after_success(self, job: Job, value: object) -> Outcome:
        if job.transaction == "lost":
            return _given_up(job)
        stored: bytes | Failure = b""
        if job.envelope.store_result:
            stored = encoded_result(value)
        if job.transaction == "committed":
            return self._after_commit(job, stored)
        return after_success(job.delivery, job.envelope, stored, self._config.result_ttl)

    def _after_commit(self, job: Job, stored: bytes | Failure) -> Outcome:
        assert job.acknowledged is not None
        return after_commit(job.acknowledged, job.envelope, stored, self._config.result_ttl)

    def _after_cancel(self, job: Job, error: BaseException) -> Outcome:
        if job.stopping and job.transaction != "committed":
            return Release(job.delivery)
        if job.timed_out:
            error = TimeoutError(f"the attempt ran longer than {job.envelope.timeout} s")
        return self._after_error(job, error)

    def _after_error(self, job: Job, error: BaseException) -> Outcome:
        if job.transaction == "lost":
            return _given_up(job)
        if job.transaction == "committed":
            logger.error("task %s failed after its commit: it is completed", job, exc_info=error)
            return self._after_commit(job, _failed_since(error))
        job.error = error
        return after_error(
            job.delivery,
            job.envelope,
            failure_of(error),
            wanted=wants_retry(job.work, error),
            dead_ttl=self._config.dead_ttl,
        )

    def call_failed(self, jobs: Sequence[Job]) -> None:
        """Tell these tasks themselves that they are dead."""
        for job in jobs:
            hook = self._loop.create_task(_call_failed(job), context=self._context.copy())
            self._hooks.add(hook)
            hook.add_done_callback(self._hooks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for the hooks that run, for so long at most; then no more is to be run."""
        if self._hooks:
            await asyncio.wait(self._hooks, timeout=seconds)
        self._threads.close()


def enter(job: Job) -> None:
    """Let `asynctasq.current()` name this task, in this context."""
    at = job.delivery
    enter_task(CurrentTask(at.id, job.name, at.queue, at.attempt, job.correlation_id))


def encoded_result(value: object) -> bytes | Failure:
    """What is stored of a result: one that cannot be encoded fails no task."""
    try:
        return encode(value)
    except Exception as error:
        return Failure("ResultError", f"its result could not be stored: {error}")


def _given_up(job: Job) -> Outcome:
    """Of a task that somebody else has: nothing, unless it was handed out to this worker again."""
    return Release(job.delivery, SECONDS_APART)


def _failed_since(error: BaseException) -> Failure:
    """What is stored in place of a result."""
    failure = failure_of(error)
    text = f"the task failed after its transaction was committed: {failure.type}: {failure.text}"
    return Failure("ResultError", text, failure.traceback)


def _time_out(job: Job) -> None:
    """Its time is over: cancel it."""
    job.timed_out = True
    job.cancel()


def wants_retry(work: Runnable, error: BaseException) -> bool:
    """Ask the task. What it raises itself is logged, and means yes: nothing is lost by that."""
    if not isinstance(error, Exception):
        return True
    try:
        return bool(work.should_retry(error))
    except _ENDS_ALL:
        raise
    except BaseException:
        logger.exception("should_retry() of task %s failed", current())
        return True


def _unreadable(error: BaseException) -> PayloadError:
    if isinstance(error, PayloadError):
        return error
    return PayloadError(plain(f"the task cannot be made: {type(error).__qualname__}: {error}"))


async def _call_failed(job: Job) -> None:
    if not hasattr(job, "work") and not job.is_readable():
        return
    enter(job)
    error = job.error if isinstance(job.error, Exception) else WorkerLost(str(job.error or ""))
    try:
        answer = job.work.failed(error)
        if isawaitable(answer):
            await answer
    except _ENDS_ALL:
        raise
    except BaseException:
        logger.exception("failed() of task %s %s failed", job.name, job.delivery.id)
