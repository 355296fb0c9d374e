"""What is asked for by name, and loaded late, keeps its type, and with it the core's contracts.

Nothing here runs: the file is read by mypy and pyright.
"""

from __future__ import annotations

from typing import assert_type

from asynctasq.driver import (
    Context,
    Driver,
    JoinsTransaction,
    Migrates,
    ResultStore,
    SettlesInTransaction,
    TaskStore,
)
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions

made = PostgresDriver(PostgresOptions(), Context())
assert_type(made, PostgresDriver)

driver: Driver = made
tasks: TaskStore = made
results: ResultStore = made
migrates: Migrates = made
joins: JoinsTransaction = made
settles: SettlesInTransaction = made

PostgresDriver()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
