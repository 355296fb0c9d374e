"""What SQLite says, in the words of the contract.

*Certainly not stored, and worth another try*: a lock that somebody holds. *Refused*: what stays so
until a person does something; a full disk is among it, since core would else hide it behind
retries. *Unknown*: a commit that was written, and whose way to the disk failed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from asynctasq.errors import (
    BackendRefused,
    DriverError,
    DriverUnavailable,
    InvalidMessage,
    OutcomeUnknown,
)

LOCKED: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT}
)

_REFUSED: Final = {
    sqlite3.SQLITE_FULL: "the disk, or the limit set for the file, is full: make room, then go on",
    sqlite3.SQLITE_READONLY: "it cannot be written to: the file, its folder and the -wal and -shm "
    "files beside it need write permission for this user, on a file system that is not read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: its folder must exist, and this user must be "
    "allowed to write there",
    sqlite3.SQLITE_PERM: "this user may not use it: give it read and write permission",
    sqlite3.SQLITE_AUTH: "this user may not use it: give it read and write permission",
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database, or an encrypted one: give another "
    "sqlite_path, or move the file away",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: stop what uses it, save what `.recover` of "
    "the sqlite3 shell finds, and start with a copy that `PRAGMA integrity_check` calls ok",
    sqlite3.SQLITE_IOERR: "reading or writing it failed: look at the disk and the system's log",
    sqlite3.SQLITE_NOMEM: "there is no memory left for it",
}


def is_locked(error: BaseException) -> bool:
    """Whether somebody else holds a lock, so that a later try may go through."""
    return isinstance(error, sqlite3.Error) and _code(error) in LOCKED


def translated(error: BaseException, path: str) -> DriverError:
    """The contract's error for one that came before a commit: nothing was stored."""
    if isinstance(error, DriverError):
        return error
    if isinstance(error, OverflowError | sqlite3.DataError):
        return InvalidMessage(f"{error}: more than an SQLite file can hold")
    if is_locked(error):
        return locked(path, None)
    told = _REFUSED.get(_code(error)) if isinstance(error, sqlite3.Error) else None
    said = f"{told} ({_name(error)})" if told else _name(error)
    return BackendRefused(f"sqlite file {path}: {said}")


def locked(path: str, seconds: float | None) -> DriverUnavailable:
    """Somebody else holds the lock, and held it for so long."""
    waited = "" if seconds is None else f" for {seconds:.1f} s (sqlite_busy_timeout)"
    return DriverUnavailable(
        f"sqlite file {path}: somebody else's transaction has locked it{waited}; "
        "look for a program that leaves one open"
    )


def of_commit(error: BaseException, path: str, ids: Iterable[UUID]) -> DriverError:
    """The same for one that a commit raised: after an I/O error, it may be on the disk."""
    if isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_IOERR:
        reason = f"sqlite file {path}: the disk failed in a commit ({_name(error)})"
        return OutcomeUnknown(ids, reason)
    return translated(error, path)


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error is the module's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _name(error: BaseException) -> str:
    return f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"
