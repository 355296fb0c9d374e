"""The schema and its versions.

The version stands in a table of its own, as SQLite's ``user_version`` and ``application_id``
belong to the application, whose tables may be in the same file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from asynctasq.driver import Migration
from asynctasq.errors import BackendRefused
from asynctasq_drivers.sqlite._session import Session
from asynctasq_drivers.sqlite._statements import migrations

MIGRATIONS: Final = migrations()
NEWEST: Final = MIGRATIONS[-1].version

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS asynctasq_schema (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL
)
"""
_IS_THERE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'asynctasq_schema'"
_VERSION: Final = "SELECT coalesce(max(version), 0) FROM asynctasq_schema"
_APPLIED: Final = "INSERT INTO asynctasq_schema VALUES (?, ?, datetime('now'))"


def pending(session: Session) -> tuple[Migration, ...]:
    """What `migrate` would apply. Raises `BackendRefused` for a schema newer than this driver."""
    version = session.read(_version)
    if version > NEWEST:
        raise BackendRefused(
            f"sqlite file {session.path}: its schema has version {version}, this asynctasq-sqlite "
            f"knows up to {NEWEST}: install the newer one that wrote it"
        )
    return tuple(step for step in MIGRATIONS if step.version > version)


def migrate(session: Session) -> tuple[Migration, ...]:
    """Apply what is pending, all of it in one transaction; returns what this call applied."""
    if not pending(session):
        return ()
    session.begin(session.patience)
    try:
        with session.translating():
            version = _version(session.connection.cursor())
            steps = tuple(step for step in MIGRATIONS if step.version > version)
            for step in steps:
                _apply(session.connection, step)
            session.commit()
    finally:
        session.rollback()
    return steps


def require_current(session: Session) -> None:
    """Raise `BackendRefused` where something is pending."""
    if steps := pending(session):
        names = ", ".join(f"{step.version} {step.name}" for step in steps)
        raise BackendRefused(
            f"sqlite file {session.path}: migrations are pending ({names}), and "
            "sqlite_auto_migrate is off: run "
            f"`asynctasq migrate --driver sqlite --sqlite-path {session.path}`"
        )


def _version(cursor: sqlite3.Cursor) -> int:
    if cursor.execute(_IS_THERE).fetchone() is None:
        return 0
    version: int = cursor.execute(_VERSION).fetchone()[0]
    return version


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    connection.execute(_TABLE)
    for statement in _statements(step.sql):
        connection.execute(statement)
    connection.execute(_APPLIED, (step.version, step.name))


def _statements(script: str) -> Iterator[str]:
    """One by one: `executescript` would commit first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
