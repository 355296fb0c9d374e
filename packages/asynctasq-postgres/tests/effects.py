"""An application: each commit of its tasks leaves a row. It may be told where to die, or to stop.

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
SLOW: Final = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(seconds) FROM hurdles;
    RETURN NULL;
END
$$;
CREATE TABLE hurdles (seconds float8);
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION slow();
"""
"""Lets a commit that has written there take as long as `hurdles` says."""
POINT: Final = "EFFECTS_POINT"
"""The variable that says where."""
SIGNAL: Final = "EFFECTS_SIGNAL"
"""The variable that says by which signal, such as SIGSTOP."""
POINTS: Final = (
    "before begin",
    "begun",
    "written",
    "settled",
    "commit under way",
    "committed",
    "returned",
)


gates: Final[list[asyncio.Event]] = []
"""What `pay` waits for in its block."""


def reach(point: str) -> None:
    """Die, or whatever was told, if this is the point; once."""
    if os.environ.get(POINT) == point:
        del os.environ[POINT]
        os.kill(os.getpid(), signal.Signals[os.environ[SIGNAL]])


async def leave(connection: Any, step: str, task: object = None) -> None:
    """Write the row of a task."""
    task = task or asynctasq.current().id
    await connection.execute("INSERT INTO effects VALUES ($1, $2)", step, task)


@asynctasq.task(name="postgres.effects.pay", retry_delay=0)
async def pay() -> int:
    reach("before begin")
    async with asynctasq.transaction() as connection:
        reach("begun")
        await leave(connection, "pay")
        reach("written")
        for gate in gates:
            await gate.wait()
    reach("committed")
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
    reach("committed")


class Doomed:
    """What the driver and its client library do, with points on the way."""

    settle_in = PostgresDriver.settle_in
    store = PostgresDriver.store
    commit = asyncpg.transaction.Transaction.commit

    @staticmethod
    async def dying_settle_in(driver: PostgresDriver, connection: Any, ack: Ack) -> bool:
        settled = await Doomed.settle_in(driver, connection, ack)
        reach("settled")
        return settled

    @staticmethod
    async def dying_store(driver: PostgresDriver, records: Sequence[Record]) -> None:
        reach("returned")
        await Doomed.store(driver, records)

    @staticmethod
    async def dying_commit(transaction: Any) -> None:
        committing = asyncio.ensure_future(Doomed.commit(transaction))
        for _ in range(2):  # it is said by then, and not answered
            await asyncio.sleep(0)
        reach("commit under way")
        await committing


if POINT in os.environ:
    PostgresDriver.settle_in = Doomed.dying_settle_in  # type: ignore[method-assign, assignment]
    PostgresDriver.store = Doomed.dying_store  # type: ignore[method-assign, assignment]
    asyncpg.transaction.Transaction.commit = Doomed.dying_commit
