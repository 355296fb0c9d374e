"""The SQL of each verb, by the name of its file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import chain
from typing import Any, Final

from asynctasq.driver import Migration

_FOLDER: Final = files("asynctasq_drivers.sqlite") / "sql"


def sql(name: str) -> str:
    """The statement in ``sql/<name>.sql``."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def many_rows(name: str) -> dict[int, str]:
    """The statement in ``sql/<name>.sql``, which stores one row, for 100, for 10 and for one.

    Many rows in a statement take up to half the time of as many statements.
    """
    one = sql(name)
    (row,) = re.findall(r"\(\?[?, ]*\)", one)
    return {rows: one.replace(row, ", ".join([row] * rows)) for rows in (100, 10, 1)}


def insert(
    cursor: sqlite3.Cursor, statements: Mapping[int, str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Store rows by what `many_rows` made, in their order."""
    start = 0
    for size, statement in statements.items():
        while len(rows) - start >= size:
            cursor.execute(statement, tuple(chain.from_iterable(rows[start : start + size])))
            start += size


def migrations() -> tuple[Migration, ...]:
    """The numbered steps of the schema, in their order."""
    found = sorted((_FOLDER / "migrations").iterdir(), key=lambda file: file.name)
    return tuple(
        Migration(int(file.name[:4]), file.name[5:-4], file.read_text(encoding="utf-8"))
        for file in found
    )
