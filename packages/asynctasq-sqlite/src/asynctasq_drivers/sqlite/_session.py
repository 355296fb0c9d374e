"""One connection to the file: transactions, patience with locks, errors of the contract."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Final, TypeAlias, TypeVar

from asynctasq.errors import BackendRefused
from asynctasq_drivers.sqlite._errors import is_locked, locked, translated

T = TypeVar("T")
FileId: TypeAlias = tuple[int, int]
"""Device and inode: what stays the same when a file is renamed, and differs when it is replaced."""

OLDEST: Final = (3, 35, 0)
"""The first SQLite with RETURNING."""
SHORTEST_PAUSE: Final = 0.0005
LONGEST_PAUSE: Final = 0.01
"""Seconds between two tries to get a lock."""
WHEN_CLOSING: Final = 1.0
"""Seconds for which a driver that is being closed still waits for one."""

_SETTINGS: Final = (
    # Waiting for locks is done here, so that close() can end it.
    "PRAGMA busy_timeout = 0",
    "PRAGMA journal_size_limit = 16777216",
    "PRAGMA cache_size = -8192",
)


class Session:
    """A connection of one thread. Every error that leaves it is one of the contract's."""

    def __init__(self, path: Path, patience: float, stopping: Event) -> None:
        self.path = path
        self.patience = patience
        """Seconds that a call waits for a lock."""
        self.on_locked: Callable[[], None] | None = None
        """Called while a lock is waited for; may raise."""
        self._name = str(path)
        self._stopping = stopping

    def open(self, synchronous: str, *, create: bool) -> None:
        """Connect and switch to write-ahead logging. Raises the contract's errors."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise BackendRefused(
                f"this Python has SQLite {sqlite3.sqlite_version}; 3.35 or newer is needed"
            )
        _check_place(self.path, create)
        with self.translating():
            self.connection = sqlite3.connect(
                self.path if create else f"{self.path.as_uri()}?mode=rw",
                timeout=0,
                isolation_level=None,
                uri=not create,
            )
        try:
            self._configure(synchronous)
        except BaseException:
            self.connection.close()
            raise

    def _configure(self, synchronous: str) -> None:
        with self.translating():
            # Each may meet a lock, as each reads the schema first.
            for setting in (*_SETTINGS, f"PRAGMA synchronous = {synchronous}"):
                self.patiently(partial(self.connection.execute, setting))
            (mode,) = self.patiently(
                lambda: self.connection.execute("PRAGMA journal_mode = wal").fetchone()
            )
        if mode != "wal":
            raise BackendRefused(
                f"sqlite file {self.path}: write-ahead logging is not possible there (journal_mode "
                f"is {mode}); it needs an ordinary file on a local file system"
            )
        self.file: FileId = _found(self.path)

    def close(self) -> None:
        """Disconnect; what was not committed is rolled back."""
        self.connection.close()

    def check_file(self) -> None:
        """Refuse to go on with a file that nobody else can see any more."""
        if _found(self._name) != self.file:
            raise BackendRefused(
                f"sqlite file {self.path}: it was removed or replaced while this driver had it "
                "open. What is written now would be lost: put it back and start anew"
            )

    def data_version(self) -> int:
        """A number that changes when another connection has committed."""
        with self.translating():
            version: int = self.patiently(
                lambda: self.connection.execute("PRAGMA data_version").fetchone()[0]
            )
        return version

    def begin(self, patience: float) -> None:
        """Get the write lock: nobody else writes until the transaction ends.

        Raises `DriverUnavailable` when it could not be had in so many seconds.
        """
        self.check_file()
        with self.translating():
            self.patiently(lambda: self.connection.execute("BEGIN IMMEDIATE"), patience)

    def commit(self) -> None:
        """Make it last. Raises SQLite's own errors: what they mean depends on what was sent."""
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Forget the transaction, if SQLite has not done so itself."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Do reading work: all of it sees one and the same state."""
        with self.translating():
            return self.patiently(lambda: self._read(work))

    def _read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        self.connection.execute("BEGIN")
        try:
            with closing(self.connection.cursor()) as cursor:
                return work(cursor)
        finally:
            self.rollback()

    def patiently(self, step: Callable[[], T], patience: float | None = None) -> T:
        """Do something, again and again while a lock is in its way, for as long as allowed."""
        start, pause = monotonic(), SHORTEST_PAUSE
        while True:
            try:
                return step()
            except (sqlite3.Error, SystemError) as error:
                # CPython raises SystemError for a statement whose error SQLite has forgotten.
                if not (is_locked(error) or isinstance(error, SystemError)):
                    raise
                allowed = self.patience if patience is None else patience
                if self._stopping.is_set():
                    allowed = min(allowed, WHEN_CLOSING)
                if monotonic() - start >= allowed:
                    raise locked(self._name, allowed) from error
            if self.on_locked is not None:
                self.on_locked()
            sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)

    @contextmanager
    def translating(self) -> Generator[None]:
        """Let only errors of the contract out."""
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            raise translated(error, str(self.path)) from error


def _check_place(path: Path, create: bool) -> None:
    """Refuse what SQLite would open and leave files beside that lock others out, or tell badly."""
    try:
        _check_kind(path, create)
    except OSError as error:
        raise BackendRefused(
            f"sqlite file {path}: it cannot be looked for ({error.strerror}): this user must be "
            "allowed to enter its folders"
        ) from error
    # Of who may only read the file, SQLite would make -wal and -shm files that the others, who may
    # write it, cannot.
    for place in (path, path.parent) if path.exists() else (path.parent,):
        if not os.access(place, os.R_OK | os.W_OK):
            kind = "file" if place == path else "folder"
            raise BackendRefused(
                f"sqlite file {path}: its {kind} is read-only, or cannot be read; give this user "
                "read and write permission to both file and folder"
            )


def _check_kind(path: Path, create: bool) -> None:
    if path.is_dir():
        raise BackendRefused(f"sqlite file {path}: that is a folder; sqlite_path names a file")
    if not path.parent.is_dir():
        raise BackendRefused(f"sqlite file {path}: there is no folder {path.parent}; make it first")
    if not create and not path.exists():
        raise BackendRefused(
            f"sqlite file {path}: there is none, and sqlite_auto_migrate is off: run "
            f"`asynctasq migrate --driver sqlite --sqlite-path {path}` first"
        )


def _found(path: Path | str) -> FileId:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino
