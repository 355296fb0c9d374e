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
from typing import Final

from asynctasq.errors import BackendRefused

FIRST_LOOK: Final = 0.05
"""Seconds of waiting for a lock after which to look: longer than most transactions take."""
_FILES: Final = "SELECT name = 'main', CAST(file AS BLOB) FROM pragma_database_list"


class SelfWait:
    """Looks, for one driver, at each wait for a lock that gets long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path) -> None:
        self._loop = loop
        self._path = path
        self._next = FIRST_LOOK
        self._found = False

    def look(self, waited: float) -> None:
        """Told by the driver's thread how long it has waited. Raises `BackendRefused`."""
        if self._found:
            self._found = False
            raise BackendRefused(self_wait(self._path))
        if waited < FIRST_LOOK:
            self._next = FIRST_LOOK
        elif waited >= self._next:
            self._next = 4 * waited
            # Only the thread that a connection belongs to may ask it for its file.
            bound = [each for each in _in_transaction() if _is_bound_elsewhere(each)]
            if bound:
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._ask, bound)

    def _ask(self, candidates: list[sqlite3.Connection]) -> None:
        self._found = any(uses(each, self._path) for each in candidates if each.in_transaction)


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
