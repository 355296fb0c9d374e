"""One delivery in this worker: what is known of it, and what became of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from asynctasq.codec import Envelope, decode_envelope
from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Outcome, Release
from asynctasq.errors import AsyncTasQError
from asynctasq.tasks import TASKS, Definition, Runnable, TransactionState
from asynctasq.worker._committed import Committed

RENEW_AFTER = 1 / 3
"""A lease is renewed after this part of it: two more tries before it ends."""


class Job:
    """A delivery that is held, waits for a slot, or runs.

    The I/O loop owns it, but for what the loop that runs tasks notes: ``work``, ``running``,
    ``started``, ``timed_out``, ``stopping``, ``error``, ``transaction`` and ``acknowledged``.
    """

    __slots__ = (
        "acknowledged",
        "correlation_id",
        "definition",
        "delivery",
        "envelope",
        "error",
        "lease_ends",
        "name",
        "outcome",
        "ran",
        "renew_at",
        "running",
        "since",
        "started",
        "stopping",
        "superseded",
        "timed_out",
        "told",
        "transaction",
        "unclaimed",
        "work",
    )

    envelope: Envelope
    """This and ``definition`` are there once it was read, ``work`` once it was loaded."""
    definition: Definition[Any]
    work: Runnable

    def __init__(self, delivery: Delivery, now: float) -> None:
        self.name = "unknown"
        self.correlation_id: str | None = None
        self.running: asyncio.Task[None] | None = None
        self.started = 0.0
        """By the monotonic clock; 0 before it runs."""
        self.ran = 0.0
        """Seconds that its attempt took."""
        self.timed_out = False
        self.stopping = False
        self.error: BaseException | None = None
        self.transaction: TransactionState = "none"
        """Of its own, which acknowledges it."""
        self.acknowledged: Delivery | None = None
        self.outcome: Outcome | None = None
        self.told = False
        """Whether its outcome has been reported, so that it is not once more."""
        self.superseded: list[Delivery] = []
        """Copies that it no longer stands on, to be removed once it is settled."""
        self.delivery = delivery
        self.since = now
        self.unclaimed = [None]
        self.leased(now)

    def leased(self, now: float) -> None:
        """Its lease runs from now on."""
        lease = self.delivery.lease
        self.renew_at = now + lease * RENEW_AFTER
        self.lease_ends = now + lease

    def read(self) -> None:
        """Decode the envelope and find the task; raises `PayloadError`. Runs no code of users."""
        self.envelope = envelope = decode_envelope(self.delivery.body)
        self.name, self.correlation_id = envelope.task, envelope.correlation_id
        self.definition = TASKS.get(envelope.task)

    def load(self) -> None:
        """Make the task with its arguments; raises `AsyncTasQError`. Code of users may run."""
        self.work = self.definition.load(self.envelope.args)

    def is_readable(self) -> bool:
        """Whether the task can be made, so that its ``failed()`` can be called."""
        try:
            self.read()
            self.load()
        except AsyncTasQError:
            return False
        return True

    def can_adopt(self, delivery: Delivery) -> bool:
        """Whether a delivery of the same message is of the same run: a lease that was lost.

        Everything else is another run, for after this one is settled: a later attempt, a replay,
        another sending. So is what was to be given back: if that has happened, it is here anew,
        and given back on the new receipt as well it would lose twice. Where copies may come again
        (it has an origin) so is what has ended: whether its outcome was settled says if this is a
        copy to be dropped, or what that outcome is owed to.
        """
        held, outcome = self.delivery, self.outcome
        if delivery.attempt != held.attempt or delivery.origin != held.origin:
            return False
        if delivery.origin is not None:
            return outcome is None
        if isinstance(outcome, DeadLetter):  # a replay counts its deliveries anew
            return delivery.deliveries > held.deliveries
        return not isinstance(outcome, Release)

    def adopt(self, delivery: Delivery, now: float) -> Outcome | None:
        """The same run was handed out again while it is here: it is settled on that receipt.

        It is no loss: the run goes on with its worker, so the count stays what it was. Returns
        the outcome to settle if it has one already.
        """
        if delivery.origin is not None:
            self.superseded.append(self.delivery)
        self.delivery = msgspec.structs.replace(delivery, deliveries=self.delivery.deliveries)
        self.leased(now)
        if self.outcome is not None:
            self.outcome = self.on_receipt(self.outcome)
        return self.outcome

    def on_receipt(self, outcome: Outcome) -> Outcome:
        """The outcome with the receipt that holds by now."""
        if outcome.delivery is self.delivery:
            return outcome
        if isinstance(outcome, Committed):  # its producer, in doubt, has sent it once more
            return Ack(self.delivery, outcome.record)
        return msgspec.structs.replace(outcome, delivery=self.delivery)

    @property
    def is_thread(self) -> bool:
        """A plain function in a thread of this process, which nothing can stop."""
        return not (self.definition.is_async or self.definition.in_process)

    def late_by(self, now: float) -> float:
        """Seconds since its time-out; negative before it, and where nothing has to be done.

        A child process is killed by its pool.
        """
        timeout = self.envelope.timeout
        if timeout is None or not self.started or self.definition.in_process:
            return float("-inf")
        return now - self.started - timeout

    def claim(self) -> bool:
        """True for the first who asks: the loop that begins it, or the one that gives it back.

        One of them only, without a lock: ``list.pop`` is atomic.
        """
        try:
            self.unclaimed.pop()
        except IndexError:
            return False
        return True

    def cancel(self) -> None:
        """Stop it, where that can be done. On the loop that it runs on."""
        if self.running is not None:
            self.running.cancel()

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it has not ended, and is a coroutine of this loop."""
        running = self.running  # None: it has only just begun, where tasks are begun eagerly
        return running is None or not (running.done() or running.get_loop() is not loop)

    def seconds(self, now: float) -> float:
        """For how long it has run."""
        return now - self.started if self.started else 0.0

    def __str__(self) -> str:
        return f"{self.name} {self.delivery.id} (queue {self.delivery.queue})"


def failure_of(error: BaseException) -> Failure:
    """A failure whose traceback begins in the user's code, not in this library's."""
    frame = error.__traceback__
    while frame is not None and is_ours(frame.tb_frame.f_globals.get("__name__", "")):
        frame = frame.tb_next
    return Failure.of(error.with_traceback(frame or error.__traceback__))


def is_ours(module: str) -> bool:
    """Whether a module is part of what runs tasks, and so no news to their authors."""
    return module.startswith(("asynctasq.worker.", "asynctasq.tasks.", "asynctasq.processes"))
