"""What the tables are called, quoted: nothing else of what users choose comes into a statement."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from msgspec import Struct

from asynctasq.errors import ConfigError
from asynctasq_drivers.postgres._options import PostgresOptions

LONGEST: Final = 63
"""Bytes of a name. PostgreSQL cuts what is longer, and takes two of them for the same."""
ROOM: Final = len("_completed_expiry")
"""What is put behind a name at most."""


class Table(Struct, frozen=True):
    """A table, or whatever lies beside one, in a schema or wherever the search path leads."""

    schema: str | None
    name: str

    def beside(self, ending: str) -> Table:
        """The one of that ending, in the same schema."""
        return Table(self.schema, self.name + ending)

    @property
    def plain(self) -> str:
        """Quoted, without its schema."""
        return _quoted(self.name)

    def __str__(self) -> str:
        return self.plain if self.schema is None else f"{_quoted(self.schema)}.{self.plain}"


class Names(Struct, frozen=True):
    """The tables of one installation: two of different names know nothing of each other."""

    queue: Table
    dead: Table

    @property
    def migrations(self) -> Table:
        """Which steps of the schema were applied."""
        return self.queue.beside("_migrations")

    def places(self) -> dict[str, str]:
        """What stands in the statements in braces, and what for."""
        completed, results = self.queue.beside("_completed"), self.queue.beside("_results")
        return {
            "queue": str(self.queue),
            "dead": str(self.dead),
            "completed": str(completed),
            "results": str(results),
            "migrations": str(self.migrations),
            # An index is where its table is.
            "queue_line": self.queue.beside("_line").plain,
            "dead_expiry": self.dead.beside("_expiry").plain,
            "completed_expiry": completed.beside("_expiry").plain,
            "results_expiry": results.beside("_expiry").plain,
        }

    @property
    def channel(self) -> str:
        """Where those who wait for tasks listen."""
        return f"asynctasq:{self._hash(str(self.queue)).hex()}"

    @property
    def results_channel(self) -> str:
        """Where those who wait for results listen."""
        return f"{self.channel}:results"

    @property
    def migrating_lock(self) -> int:
        """The number of an advisory lock: held by who brings the schema up to date."""
        # Without a schema: which it is may not be known before there are tables.
        return self._number(f"migrate {self.queue.plain}")

    @property
    def awaited_lock(self) -> int:
        """The number of an advisory lock: shared by all who wait for results."""
        return self._number(f"awaited {self.queue}")

    def _number(self, text: str) -> int:
        return int.from_bytes(self._hash(text)[:8], signed=True)

    @staticmethod
    def _hash(text: str) -> bytes:
        return sha256(b"asynctasq " + text.encode()).digest()[:16]


def names_of(options: PostgresOptions) -> Names:
    """The tables that the options name. Raises `ConfigError`."""
    names = Names(
        _table("postgres_queue_table", options.postgres_queue_table),
        _table("postgres_dead_letter_table", options.postgres_dead_letter_table),
    )
    if names.queue == names.dead:
        raise ConfigError(
            f"postgres_dead_letter_table: {options.postgres_dead_letter_table!r} is the table of "
            "postgres_queue_table too; expected another one"
        )
    return names


def _table(option: str, value: str) -> Table:
    *schema, name = value.split(".")
    for part in (*schema, name):
        longest = LONGEST - ROOM if part is name else LONGEST
        if len(schema) > 1 or not part.isprintable() or not 0 < len(part.encode()) <= longest:
            raise ConfigError(
                f"{option}: {value!r}; expected the name of a table, or schema.table, without "
                f"control characters, the name of at most {LONGEST - ROOM} bytes"
            )
    return Table(schema[0] if schema else None, name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
