"""Single tasks and their records: looked at, replayed, deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from asynctasq.driver import Record, StoredTask, TaskPage, TaskRef, TaskState
from asynctasq.errors import InvalidMessage
from asynctasq_drivers.sqlite._clock import now
from asynctasq_drivers.sqlite._rows import COMPLETED, STATES, record, stored_task
from asynctasq_drivers.sqlite._statements import sql

_GET: Final = sql("get")
_SCAN: Final = sql("scan")
_SCAN_ENDED: Final = sql("scan_ended")
_LIST: Final = sql("list")
_LIST_ENDED: Final = sql("list_ended")
_RETRY_DEAD: Final = sql("retry_dead")
_DELETE: Final = sql("delete")
_RESULT: Final = sql("result")
_IS_RECORDED: Final = sql("is_recorded")
_FORGET: Final = sql("forget")


def get(cursor: sqlite3.Cursor, ref: TaskRef) -> StoredTask | None:
    """A task, unless it has expired."""
    row = cursor.execute(_GET, _of(ref)).fetchone()
    return row and stored_task(row, now())


def place(cursor: str | None) -> int:
    """The place after which a listing goes on."""
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidMessage(
            f"cursor {cursor[:200]!r}: expected one that this driver's list() gave"
        )
    return int(cursor or 0)


def list_tasks(
    cursor: sqlite3.Cursor,
    status: TaskState,
    queue: str | None,
    limit: int,
    after: int,
    scan_limit: int,
) -> TaskPage:
    """Tasks of a state behind a place, in the order in which they came."""
    number, moment = STATES.index(status), now()
    scan, look = (_SCAN_ENDED, _LIST_ENDED) if number >= COMPLETED else (_SCAN, _LIST)
    asked = {"state": number, "queue": queue, "after": after, "now": moment, "limit": limit}
    last, seen = cursor.execute(scan, {**asked, "most": scan_limit}).fetchone()
    rows = cursor.execute(look, {**asked, "last": last}).fetchall()
    found = [task for row in rows if (task := stored_task(row, moment))]
    if len(rows) == limit:
        return TaskPage(tuple(found), str(rows[-1][0]))
    return TaskPage(tuple(found), str(last) if seen == scan_limit else None)


def retry_dead(cursor: sqlite3.Cursor, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
    """Make dead tasks pending, without their records."""
    return _changed(cursor, _RETRY_DEAD, refs)


def delete(cursor: sqlite3.Cursor, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
    """Remove tasks that nobody runs, with their records."""
    return _changed(cursor, _DELETE, refs)


def _changed(
    cursor: sqlite3.Cursor, statement: str, refs: Sequence[TaskRef]
) -> tuple[TaskRef, ...]:
    moment = now()
    done = tuple(
        ref for ref in refs if cursor.execute(statement, {**_of(ref), "now": moment}).rowcount
    )
    cursor.executemany(_FORGET, [(ref.id.bytes, ref.queue) for ref in done])
    return done


def result(cursor: sqlite3.Cursor, ref: TaskRef) -> Record | None:
    """The record of a task, unless it has expired."""
    row = cursor.execute(_RESULT, {**_of(ref), "now": now()}).fetchone()
    return row and record(ref, row)


def until_recorded(cursor: sqlite3.Cursor, ref: TaskRef) -> float:
    """Seconds until its record can be read: 0, or nobody knows."""
    found = cursor.execute(_IS_RECORDED, {**_of(ref), "now": now()}).fetchone()
    return float("inf") if found is None else 0.0


def _of(ref: TaskRef) -> dict[str, Any]:
    return {"id": ref.id.bytes, "queue": ref.queue}
