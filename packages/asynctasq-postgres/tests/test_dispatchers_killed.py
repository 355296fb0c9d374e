"""A process that dies in or after a transaction in which it has dispatched a task."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from asynctasq.worker import Worker

from .servers.own import ask
from .shop import QUEUE, Shop, once, until

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

POINTS: Final = ("written", "dispatched", "commit under way", "committed")
PROGRAM: Final = """
import asyncio, os, signal, sys
import asyncpg
import asynctasq
from effects import leave, ship

dsn, order, queue, where = sys.argv[1:]

def die(point):
    if where == point:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "doomed"})
    transaction = connection.transaction()
    await transaction.start()
    await leave(connection, "order", order)
    die("written")
    await ship(order).on_queue(queue).dispatch(connection=connection)
    die("dispatched")
    committing = asyncio.ensure_future(transaction.commit())
    for _ in range(2):  # it is said by then, and not answered
        await asyncio.sleep(0)
    die("commit under way")
    await committing
    die("committed")

asynctasq.init({"driver": "postgres", "postgres_dsn": dsn})
asynctasq.run(main())
"""


def nobody_is_left(shop: Shop) -> bool:
    """Whether the server has noticed that they are dead."""
    here = "datname = current_database() AND application_name = 'doomed'"
    return ask(shop.dsn, f"SELECT count(*) FROM pg_stat_activity WHERE {here}") == [0]


@pytest.mark.parametrize("point", POINTS)
async def test_what_a_killed_process_has_dispatched_is_there_if_it_has_committed(
    shop: Shop, point: str
) -> None:
    order = uuid4()
    async with Worker([QUEUE]) as worker:
        words = [sys.executable, "-c", PROGRAM, shop.dsn, str(order), QUEUE, point]
        died = await asyncio.to_thread(subprocess.run, words, cwd=Path(__file__).parent)
        assert died.returncode == -signal.SIGKILL
        await until(lambda: nobody_is_left(shop), "the server knows")
        committed = shop.effects()[("order", order)] == 1
        if point != "commit under way":
            assert committed is (point == "committed")
        await shop.emptied()
    assert shop.effects() == (once("order", [order]) + once("ship", [order]) if committed else {})
    assert worker.completed == int(committed)
