"""Statements on a connection: all of it happens, or nothing of it.

On a connection of ours one is sent as it stands, prepared, in one round trip. Through PgBouncer it
has a transaction around it, as only that can say how it is to be planned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.postgres._client import ANSWER, Connection
from asynctasq_drivers.postgres._errors import translated

PLANNING: Final[Mapping[str, str]] = {
    # Statistics of a table that was empty a moment ago must not lead to a plan that sorts it all.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
ALIVE: Final[Mapping[str, str]] = {
    # What a client whose machine is gone had locked is free again after two minutes.
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
"""Of every connection."""
SETTINGS: Final[Mapping[str, str]] = {
    **ALIVE,
    **PLANNING,
    "plan_cache_mode": "force_generic_plan",
    "default_transaction_isolation": "read committed",
}
"""Of a connection of ours, from its beginning on."""

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; " + "; ".join(
    f"SET LOCAL {name} = {value}" for name, value in PLANNING.items()
)


Statement: TypeAlias = tuple[str, Sequence[Any]]
"""SQL, and what stands for its placeholders."""


async def by_itself(connection: Connection, statement: Statement) -> list[Any]:
    """Rows of a statement that is a transaction by itself. Raises the client library's errors."""
    sql, arguments = statement
    return await connection.fetch(sql, *arguments, timeout=ANSWER)


async def in_transaction(connection: Connection, *statements: Statement) -> list[Any]:
    """Rows of the first of several that happen together. Until the commit, nothing is stored."""
    try:
        await connection.execute(_BEGIN, timeout=ANSWER)
        answers = [await by_itself(connection, statement) for statement in statements]
    except Exception as error:
        told = translated(error)
        if isinstance(told, OutcomeUnknown):
            connection.terminate()
            raise DriverUnavailable(str(told)) from error
        await connection.execute("ROLLBACK", timeout=ANSWER)
        raise
    await connection.execute("COMMIT", timeout=ANSWER)
    return answers[0]
