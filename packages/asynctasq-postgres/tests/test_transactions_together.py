"""Many transactions of tasks beside each other, long ones, and by way of PgBouncer."""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncpg
import pytest

import asynctasq
from asynctasq.worker import Worker
from tools.backends import Room

from .effects import SLOW, leave, order, pay
from .servers.own import ask, at
from .servers.pgbouncer import pgbouncer
from .shop import QUEUE, Shop, once, until

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

LEASE = 2.0
"""Seconds: a pause of this process for one of them costs no lease."""
ISOLATIONS = ["read committed", "repeatable read", "serializable"]
runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


@asynctasq.task(name="postgres.together.hold", queue=QUEUE)
async def hold(key: str, seconds: float = 0.0) -> int:
    """Until a gate opens, or for so long."""
    runs[key] += 1
    async with asynctasq.transaction() as connection:
        await leave(connection, "hold")
        runs[f"{key} holds"] += 1
        if key in gates:
            await gates[key].wait()
        await asyncio.sleep(seconds)
    return asynctasq.current().attempt


@asynctasq.task(name="postgres.together.plain", queue=QUEUE)
async def plain() -> None:
    """Needs no connection of its own."""


@asynctasq.task(name="postgres.together.linger", queue=QUEUE)
async def linger() -> None:
    """Needs its lease for longer than it is."""
    await asyncio.sleep(2.5 * LEASE)


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_block_that_is_longer_than_its_lease_keeps_it_whatever_the_database_isolates(
    shop: Shop, isolation: str
) -> None:
    name = shop.dsn.rpartition("/")[2]
    ask(shop.dsn, f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")
    shop.init(keep_completed_tasks=True)
    async with Worker([QUEUE]) as one, Worker([QUEUE]) as other:
        calls = [hold(shop.dsn, 4 * LEASE).visibility_timeout(LEASE) for _ in range(4)]
        handles = await asynctasq.dispatch_many(calls)
        assert [await handle.result(timeout=20) for handle in handles] == [1] * 4
        await until(lambda: one.completed + other.completed == 4, "all are completed")
    assert (one.failed + other.failed, runs[shop.dsn]) == (0, 4)
    assert shop.effects() == once("hold", (handle.id for handle in handles))
    assert (shop.tasks(), shop.interrupted()) == (0, 0)


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_the_block_reads_what_is_committed_whatever_the_database_isolates(
    shop: Shop, isolation: str
) -> None:
    name = shop.dsn.rpartition("/")[2]
    ask(shop.dsn, f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")

    @asynctasq.task(name=f"{name}-asks", queue=QUEUE)
    async def asks() -> str:
        async with asynctasq.transaction() as connection:
            return str(await connection.fetchval("SHOW transaction_isolation"))

    async with Worker([QUEUE]):
        assert await (await asks().dispatch()).result(timeout=20) == "read committed"


async def test_transactions_wait_for_the_only_connection_and_everything_else_goes_on(
    shop: Shop,
) -> None:
    gates[shop.dsn] = asyncio.Event()
    shop.init(postgres_min_pool_size=1, postgres_max_pool_size=1, default_visibility_timeout=LEASE)
    async with Worker([QUEUE], concurrency=10) as worker:
        handles = await asynctasq.dispatch_many([hold(shop.dsn) for _ in range(8)])
        await until(lambda: runs[shop.dsn] == 8, "all have begun")
        for handle in await asynctasq.dispatch_many([plain() for _ in range(50)]):
            await handle.result(timeout=20)
        first = dict(ask(shop.dsn, "SELECT id, locked_until FROM task_queue"))
        assert set(first) == {handle.id for handle in handles}
        await until(lambda: renewed(shop, first), "each lease is renewed")
        assert runs[f"{shop.dsn} holds"] == 1
        gates[shop.dsn].set()
        assert [await handle.result(timeout=20) for handle in handles] == [1] * 8
    assert (worker.failed, runs[shop.dsn]) == (0, 8)
    assert shop.effects() == once("hold", (handle.id for handle in handles))


def renewed(shop: Shop, before: dict[object, object]) -> bool:
    now = dict(ask(shop.dsn, "SELECT id, locked_until FROM task_queue"))
    return all(now[id] != ends for id, ends in before.items())


async def test_a_commit_that_is_longer_than_all_leases_costs_none_of_them(shop: Shop) -> None:
    shop.init(keep_completed_tasks=True)
    ask(shop.dsn, SLOW)
    ask(shop.dsn, "INSERT INTO hurdles VALUES (%s)", 5 * LEASE)
    asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    async with Worker([QUEUE]) as one, Worker([QUEUE]) as other:
        slow = await pay().on_queue(QUEUE).visibility_timeout(LEASE).dispatch()
        await until(lambda: ask(shop.dsn, asleep), "it commits")
        calls = [linger().visibility_timeout(LEASE) for _ in range(12)]
        for handle in await asynctasq.dispatch_many(calls):
            await handle.result(timeout=20)
        assert ask(shop.dsn, asleep), "it is a commit no more"
        assert await slow.result(timeout=20) == 1
        await until(lambda: one.completed + other.completed == 13, "all are completed")
    assert shop.effects() == once("pay", [slow.id])
    assert (shop.tasks(), shop.interrupted()) == (0, 0)


async def test_who_is_stopped_while_it_waits_for_a_connection_gives_its_place_to_others(
    shop: Shop,
) -> None:
    gates[shop.dsn] = asyncio.Event()
    shop.init(postgres_min_pool_size=1, postgres_max_pool_size=1)
    async with Worker([QUEUE], concurrency=10) as worker:
        handles = await asynctasq.dispatch_many([hold(shop.dsn) for _ in range(4)])
        await until(lambda: runs[shop.dsn] == 4, "all have begun")
        hasty = await hold(shop.dsn).timeout(0.2).max_attempts(1).dispatch()
        with pytest.raises(asynctasq.errors.TaskFailed, match="TimeoutError"):
            await hasty.result(timeout=20)
        gates[shop.dsn].set()
        assert [await handle.result(timeout=20) for handle in handles] == [1] * 4
    assert worker.failed == 1
    assert shop.effects() == once("hold", (handle.id for handle in handles))


async def test_hundreds_of_chains_beside_each_other_are_done_once(shop: Shop) -> None:
    async with Worker([QUEUE], concurrency=50) as one, Worker([QUEUE], concurrency=50) as other:
        ids = [
            handle.id
            for handle in await asynctasq.dispatch_many(
                [order().on_queue(QUEUE) for _ in range(300)]
            )
        ]
        await shop.emptied()
    assert shop.effects() == once("order", ids) + once("ship", ids)
    assert (one.completed + other.completed, one.failed + other.failed) == (600, 0)


async def test_by_way_of_pgbouncer_all_is_the_same(shop: Shop, postgres_server: Room) -> None:
    with pgbouncer(postgres_server, connections=4) as room:
        dsn = at(room.url, shop.dsn.rpartition("/")[2])
        shop.init(postgres_dsn=dsn, postgres_pgbouncer=True)
        connection = await asyncpg.connect(dsn, statement_cache_size=0)
        async with connection.transaction():
            await pay().on_queue(QUEUE).dispatch(connection=connection)
        await connection.close()
        async with Worker([QUEUE], concurrency=10) as worker:
            calls = [order().on_queue(QUEUE) for _ in range(30)]
            ids = [handle.id for handle in await asynctasq.dispatch_many(calls)]
            await shop.emptied()
            await until(lambda: worker.completed == 61, "all are completed")
        await asynctasq.close()
    done = shop.effects()
    assert done.total() == 61
    assert once("order", ids) + once("ship", ids) <= done
    assert worker.failed == 0
