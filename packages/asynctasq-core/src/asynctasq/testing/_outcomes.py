"""Outcomes for tests: one of each kind, and a failure with something in every field."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Outcome, Release, Retry

FAILURE = Failure("ValueError", "no such user", "Traceback (most recent call last): ...")


def retry(delivery: Delivery, delay: float = 0.0) -> Retry:
    """A failed attempt."""
    return Retry(delivery, delay, FAILURE)


def dead(delivery: Delivery) -> DeadLetter:
    """A failure for good."""
    return DeadLetter(delivery, FAILURE)


EVERY_OUTCOME: tuple[Callable[[Delivery], Outcome], ...] = (Ack, retry, dead, Release)


def one_of_each(deliveries: Sequence[Delivery]) -> list[Outcome]:
    """Ack, retry, dead-letter, release, ack, retry, ..."""
    return [EVERY_OUTCOME[n % 4](delivery) for n, delivery in enumerate(deliveries)]
