"""What became of deliveries, made true inside one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from asynctasq.driver import (
    Ack,
    Context,
    DeadLetter,
    Delivery,
    Outcome,
    Record,
    Release,
    Retry,
    Settled,
)
from asynctasq_drivers.sqlite._clock import after, expiry, now
from asynctasq_drivers.sqlite._queue import held
from asynctasq_drivers.sqlite._rows import PENDING, SCHEDULED, failure_text, record_row
from asynctasq_drivers.sqlite._statements import insert, many_rows, sql

_ACK: Final = sql("ack")
_COMPLETE: Final = sql("complete")
_RETRY: Final = sql("retry")
_RELEASE: Final = sql("release")
_DEAD_LETTER: Final = sql("dead_letter")
_STORE: Final = many_rows("store")
_SWEEP_TASKS: Final = sql("sweep_tasks")
_SWEEP_RECORDS: Final = sql("sweep_records")
_FORGET: Final = sql("forget")

FEW: Final = 200
"""What is swept in one transaction at most."""


class _Changes:
    """What a batch of outcomes comes down to, statement by statement."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._now = now()
        self.done: list[int] = []
        self.retried: list[tuple[Any, ...]] = []
        self.released: list[tuple[Any, ...]] = []
        self.dead: list[tuple[Any, ...]] = []
        self.records: list[tuple[Any, ...]] = []
        ttl = context.completed_ttl if context.keep_completed_tasks else None
        self._completed_until = expiry(self._now, ttl)
        self._dead_until = expiry(self._now, context.dead_ttl)

    def add(self, seq: int, outcome: Outcome) -> None:
        match outcome:
            case Ack(record=record):
                self.done.append(seq)
                self._keep(record, self._completed_until)
            case Retry(delay=delay, failure=failure):
                state, due = self._again(delay)
                self.retried.append((state, due or self._now, failure_text(failure), seq))
            case DeadLetter(failure=failure, record=record):
                self.dead.append((self._dead_until, failure_text(failure), self._now, seq))
                self._keep(record, self._dead_until)
            case Release(delay=delay):
                self.released.append((*self._again(delay), seq))

    def _again(self, delay: float) -> tuple[int, int | None]:
        return (SCHEDULED, after(self._now, delay)) if delay else (PENDING, None)

    def _keep(self, record: Record | None, task_until: int | None) -> None:
        if record is not None:
            ends = expiry(self._now, record.keep_for)
            if ends is None or (task_until is not None and task_until < ends):
                ends = task_until
            self.records.append(record_row(record, ends))

    def write(self, cursor: sqlite3.Cursor) -> None:
        if self.done and self._context.keep_completed_tasks:
            told = {"seqs": json.dumps(self.done), "now": self._now}
            cursor.execute(_COMPLETE, {**told, "expires": self._completed_until})
        elif self.done:
            cursor.execute(_ACK, {"seqs": json.dumps(self.done)})
        for statement, rows in (
            (_RETRY, self.retried),
            (_RELEASE, self.released),
            (_DEAD_LETTER, self.dead),
        ):
            if rows:
                cursor.executemany(statement, rows)
        insert(cursor, _STORE, self.records)


def settle(cursor: sqlite3.Cursor, outcomes: Sequence[Outcome], context: Context) -> Settled:
    """Make outcomes true for what is still held, once each."""
    good: set[Any] = set(held(cursor, (outcome.delivery for outcome in outcomes)))
    changes = _Changes(context)
    lost: list[Delivery] = []
    for outcome in outcomes:
        receipt: Any = outcome.delivery.receipt
        if receipt in good:
            good.remove(receipt)
            changes.add(receipt[0], outcome)
        else:
            lost.append(outcome.delivery)
    changes.write(cursor)
    return Settled(tuple(lost))


def store(cursor: sqlite3.Cursor, records: Iterable[Record]) -> None:
    """Keep records by themselves."""
    moment = now()
    rows = [record_row(record, expiry(moment, record.keep_for)) for record in records]
    insert(cursor, _STORE, rows)


def sweep(cursor: sqlite3.Cursor) -> bool:
    """Remove some of what has expired; says whether there may be more."""
    told = {"now": now(), "most": FEW}
    gone = cursor.execute(_SWEEP_TASKS, told).fetchall()
    cursor.executemany(_FORGET, gone)
    return cursor.execute(_SWEEP_RECORDS, told).rowcount >= FEW or len(gone) >= FEW
