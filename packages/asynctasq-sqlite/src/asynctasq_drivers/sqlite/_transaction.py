"""Messages in the caller's own transaction.

It runs on the caller's thread, on the caller's connection, and leaves that as it was: no factory,
time-out or isolation setting of it is used or changed. Waiting for the file's lock is done here,
so that the event loop goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

from asynctasq.driver import Message
from asynctasq.errors import BackendRefused, Unsupported
from asynctasq_drivers.sqlite import _queue
from asynctasq_drivers.sqlite._errors import is_locked, locked, translated
from asynctasq_drivers.sqlite._self_wait import own_transaction, self_wait, uses

PAUSE = 0.005
"""Seconds between two tries to get the lock."""
_WANTED = "a sqlite3.Connection of this thread to the same file, with a transaction open"


async def enqueue_in(
    connection: Any, messages: Sequence[Message], path: Path, patience: float
) -> None:
    """Store messages in an open transaction: all of them, or none.

    Raises `Unsupported` for a connection that cannot be used, `DriverUnavailable` when somebody
    else writes for longer than ``patience`` seconds, `BackendRefused` when that is us.
    """
    _check(connection, path)
    begin = _missing_begin(connection)
    deadline = monotonic() + patience
    while True:
        try:
            return _now(connection, begin, lambda cursor: _queue.enqueue(cursor, messages))
        except (sqlite3.Error, OverflowError) as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY_SNAPSHOT:
                raise BackendRefused(
                    f"sqlite file {path}: this transaction began by reading, and somebody has "
                    "written since: roll back, and start it with BEGIN IMMEDIATE"
                ) from error
            if not is_locked(error):
                raise translated(error, str(path)) from error
            if own_transaction(path, connection):
                raise BackendRefused(self_wait(path)) from error
            if monotonic() >= deadline:
                raise locked(str(path), patience) from error
        await asyncio.sleep(PAUSE)


def _check(connection: Any, path: Path) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise Unsupported(
            f"connection of type {type(connection).__qualname__}: the sqlite driver takes {_WANTED}"
        )
    try:
        sqlite3.Cursor(connection).close()
    except sqlite3.Error as error:
        raise Unsupported(f"{error}: the sqlite driver takes {_WANTED}") from error
    if not uses(connection, path, as_main=True):
        raise Unsupported(f"connection to another file than {path}: expected {_WANTED}")


def _missing_begin(connection: sqlite3.Connection) -> str | None:
    """What the connection itself would say before its first write, by its isolation level."""
    if connection.in_transaction:
        return None
    if connection.isolation_level is None or getattr(connection, "autocommit", -1) is True:
        raise Unsupported(
            "the connection commits each statement by itself, and no transaction is open: "
            f"execute BEGIN first; expected {_WANTED}"
        )
    return f"BEGIN {connection.isolation_level}"


def _now(
    connection: sqlite3.Connection, begin: str | None, work: Callable[[sqlite3.Cursor], None]
) -> None:
    with closing(sqlite3.Cursor(connection)) as cursor:
        (timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            _whole(cursor, begin, work)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {timeout}")


def _whole(
    cursor: sqlite3.Cursor, begin: str | None, work: Callable[[sqlite3.Cursor], None]
) -> None:
    if begin is not None:
        cursor.execute(begin)
    cursor.execute("SAVEPOINT asynctasq")
    try:
        work(cursor)
    except BaseException:
        if cursor.connection.in_transaction:  # else SQLite has rolled back all of it
            cursor.execute("ROLLBACK TO asynctasq")
            cursor.execute("RELEASE asynctasq")
            if begin is not None:
                cursor.execute("ROLLBACK")
        raise
    cursor.execute("RELEASE asynctasq")
