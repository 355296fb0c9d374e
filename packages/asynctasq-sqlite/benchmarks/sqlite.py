"""The floor of the sqlite driver: sqlite3 alone, on a table that holds 200 bytes a row.
`tools/README.md` tells what a floor file is."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

CLIENT = ("asyncio", "sqlite3")
BATCH = 100
LEASE = 300.0
BODY = os.urandom(200)

_TABLE = "CREATE TABLE line (id INTEGER PRIMARY KEY, due REAL NOT NULL, body BLOB NOT NULL)"
_INDEX = "CREATE INDEX line_due ON line (due)"
_INSERT = "INSERT INTO line (due, body) VALUES (?, ?)"
_TAKE = """
UPDATE line SET due = ?
WHERE id IN (SELECT id FROM line WHERE due <= ? ORDER BY due LIMIT ?)
RETURNING id, body
"""


def options(folder: Path, url: str | None) -> Mapping[str, str]:
    """A file of its own."""
    return {"sqlite_path": str(folder / "queue.db")}


@contextmanager
def _table(options: Mapping[str, str]) -> Generator[sqlite3.Connection]:
    """An empty table, in the same mode as the driver's file."""
    connection = sqlite3.connect(f"{options['sqlite_path']}.floor", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(f"PRAGMA synchronous = {options.get('sqlite_synchronous', 'full')}")
        connection.execute(_TABLE)
        connection.execute(_INDEX)
        yield connection
    finally:
        connection.close()


def _insert(connection: sqlite3.Connection, count: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_INSERT, [(time.time(), BODY)] * count)
    connection.execute("COMMIT")


async def insert_one(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Insert one by one, each committed."""
    with _table(options) as connection:
        yield 0
        for _ in range(count):
            connection.execute(_INSERT, (time.time(), BODY))
            yield 1


async def insert_many(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Insert by 100."""
    with _table(options) as connection:
        yield 0
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            _insert(connection, size)
            yield size


async def take(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Take by 100 under a lease, then delete."""
    with _table(options) as connection:
        _insert(connection, count)
        yield 0
        while rows := _taken(connection):
            yield len(rows)


def _taken(connection: sqlite3.Connection) -> list[tuple[int]]:
    """One batch: two transactions, as its work would lie between them."""
    now = time.time()
    rows = connection.execute(_TAKE, (now + LEASE, now, BATCH)).fetchall()
    ids = [(row[0],) for row in rows]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM line WHERE id = ?", ids)
    connection.execute("COMMIT")
    return ids


FLOORS = {"dispatch-one": insert_one, "dispatch-many": insert_many, "noop": take}


def wanted(options: Mapping[str, str]) -> Mapping[str, Mapping[str, float]]:
    """Found with `normal`; `full`, which waits for the disk, is to reach half of each ratio."""
    share = 1.0 if options.get("sqlite_synchronous") == "normal" else 0.5
    return {
        "dispatch-one": {"at_least": 0.2 * share, "about": 7_000 * share},
        "dispatch-50": {"about": 30_000 * share},
        "dispatch-many": {"at_least": 0.25 * share, "about": 75_000 * share},
        "noop-100": {"at_least": 0.18 * share, "about": 38_000 * share},
        "noop-100-two": {"at_least": 1.7},
        "cpu": {"limit": 50},
        "io": {"at_least": 0.95},
        "latency-p50": {"limit": 4},
        "waiting-20k": {"at_most": 1.2},
        "waiting-1m": {"at_most": 1.2},
        "idle-cpu": {"limit": 1},
        "rss": {"above": 20},
    }
