"""Outcomes as `ack.sql` and `settle.sql` take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asynctasq.driver import Ack, Context, DeadLetter, Outcome, Release, Retry
from asynctasq_drivers.postgres._rows import LONGEST, held_columns, literal, record_row


def are_plain(outcomes: Sequence[Outcome], context: Context) -> bool:
    """Whether `ack.sql` will do: all are done, and not kept."""
    return not context.keep_completed_tasks and all(isinstance(o, Ack) for o in outcomes)


def columns_of(outcomes: Sequence[Outcome], context: Context) -> tuple[Any, ...]:
    """What `ack.sql` takes if they are plain, else what `settle.sql` takes."""
    held = held_columns([outcome.delivery for outcome in outcomes])
    if are_plain(outcomes, context):
        rows = [record_row(ack.record, None) for ack in outcomes if isinstance(ack, Ack)]
        kinds, values, keeps, expiries = zip(*rows, strict=True)
        return (*held, literal(kinds), list(values), literal(keeps), literal(expiries))
    completed = context.completed_ttl if context.keep_completed_tasks else None
    dead = context.dead_ttl
    rows = [_row(outcome, completed, dead) for outcome in outcomes]
    return (*held, *map(list, zip(*rows, strict=True)), _seconds(dead), _seconds(completed))


def _row(outcome: Outcome, completed: float | None, dead: float | None) -> tuple[Any, ...]:
    delay = outcome.delay if isinstance(outcome, (Retry, Release)) else 0.0
    failure = outcome.failure if isinstance(outcome, (Retry, DeadLetter)) else None
    record = outcome.record if isinstance(outcome, (Ack, DeadLetter)) else None
    told: tuple[str | None, ...] = (None, None, None)
    if failure is not None:
        told = (failure.type, failure.text, failure.traceback)
    ttl = completed if isinstance(outcome, Ack) else dead
    return outcome.name, min(delay, LONGEST), *told, *record_row(record, ttl)


def _seconds(ttl: float | None) -> float | None:
    return None if ttl is None else min(ttl, LONGEST)
