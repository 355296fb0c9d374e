"""Outcomes as `settle.lua` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asynctasq.driver import Ack, Context, DeadLetter, Outcome, Record, Release, Retry
from asynctasq_drivers.redis._keys import Keys
from asynctasq_drivers.redis._rows import failure_row, milliseconds, record_row


def outcome_rows(
    outcomes: Sequence[Outcome], keys: Keys, context: Context
) -> tuple[list[Any], list[str], list[bytes]]:
    """A row for each, and the keys and values of the records that come with them."""
    results: list[str] = []
    records: list[bytes] = []
    completed = context.completed_ttl if context.keep_completed_tasks else None

    def kept(record: Record | None, ttl: float | None) -> tuple[int, int]:
        if record is None:
            return 0, 0
        results.append(keys.result(record.ref.id))
        records.append(record_row(record))
        return len(results), milliseconds(record.keep_for, ttl)

    rows: list[Any] = []
    for outcome in outcomes:
        held = (outcome.delivery.id, outcome.delivery.receipt)
        match outcome:
            case Ack(record=record):
                rows.append(("ack", *held, *kept(record, completed)))
            case DeadLetter(failure=failure, record=record):
                rows.append(("dead", *held, *kept(record, context.dead_ttl), failure_row(failure)))
            case Retry(delay=delay, failure=failure):
                rows.append(("retry", *held, float(delay), failure_row(failure)))
            case Release(delay=delay):
                rows.append(("release", *held, float(delay)))
    return rows, results, records
