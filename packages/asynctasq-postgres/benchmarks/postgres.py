"""The floor of the postgres driver: asyncpg alone, on a table that holds 200 bytes a row.
`tools/README.md` tells what a floor file is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid4, uuid5

import asyncpg  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

CLIENT = ("asyncio", "asyncpg")
BATCH = 100
BODY = os.urandom(200)

_TABLE = """
CREATE TABLE {line} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    locked_until timestamptz NOT NULL DEFAULT now(),
    body bytea NOT NULL
)
"""
"""As plain as a queue can be: whoever takes a row moves the time from which it may be taken."""

_INDEX = "CREATE INDEX ON {line} (locked_until, id)"
_INSERT = "INSERT INTO {line} (body) VALUES ($1)"
_INSERT_MANY = "INSERT INTO {line} (body) SELECT unnest($1::bytea[])"
_FILL = "INSERT INTO {line} (body) SELECT $1::bytea FROM generate_series(1, $2)"
_TAKE = """
UPDATE {line} SET locked_until = now() + interval '300 seconds'
WHERE id = ANY (ARRAY(
    SELECT id FROM {line} WHERE locked_until <= now()
    ORDER BY locked_until, id LIMIT $1 FOR UPDATE SKIP LOCKED
))
RETURNING id, body
"""
_DELETE = "DELETE FROM {line} WHERE id = ANY ($1::bigint[])"

_COUNT = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1"
_TELLS_WITHIN = 10.5
"""Seconds after which a connection that rests has told the server's statistics of all that it did:
it reports at most once a second, and what is left then after 10 seconds of rest."""


def options(folder: Path, url: str | None) -> Mapping[str, str]:
    """The server is the benchmark's own; each place has tables there, whichever way leads to it."""
    place = uuid5(NAMESPACE_URL, folder.as_uri()).hex
    return {
        "postgres_dsn": url or "",
        "postgres_queue_table": f"queue_{place}",
        "postgres_dead_letter_table": f"dead_{place}",
    }


async def _connect(options: Mapping[str, str], **more: Any) -> Any:
    return await cast("Any", asyncpg).connect(options["postgres_dsn"], **more)


@asynccontextmanager
async def _table(options: Mapping[str, str]) -> AsyncGenerator[tuple[Any, str]]:
    """A connection, and the name of an empty table, which is removed at the end."""
    line = f"floor_{uuid4().hex}"
    connection = await _connect(options)
    try:
        await connection.execute(_TABLE.format(line=line))
        await connection.execute(_INDEX.format(line=line))
        yield connection, line
    finally:
        await connection.execute(f"DROP TABLE IF EXISTS {line}")
        await connection.close()


async def insert_one(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """INSERT one by one, each committed."""
    async with _table(options) as (connection, line):
        insert = await connection.prepare(_INSERT.format(line=line))
        yield 0
        for _ in range(count):
            await insert.fetch(BODY)
            yield 1


async def insert_many(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """INSERT by 100, from an array."""
    async with _table(options) as (connection, line):
        insert = await connection.prepare(_INSERT_MANY.format(line=line))
        yield 0
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            await insert.fetch([BODY] * size)
            yield size


async def take(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Take by 100 under a lease with SKIP LOCKED, then DELETE."""
    async with _table(options) as (connection, line):
        await connection.execute(_FILL.format(line=line), BODY, count)
        take = await connection.prepare(_TAKE.format(line=line))
        delete = await connection.prepare(_DELETE.format(line=line))
        yield 0
        while rows := await take.fetch(BATCH):
            await delete.fetch([row["id"] for row in rows])
            yield len(rows)


FLOORS = {"dispatch-one": insert_one, "dispatch-many": insert_many, "noop": take}


_ASKED: set[str] = set()


async def commands(options: Mapping[str, str]) -> int:
    """How many transactions its database has seen: each statement that stands alone is one.

    Those of autovacuum are among them. Who asks first waits until all have told of what was before.
    """
    if options["postgres_dsn"] not in _ASKED:
        await asyncio.sleep(_TELLS_WITHIN)
        _ASKED.add(options["postgres_dsn"])
    connection = await _connect(options, database="postgres")  # so that this is not counted, too
    try:
        return int(await connection.fetchval(_COUNT, urlsplit(options["postgres_dsn"]).path[1:]))
    finally:
        await connection.close()


def wanted(options: Mapping[str, str]) -> Mapping[str, Mapping[str, float]]:
    """Found with results stored, on a server with its default durability."""
    return {
        "dispatch-one": {"at_least": 0.65, "about": 2_200},
        "dispatch-50": {"about": 25_000},
        "dispatch-many": {"about": 80_000},
        "noop-100": {"at_least": 0.5, "about": 28_000},
        "noop-100-two": {"at_least": 1.7},
        "cpu": {"limit": 50},
        "io": {"at_least": 0.95},
        "latency-p50": {"limit": 2},
        "waiting-20k": {"at_most": 1.2},
        "waiting-1m": {"at_most": 1.2},
        "round-trip": {"at_least": 0.8},
        "idle-cpu": {"limit": 1},
        "idle-commands": {"limit": 2},
        "rss": {"above": 20},
    }
