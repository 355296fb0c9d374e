"""Whether a caller's connection is in a state in which a statement can join its transaction."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from asynctasq.errors import Unsupported

FAILED: Final = (
    "the transaction has failed already, and can only be rolled back: do that, and begin it again"
)
_STATUSES: Final = ("IDLE", "ACTIVE", "INTRANS", "INERROR", "UNKNOWN")
"""As libpq numbers them."""


def name_of(connection: object) -> str:
    """Its class, as its owner knows it."""
    kind = type(connection)
    return f"{kind.__module__.partition('.')[0]} {kind.__qualname__}"


def closed(connection: object) -> Unsupported:
    """For one that is at its end, or was given back to its pool."""
    return Unsupported(
        f"this {name_of(connection)} is closed, or was given back to its pool: "
        "dispatch while its transaction is open"
    )


def not_begun(connection: object, mend: str) -> Unsupported:
    """For one that would commit the statement by itself."""
    return Unsupported(f"no transaction is open on this {name_of(connection)}: {mend}")


def status_of(connection: Any) -> str:
    """What libpq says of a connection of psycopg, 2 or 3."""
    number: int = connection.info.transaction_status
    return _STATUSES[number]


def check_not_failed(connection: Any) -> None:
    """Refuse a psycopg connection whose transaction has failed. (asyncpg does not tell.)"""
    if status_of(connection) == "INERROR":
        raise Unsupported(FAILED)


def check_loop(connection: Any) -> None:
    """Refuse an asyncpg connection of another event loop: its answers would never come."""
    loop = getattr(connection, "_loop", None)
    if loop is not None and loop is not asyncio.get_running_loop():
        raise Unsupported(
            f"this {name_of(connection)} belongs to another event loop: dispatch on the loop "
            "that made it, with `await`, not with dispatch_sync"
        )
