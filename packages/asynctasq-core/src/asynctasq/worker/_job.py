"""One delivery in this worker: from its bytes to what became of it."""

from __future__ import annotations

import asyncio
import logging
import time
from inspect import isawaitable
from typing import Any

import msgspec

from asynctasq.codec import Envelope, decode_envelope
from asynctasq.driver import Delivery, Failure, Outcome
from asynctasq.errors import PayloadError
from asynctasq.tasks import TASKS, CurrentTask, Runnable, enter_task
from asynctasq.worker._leases import renew_time
from asynctasq.worker._threads import in_daemon_thread

logger = logging.getLogger("asynctasq.worker")


class Job:
    """A delivery that is held, waits for a slot, or runs."""

    __slots__ = (
        "correlation_id",
        "delivery",
        "envelope",
        "error",
        "in_thread",
        "name",
        "outcome",
        "renew_at",
        "running",
        "started",
        "stopping",
        "timed_out",
        "work",
    )

    envelope: Envelope
    """This and ``work`` are there once it was loaded."""
    work: Runnable

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.renew_at = renew_time(delivery, time.monotonic())
        self.name = "unknown"
        self.correlation_id: str | None = None
        self.in_thread = False
        self.running: asyncio.Task[None] | None = None
        self.started = 0.0
        self.timed_out = False
        self.stopping = False
        self.error: BaseException | None = None
        self.outcome: Outcome | None = None

    def load(self) -> None:
        """Decode it; raises `PayloadError` for what this process cannot read or does not know."""
        self.envelope = envelope = decode_envelope(self.delivery.body)
        self.name, self.correlation_id = envelope.task, envelope.correlation_id
        definition = TASKS.get(envelope.task)
        if definition.in_process:
            raise PayloadError(
                f"task {envelope.task!r} runs in a child process: not in this worker"
            )
        self.in_thread = not definition.is_async
        self.work = definition.load(envelope.args)

    def adopt(self, delivery: Delivery) -> Outcome | None:
        """The same message was handed out again while it is here: it is settled on that receipt.

        Returns the outcome to settle if it has one already.
        """
        self.delivery = delivery
        self.renew_at = renew_time(delivery, time.monotonic())
        if self.outcome is not None:
            self.outcome = msgspec.structs.replace(self.outcome, delivery=delivery)
        return self.outcome

    def enter(self) -> None:
        """Let `asynctasq.current()` name this task, in this context."""
        at = self.delivery
        enter_task(CurrentTask(at.id, self.name, at.queue, at.attempt, self.correlation_id))

    async def execute(self) -> Any:
        """Run the attempt, within its time-out; raises what it raises."""
        self.enter()
        envelope = self.envelope
        if self.in_thread:
            # A thread cannot be stopped: its slot stays taken and its lease is renewed.
            answer = await in_daemon_thread(self.work.execute)
            # Of a plain function around a coroutine function: what it gave has not run yet.
            return await answer if isawaitable(answer) else answer
        if envelope.timeout is None:
            return await self.work.execute()
        timer = asyncio.get_running_loop().call_later(envelope.timeout, self.time_out)
        try:
            return await self.work.execute()
        finally:
            timer.cancel()

    def time_out(self) -> None:
        """Its time is over: cancel it."""
        self.timed_out = True
        self._cancel()

    def stop(self) -> None:
        """The worker shuts down: cancel it, to be given back. What runs in a thread goes on."""
        if not self.in_thread:
            self.stopping = True
            self._cancel()

    def _cancel(self) -> None:
        if self.running is not None:
            self.running.cancel()

    def wants_retry(self, error: BaseException) -> bool:
        """Ask the task. What it raises itself is logged, and means yes: nothing is lost by that."""
        if not isinstance(error, Exception):
            return True
        try:
            return bool(self.work.should_retry(error))
        except Exception:
            logger.exception("should_retry() of task %s %s failed", self.name, self.delivery.id)
            return True

    def __str__(self) -> str:
        return f"{self.name} {self.delivery.id} (queue {self.delivery.queue})"


def failure_of(error: BaseException) -> Failure:
    """A failure whose traceback begins in the user's code, not in this library's."""
    frame = error.__traceback__
    while frame is not None and _is_ours(frame.tb_frame.f_globals.get("__name__", "")):
        frame = frame.tb_next
    return Failure.of(error.with_traceback(frame or error.__traceback__))


def _is_ours(module: str) -> bool:
    return module.startswith(("asynctasq.worker.", "asynctasq.tasks."))
