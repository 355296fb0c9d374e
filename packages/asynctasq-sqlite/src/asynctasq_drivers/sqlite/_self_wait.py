"""A program that would wait for itself.

While a connection of the program has a transaction open, and `dispatch()` without ``connection=``
is awaited on the same thread, the one waits for the other until the time is up. It cannot be
known from outside who holds a lock; so we look for a connection of this process that is in a
transaction, on this file, and belongs to the thread of the event loop that waits. One that any
thread may use (``check_same_thread=False``) is waited for: another thread may end its transaction.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic
from typing import Final

from asynctasq.errors import BackendRefused

SHORTEST: Final = 0.1
"""Seconds between two looks, at first: each goes through all objects of the process."""
_FILES: Final = "SELECT name = 'main', CAST(file AS BLOB) FROM pragma_database_list"


class SelfWait:
    """Looks, for one driver, for a transaction that its own event loop's thread has open."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path) -> None:
        self._loop = loop
        self._path = path
        self._found = False
        self._wait = 0
        """Which wait for the lock this is: a look that another one asked for says nothing of it."""
        self._again = 0.0
        self._pause = SHORTEST

    def is_found(self) -> bool:
        """Asked by the driver's thread each time that it could not get the lock.

        The answer is that of the last look; only the thread that a connection belongs to may ask
        it for its file.
        """
        moment = monotonic()
        if moment > self._again + 4 * self._pause:
            self._begin_anew()
        found = self._found
        if found:
            self._begin_anew()
        elif moment >= self._again:
            self._look()
            self._again, self._pause = moment + self._pause, 2 * self._pause
        return found

    def _begin_anew(self) -> None:
        self._wait += 1
        self._found, self._pause = False, SHORTEST

    def refuse(self) -> None:
        """The same for a driver that is being opened: raises if so."""
        if self.is_found():
            raise BackendRefused(
                f"sqlite file {self._path}: it is not prepared yet, and this program's own "
                "transaction has locked it: run `asynctasq migrate`, or dispatch something, before "
                "the first transaction begins"
            )

    def error(self) -> BackendRefused:
        """What is wrong, and what to do."""
        return BackendRefused(self_wait(self._path))

    def _look(self) -> None:
        bound = [each for each in _in_transaction() if _is_bound_elsewhere(each)]
        if bound:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ask, bound, self._wait)

    def _ask(self, candidates: list[sqlite3.Connection], wait: int) -> None:
        found = any(uses(each, self._path) for each in candidates if each.in_transaction)
        if wait == self._wait:
            self._found = found


def self_wait(path: Path) -> str:
    """What is wrong, and what to do."""
    return (
        f"sqlite file {path}: this program's own transaction has locked it, and would wait for "
        "itself: pass its connection (dispatch(connection=...)), or commit it first"
    )


def own_transaction(path: Path, but: sqlite3.Connection) -> bool:
    """Whether another connection of this thread has a transaction open on the file."""
    return any(uses(each, path) for each in _in_transaction() if each is not but)


def uses(connection: sqlite3.Connection, path: Path, *, as_main: bool = False) -> bool:
    """Whether a connection of this thread has that file open; False for those of others."""
    try:
        # Not connection.cursor(): no factory of its owner's takes part.
        with closing(sqlite3.Cursor(connection)) as cursor:
            files = cursor.execute(_FILES).fetchall()
    except sqlite3.Error:
        return False
    return any(_same(file, path) for is_main, file in files if file and (is_main or not as_main))


def _same(file: bytes, path: Path) -> bool:
    try:
        return os.path.samefile(file, path)
    except OSError:
        return False


def _in_transaction() -> list[sqlite3.Connection]:
    return [
        each
        for each in gc.get_objects()
        if issubclass(type(each), sqlite3.Connection) and _is_in_transaction(each)
    ]


def _is_in_transaction(connection: sqlite3.Connection) -> bool:
    try:
        return connection.in_transaction
    except sqlite3.Error:  # closed
        return False


def _is_bound_elsewhere(connection: sqlite3.Connection) -> bool:
    try:
        sqlite3.Cursor(connection).close()
    except sqlite3.ProgrammingError:
        return True
    return False
