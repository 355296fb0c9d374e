"""The ``postgres`` driver: the whole contract in a PostgreSQL database that you have already.

Read `_driver.py` first: one method for each verb. Each is one statement, in `sql/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asynctasq_drivers.postgres._options import PostgresOptions as PostgresOptions

if TYPE_CHECKING:
    from asynctasq_drivers.postgres._driver import PostgresDriver as PostgresDriver


def __getattr__(name: str) -> Any:
    """The driver, once it is asked for: who only wants its options needs no client library."""
    if name == "PostgresDriver":
        from asynctasq_drivers.postgres._driver import PostgresDriver

        return PostgresDriver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
