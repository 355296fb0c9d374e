"""Outcomes as `ack.sql` and `settle.sql` take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asynctasq.driver import Ack, Context, DeadLetter, Failure, Outcome, Record, Release, Retry
from asynctasq_drivers.postgres._rows import LONGEST, held_columns, record_row


def ack_columns(acks: Sequence[Outcome]) -> tuple[list[Any], ...]:
    """Of tasks that are done, and not kept."""
    records = [record_row(ack.record, None) for ack in acks if isinstance(ack, Ack)]
    kinds, values, keeps, expiries = zip(*records, strict=True)
    held = held_columns(ack.delivery for ack in acks)
    return (*held, list(kinds), list(values), list(keeps), list(expiries))


def outcome_columns(outcomes: Sequence[Outcome], context: Context) -> tuple[Any, ...]:
    """Of outcomes of every kind, and how long tasks are kept."""
    completed = context.completed_ttl if context.keep_completed_tasks else None
    dead = context.dead_ttl
    rows = [_row(outcome, completed, dead) for outcome in outcomes]
    held = held_columns(outcome.delivery for outcome in outcomes)
    return (*held, *map(list, zip(*rows, strict=True)), _seconds(dead), _seconds(completed))


def _row(outcome: Outcome, completed: float | None, dead: float | None) -> tuple[Any, ...]:
    delay = 0.0
    failure: Failure | None = None
    record: Record | None = None
    match outcome:
        case Ack(record=record):
            pass
        case DeadLetter(failure=failure, record=record):
            pass
        case Retry(delay=delay, failure=failure):
            pass
        case Release(delay=delay):
            pass
    told = (None, None, None)
    if failure is not None:
        told = (failure.type, failure.text, failure.traceback)
    ttl = completed if isinstance(outcome, Ack) else dead
    return outcome.name, min(delay, LONGEST), *told, *record_row(record, ttl)


def _seconds(ttl: float | None) -> float | None:
    return None if ttl is None else min(ttl, LONGEST)
