"""The same through SQLAlchemy: its own statement on its own connection.

So its transaction begins as it would, its log shows the statement and its events are told. No
pending object is flushed for it: the commit does that.

A `Session` or `Connection` comes here as it is, in a thread; of an asynchronous one, what it
stands on, where `run_sync` lets it wait.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from asynctasq.errors import Unsupported
from asynctasq_drivers.postgres._transaction_state import (
    FAILED,
    check_loop,
    check_not_failed,
    not_begun,
)

_DRIVERS: Final = ("asyncpg", "psycopg", "psycopg_async", "psycopg2")
_OPTIONS: Final = {"stream_results": False, "yield_per": None}
"""A cursor on the server can be declared for a SELECT alone."""
_PLACEHOLDER: Final = re.compile(r"\$(\d+)")


def on_session(
    session: Any, sql: str, arguments: Sequence[Any], *, awaits: bool = False
) -> list[tuple[Any, ...]]:
    """In the transaction of a session, which begins if there is none."""
    if not session.is_active:
        raise Unsupported(FAILED)
    _check_dialect(session.get_bind().dialect, awaits)
    return on_connection(session.connection(), sql, arguments, awaits=awaits)


def on_connection(
    connection: Any, sql: str, arguments: Sequence[Any], *, awaits: bool = False
) -> list[tuple[Any, ...]]:
    """In the transaction of a connection, which begins if there is none."""
    _check_dialect(connection.dialect, awaits)
    _check_state(connection)
    named = {f"p{number}": value for number, value in enumerate(arguments, 1)}
    result = connection.execute(_text(sql), named, execution_options=_OPTIONS)
    return [_row(row) for row in result] if result.returns_rows else []


def _check_dialect(dialect: Any, awaits: bool) -> None:
    if dialect.name != "postgresql":
        raise Unsupported(
            f"this connection or session is one to {dialect.name}: expected one to the PostgreSQL "
            "database of the tasks"
        )
    if dialect.driver not in _DRIVERS:
        raise Unsupported(
            f"SQLAlchemy with the client library {dialect.driver}: expected {', '.join(_DRIVERS)}"
        )
    if dialect.is_async and not awaits:
        raise Unsupported(
            "what an AsyncSession or AsyncConnection stands on cannot be used by itself: give the "
            "AsyncSession or AsyncConnection"
        )


def _check_state(connection: Any) -> None:
    pooled = connection.connection  # a closed one, or one that was lost, raises here
    if pooled.dbapi_connection.autocommit:
        raise not_begun(
            connection, "its isolation level is AUTOCOMMIT: give one with another isolation level"
        )
    if connection.dialect.driver == "asyncpg":
        check_loop(pooled.driver_connection)
    else:
        check_not_failed(pooled.driver_connection)


@lru_cache(maxsize=64)
def _text(sql: str) -> Any:
    # A name that `::` follows at once would not be taken for one.
    return sys.modules["sqlalchemy"].text(_PLACEHOLDER.sub(r"(:p\1)", sql))


def _row(row: Iterable[object]) -> tuple[Any, ...]:
    """psycopg 2 gives bytea as a memoryview."""
    return tuple(value.tobytes() if isinstance(value, memoryview) else value for value in row)
