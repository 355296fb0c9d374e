"""Messages in, deliveries out: what runs inside a transaction, as functions of a connection."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from asynctasq.driver import Delivery, Message, Purged, QueueStats, Renewed
from asynctasq_drivers.sqlite._clock import now
from asynctasq_drivers.sqlite._rows import deliveries, message_row
from asynctasq_drivers.sqlite._statements import insert, many_rows, sql

_ENQUEUE: Final = many_rows("enqueue")
_NEXT_DUE: Final = sql("next_due")
_PROMOTE: Final = sql("promote")
_TAKE: Final = sql("take")
_HAND_OUT: Final = sql("hand_out")
_HELD: Final = sql("held")
_EXTEND: Final = sql("extend")
_PURGE: Final = sql("purge")
_FORGET: Final = sql("forget")
_QUEUES: Final = sql("queues")
_STATS: Final = sql("stats")


def enqueue(cursor: sqlite3.Cursor, messages: Sequence[Message]) -> None:
    """Store messages whose ids are not known yet."""
    moment = now()
    insert(cursor, _ENQUEUE, [message_row(message, moment) for message in messages])


def until_due(cursor: sqlite3.Cursor, queues: Iterable[str]) -> float:
    """Seconds until something can be taken from these queues: 0 or less, if there is something."""
    found = (cursor.execute(_NEXT_DUE, {"queue": queue}).fetchone()[0] for queue in queues)
    soonest = min((due for due in found if due is not None), default=None)
    return float("inf") if soonest is None else (soonest - now()) / 1e6


def take(cursor: sqlite3.Cursor, queues: Iterable[str], limit: int) -> tuple[Delivery, ...]:
    """Hand out what is due: queue by queue, the longest due first."""
    moment = now()
    taken: list[Delivery] = []
    for queue in queues:
        if left := limit - len(taken):
            asked = {"queue": queue, "now": moment, "limit": left}
            cursor.execute(_PROMOTE, asked)
            rows = cursor.execute(_TAKE, asked).fetchall()
            taken += deliveries(queue, rows)
            if rows:
                # At once: a queue that is named twice must not be looked at as it was.
                seqs = json.dumps([row[0] for row in rows])
                cursor.execute(_HAND_OUT, {"now": moment, "seqs": seqs})
    return tuple(taken)


def held(cursor: sqlite3.Cursor, given: Iterable[Delivery]) -> set[tuple[int, int]]:
    """The receipts that hold these messages now."""
    seqs = json.dumps([_seq(each) for each in given])
    return set(cursor.execute(_HELD, {"seqs": seqs}).fetchall())


def _seq(delivery: Delivery) -> Any:
    receipt: Any = delivery.receipt
    return receipt[0]


def extend(cursor: sqlite3.Cursor, given: Sequence[Delivery]) -> Renewed:
    """Let the leases that are still held run anew."""
    good = held(cursor, given)
    lost = tuple(each for each in given if each.receipt not in good)
    seqs = json.dumps([_seq(each) for each in given if each.receipt in good])
    cursor.execute(_EXTEND, {"now": now(), "seqs": seqs})
    return Renewed(lost)


def purge(cursor: sqlite3.Cursor, queue: str) -> Purged:
    """Drop what waits, with its records."""
    gone = cursor.execute(_PURGE, {"queue": queue, "now": now()}).fetchall()
    cursor.executemany(_FORGET, [(id, queue) for (id,) in gone])
    return Purged(len(gone))


def stats(cursor: sqlite3.Cursor, queues: Sequence[str] | None) -> tuple[QueueStats, ...]:
    """The queues given, or all that hold anything."""
    names = [name for (name,) in cursor.execute(_QUEUES)] if queues is None else queues
    return tuple(_stats(cursor, name, now()) for name in names)


def _stats(cursor: sqlite3.Cursor, queue: str, moment: int) -> QueueStats:
    asked = {"queue": queue, "now": moment}
    pending, scheduled, running, dead, oldest = cursor.execute(_STATS, asked).fetchone()
    return QueueStats(
        queue=queue,
        pending=pending,
        scheduled=scheduled,
        running=running,
        dead=dead,
        oldest_pending=None if oldest is None else max(moment - oldest, 0) / 1e6,
    )
