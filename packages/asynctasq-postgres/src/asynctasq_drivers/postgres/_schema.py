"""The schema and its versions.

They stand in a table of the installation, which also says what the table of dead tasks is called:
that may be renamed by nobody who only changes an option.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from asynctasq.driver import Migration
from asynctasq.errors import BackendRefused
from asynctasq_drivers.postgres._client import ANSWER, Connection, sqlstate
from asynctasq_drivers.postgres._names import Names, Table
from asynctasq_drivers.postgres._statements import migrations

PATIENCE: Final = "5s"
"""How long a step waits for a table that somebody uses: as long everybody else waits for it."""

STEP: Final = 3600.0
"""Seconds that a step may take: one that takes longer is better run by hand."""
LOOK_AGAIN: Final = 0.1
"""Seconds from one try for the lock to the next, while somebody else migrates."""

_TABLE: Final = """\
CREATE TABLE IF NOT EXISTS {migrations} (
    version integer PRIMARY KEY,
    name text NOT NULL,
    dead_letter_table text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

"""
_HINTS: Final = {
    "42501": "this user may not do that: give the SQL that `asynctasq migrate --driver postgres "
    "--sql` prints to whoever may",
    "42P07": "it is somebody else's, or of tasks in another table: give postgres_queue_table and "
    "postgres_dead_letter_table names that nothing has yet",
}
"""By what the server said of a step."""
# To read the catalogue itself makes the server take note of a table that was made since.
_IS_THERE: Final = "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1::text)"
_STATE: Final = """\
SELECT
    version, dead_letter_table,
    to_regclass(dead_letter_table)::oid IS NOT DISTINCT FROM to_regclass($1::text)::oid
FROM {migrations}
ORDER BY version DESC
LIMIT 1
"""
_SCHEMA_OF: Final = """\
SELECT n.nspname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass($1::text)
"""


def steps(names: Names) -> tuple[Migration, ...]:
    """All of them, each with what records it: whoever runs their SQL by hand has done all."""
    table, dead = str(names.migrations), _literal(str(names.dead))
    told: list[Migration] = []
    for step in migrations(names):
        begin = _TABLE.replace("{migrations}", table) if step.version == 1 else ""
        end = (
            f"\nINSERT INTO {table} (version, name, dead_letter_table)\n"
            f"VALUES ({step.version}, '{step.name}', {dead});\n"
        )
        told.append(msgspec.structs.replace(step, sql=begin + step.sql + end))
    return tuple(told)


async def pending(connection: Connection, names: Names) -> tuple[Migration, ...]:
    """What `migrate` would apply. Raises `BackendRefused` for a schema newer than this driver."""
    known = steps(names)
    version = await _version(connection, names)
    if version > known[-1].version:
        raise BackendRefused(
            f"table {names.queue}: its schema has version {version}, this asynctasq-postgres knows "
            f"up to {known[-1].version}: install the newer one that made it"
        )
    return tuple(step for step in known if step.version > version)


async def migrate(connection: Connection, names: Names) -> tuple[Migration, ...]:
    """Apply what is pending, all of it in one transaction; returns what this call applied."""
    if not await pending(connection, names):
        return ()
    await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED", timeout=ANSWER)
    try:
        await _lock(connection, names.migrating_lock)
        applied = await pending(connection, names)
        await connection.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'", timeout=ANSWER)
        await _apply(connection, applied)
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK", timeout=ANSWER)
        raise
    await connection.execute("COMMIT", timeout=ANSWER)
    return applied


async def _lock(connection: Connection, number: int) -> None:
    """Until nobody else migrates. Asked anew each time, so that a dead server is noticed."""
    sql = "SELECT pg_try_advisory_xact_lock($1)"
    while not (await connection.fetch(sql, number, timeout=ANSWER))[0][0]:
        await asyncio.sleep(LOOK_AGAIN)


async def _apply(connection: Connection, pending: Sequence[Migration]) -> None:
    for step in pending:
        try:
            await connection.execute(step.sql, timeout=STEP)
        except Exception as error:
            if hint := _HINTS.get(sqlstate(error)):
                told = f"migration {step.version} {step.name}: {error}; {hint}"
                raise BackendRefused(told) from error
            raise


async def require_current(connection: Connection, names: Names) -> None:
    """Raise `BackendRefused` where something is pending."""
    if missing := await pending(connection, names):
        told = ", ".join(f"{step.version} {step.name}" for step in missing)
        raise BackendRefused(
            f"table {names.queue}: migrations are pending ({told}), and postgres_auto_migrate is "
            "off: run `asynctasq migrate --driver postgres`, or give the SQL that `asynctasq "
            "migrate --driver postgres --sql` prints to whoever may run it"
        )


async def located(connection: Connection, names: Names) -> Names:
    """The same names, with the schemas in which the tables were found."""
    return Names(await _located(connection, names.queue), await _located(connection, names.dead))


async def _located(connection: Connection, table: Table) -> Table:
    rows = await connection.fetch(_SCHEMA_OF, str(table), timeout=ANSWER)
    if not rows:
        raise BackendRefused(f"table {table}: there is none; run `asynctasq migrate`")
    return Table(rows[0][0], table.name)


async def _version(connection: Connection, names: Names) -> int:
    table = str(names.migrations)
    if not (await connection.fetch(_IS_THERE, table, timeout=ANSWER))[0][0]:
        return 0
    state = _STATE.replace("{migrations}", table)
    rows = await connection.fetch(state, str(names.dead), timeout=ANSWER)
    if not rows:
        return 0
    version, dead, same = rows[0]
    if not same:
        raise BackendRefused(
            f"table {names.queue}: its dead tasks are in {dead}, and postgres_dead_letter_table "
            f"says {names.dead}: set it to that, or give both tables new names"
        )
    found: Any = version
    return int(found)


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"
