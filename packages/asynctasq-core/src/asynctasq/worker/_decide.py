"""What becomes of a delivery: pure decisions, no I/O and no clock."""

from __future__ import annotations

from asynctasq.codec import Envelope
from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Record, Release, Retry
from asynctasq.retry import next_attempt_allowed, retry_delay
from asynctasq.worker._committed import Committed

WORKER_LOST = Failure(
    "WorkerLost", "worker lost: its runs ended with their worker as often as max_losses allows"
)


def before_run(delivery: Delivery, max_losses: int, dead_ttl: float | None) -> DeadLetter | None:
    """Dead-letter a task that took down too many workers. Nothing of it is decoded before."""
    if delivery.losses < max_losses:
        return None
    return DeadLetter(delivery, WORKER_LOST, Record(delivery.ref, "dead", WORKER_LOST, dead_ttl))


def after_success(
    delivery: Delivery, envelope: Envelope, value: bytes | Failure, result_ttl: float
) -> Ack:
    """Acknowledge; the result goes with it if it is wanted."""
    if not envelope.store_result:
        return Ack(delivery)
    return Ack(delivery, Record(delivery.ref, "completed", value, result_ttl))


def after_commit(
    delivery: Delivery, envelope: Envelope, value: bytes | Failure, result_ttl: float
) -> Committed:
    """The task has acknowledged itself: only its result is to be stored, if it is wanted."""
    ack = after_success(delivery, envelope, value, result_ttl)
    return Committed(ack.delivery, ack.record)


def after_error(
    delivery: Delivery,
    envelope: Envelope,
    failure: Failure,
    *,
    wanted: bool,
    dead_ttl: float | None,
) -> Retry | DeadLetter:
    """Another attempt, where one is left and the task wants it; else dead."""
    if wanted and next_attempt_allowed(delivery.attempt, envelope.max_attempts):
        pause = retry_delay(
            envelope.retry_strategy,
            envelope.retry_delay,
            delivery.attempt,
            envelope.retry_max_delay,
        )
        return Retry(delivery, pause, failure)
    record = Record(delivery.ref, "dead", failure, dead_ttl) if envelope.store_result else None
    return DeadLetter(delivery, failure, record)


def after_unreadable(
    delivery: Delivery, failure: Failure, seen_for: float, grace: float, dead_ttl: float | None
) -> Release | DeadLetter:
    """Give back, ever later, what this worker cannot read; dead once the grace is over.

    A newer producer may be ahead of this worker: another one may know the task.
    """
    if seen_for >= grace:
        record = Record(delivery.ref, "dead", failure, dead_ttl)
        return DeadLetter(delivery, failure, record)
    return Release(delivery, min(60.0, max(1.0, seen_for), max(grace - seen_for, 1.0)))
