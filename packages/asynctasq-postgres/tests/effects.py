"""An application: each commit of its tasks leaves a row. Its process may be told where to die.

`asynctasq worker --app effects` imports it by itself, from its folder.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any, Final

import asyncpg.transaction

import asynctasq
from asynctasq.driver import Ack, Record
from asynctasq_drivers.postgres import PostgresDriver

TABLE: Final = "CREATE TABLE effects (step text NOT NULL, task uuid NOT NULL)"
"""Without any constraint that would hide a second one."""
DIE: Final = "EFFECTS_DIE"
"""The variable that says where."""
POINTS: Final = (
    "before begin",
    "begun",
    "written",
    "settled",
    "commit under way",
    "committed",
    "returned",
)


def die(point: str) -> None:
    """As if the power went, if this is the point."""
    if os.environ.get(DIE) == point:
        os.kill(os.getpid(), signal.SIGKILL)


async def leave(connection: Any, step: str, task: object = None) -> None:
    """Write the row of a task."""
    task = task or asynctasq.current().id
    await connection.execute("INSERT INTO effects VALUES ($1, $2)", step, task)


@asynctasq.task(name="postgres.effects.pay", retry_delay=0)
async def pay() -> int:
    die("before begin")
    async with asynctasq.transaction() as connection:
        die("begun")
        await leave(connection, "pay")
        die("written")
    die("committed")
    return asynctasq.current().attempt


@asynctasq.task(name="postgres.effects.ship", retry_delay=0)
async def ship(order: str) -> None:
    async with asynctasq.transaction() as connection:
        await leave(connection, "ship", order)


@asynctasq.task(name="postgres.effects.order", retry_delay=0)
async def order() -> None:
    """The first of two, each of which happens once."""
    async with asynctasq.transaction() as connection:
        await leave(connection, "order")
        call = ship(str(asynctasq.current().id)).on_queue(asynctasq.current().queue)
        await call.dispatch(connection=connection)
    die("committed")


class Doomed:
    """What the driver and its client library do, with points to die at."""

    settle_in = PostgresDriver.settle_in
    store = PostgresDriver.store
    commit = asyncpg.transaction.Transaction.commit

    @staticmethod
    async def dying_settle_in(driver: PostgresDriver, connection: Any, ack: Ack) -> bool:
        settled = await Doomed.settle_in(driver, connection, ack)
        die("settled")
        return settled

    @staticmethod
    async def dying_store(driver: PostgresDriver, records: Sequence[Record]) -> None:
        die("returned")
        await Doomed.store(driver, records)

    @staticmethod
    async def dying_commit(transaction: Any) -> None:
        committing = asyncio.ensure_future(Doomed.commit(transaction))
        for _ in range(2):  # it is said by then, and not answered
            await asyncio.sleep(0)
        die("commit under way")
        await committing


if DIE in os.environ:
    PostgresDriver.settle_in = Doomed.dying_settle_in  # type: ignore[method-assign, assignment]
    PostgresDriver.store = Doomed.dying_store  # type: ignore[method-assign, assignment]
    asyncpg.transaction.Transaction.commit = Doomed.dying_commit
