"""`dispatch(connection=...)`: the task is there if the caller's transaction commits, else not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import asynctasq
from asynctasq.worker import Worker

from .callers import Base, Kind, Own, alchemy_url, chosen
from .servers.own import ask
from .shop import Shop, until

pytestmark = pytest.mark.asyncio

CALLERS = chosen(
    "asyncpg",
    "asyncpg-pool",
    "psycopg",
    "psycopg-pool",
    "blocking-psycopg",
    "async-session-asyncpg",
    "async-session-psycopg",
    "async-connection-asyncpg",
    "session-psycopg",
    "session-psycopg2",
    "connection-psycopg",
)
BLOCKING = chosen("blocking-psycopg", "session-psycopg", "session-psycopg2", "connection-psycopg")

runs: list[str] = []


@asynctasq.task(name="postgres.joined.note", queue="joined")
async def note(name: str) -> str:
    runs.append(name)
    return name


@asynctasq.task(name="postgres.joined.last", queue="joined")
async def last() -> None:
    """After all that was there before."""


@pytest_asyncio.fixture
async def running(shop: Shop) -> AsyncIterator[Worker]:
    """A worker that waits already, and looks at its tasks one by one."""
    ask(shop.dsn, "CREATE TABLE own (name text PRIMARY KEY)")
    runs.clear()
    async with Worker(["joined"], concurrency=1) as worker:
        await (await last().dispatch()).result(timeout=20)
        yield worker


def own(shop: Shop) -> list[str]:
    """What the caller has written."""
    return sorted(ask(shop.dsn, "SELECT name FROM own"))


async def nothing_came() -> None:
    """What was sent before this has not run, as it runs in the order in which it came."""
    await (await last().dispatch()).result(timeout=20)
    assert not runs


@pytest.mark.parametrize("kind", CALLERS)
async def test_a_row_and_a_task_are_committed_together(
    shop: Shop, running: Worker, kind: Kind
) -> None:
    async with kind(shop.dsn) as caller:
        await caller.run("INSERT INTO own VALUES ('mine')")
        handle = await note("committed").dispatch(connection=caller.connection)
        await nothing_came()
        assert own(shop) == []
        await caller.commit()
        assert await handle.result(timeout=20) == "committed"
    assert (own(shop), runs) == (["mine"], ["committed"])


@pytest.mark.parametrize("kind", CALLERS)
async def test_a_row_and_a_task_are_rolled_back_together(
    shop: Shop, running: Worker, kind: Kind
) -> None:
    async with kind(shop.dsn) as caller:
        await caller.run("INSERT INTO own VALUES ('mine')")
        await note("rolled back").dispatch(connection=caller.connection)
        await caller.rollback()
        await nothing_came()
    assert own(shop) == []


@pytest.mark.parametrize("kind", CALLERS)
async def test_what_a_savepoint_takes_back_is_not_sent_and_the_rest_is(
    shop: Shop, running: Worker, kind: Kind
) -> None:
    async with kind(shop.dsn) as caller:
        await note("before").dispatch(connection=caller.connection)
        await caller.run("SAVEPOINT here")
        await asynctasq.dispatch_many(
            [note("within"), note("within as well")], connection=caller.connection
        )
        await caller.run("ROLLBACK TO SAVEPOINT here")
        calls = [note("after"), note("and last")]
        handles = await asynctasq.dispatch_many(calls, connection=caller.connection)
        await caller.commit()
        assert [await handle.result(timeout=20) for handle in handles] == ["after", "and last"]
    assert runs == ["before", "after", "and last"]


async def test_a_task_within_a_block_that_is_a_savepoint_goes_with_it(
    shop: Shop, running: Worker
) -> None:
    connection = await asyncpg.connect(shop.dsn)
    async with connection.transaction():
        with suppress(ZeroDivisionError):
            async with connection.transaction():
                await note("taken back").dispatch(connection=connection)
                raise ZeroDivisionError
        async with connection.transaction():
            handle = await note("kept").dispatch(connection=connection)
    assert await handle.result(timeout=20) == "kept"
    await connection.close()
    assert runs == ["kept"]


async def test_objects_that_a_session_flushes_and_their_tasks_are_one_commit(
    shop: Shop, running: Worker
) -> None:
    ask(shop.dsn, "DROP TABLE own")
    engine = create_async_engine(alchemy_url(shop.dsn, "asyncpg"))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session, session.begin():
        session.add(Own(name="flushed"))
        handle = await note("of a session").dispatch(connection=session)
    assert await handle.result(timeout=20) == "of a session"
    await engine.dispose()
    assert own(shop) == ["flushed"]


async def test_ten_thousand_tasks_are_one_commit(shop: Shop) -> None:
    connection = await asyncpg.connect(shop.dsn)
    for end in ("rollback", "commit"):
        transaction = connection.transaction()
        await transaction.start()
        calls = [note(str(number)).on_queue("many") for number in range(10_000)]
        handles = await asynctasq.dispatch_many(calls, connection=connection)
        assert shop.tasks() == 0
        await getattr(transaction, end)()
        assert shop.tasks() == (10_000 if end == "commit" else 0)
    await connection.close()
    assert len({handle.id for handle in handles}) == 10_000
    names = ask(shop.dsn, "SELECT id FROM task_queue ORDER BY seq")
    assert names == [handle.id for handle in handles], "they come in their order"


@pytest.mark.parametrize("kind", BLOCKING)
async def test_code_without_a_loop_dispatches_in_its_transaction(
    shop: Shop, running: Worker, kind: Kind
) -> None:
    async with kind(shop.dsn) as caller:
        await caller.run("INSERT INTO own VALUES ('mine')")
        for end in (caller.rollback, caller.commit):
            handle = await asyncio.to_thread(
                note("from a thread").dispatch_sync, connection=caller.connection
            )
            await nothing_came()
            await end()
        assert await asyncio.to_thread(handle.result_sync, 20) == "from a thread"
    assert (own(shop), runs) == ([], ["from a thread"])


async def test_an_asyncio_connection_without_its_loop_is_refused_and_its_transaction_goes_on(
    shop: Shop, running: Worker
) -> None:
    connection = await asyncpg.connect(shop.dsn)
    async with connection.transaction():
        with pytest.raises(asynctasq.errors.Unsupported, match="another event loop"):
            await asyncio.to_thread(note("no").dispatch_sync, connection=connection)
        handle = await note("yes").dispatch(connection=connection)
    assert await handle.result(timeout=20) == "yes"
    await connection.close()
    assert runs == ["yes"]


@asynctasq.task(name="postgres.joined.blocking", queue="joined-threads")
def from_a_thread(dsn: str, name: str) -> None:
    """A plain function, which the worker runs in a thread."""
    import psycopg

    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO own VALUES (%s)", [name])
        note(name).dispatch_sync(connection=connection)


async def test_threads_of_a_worker_dispatch_in_transactions_of_their_own(
    shop: Shop, running: Worker
) -> None:
    names = [f"thread {number}" for number in range(20)]
    await asynctasq.dispatch_many([from_a_thread(shop.dsn, name) for name in names])
    async with Worker(["joined-threads"], concurrency=5):
        await until(lambda: len(runs) == len(names), "all have run")
    assert sorted(runs) == sorted(names) == own(shop)


@asynctasq.task(name="postgres.joined.task", queue="joined-tasks")
async def from_a_task(dsn: str, fails: bool) -> None:
    """An async function with a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await note("of a task").dispatch(connection=connection)
            if fails:
                raise ZeroDivisionError
    finally:
        await connection.close()


async def test_a_task_dispatches_in_a_transaction_of_its_own(shop: Shop, running: Worker) -> None:
    async with Worker(["joined-tasks"]) as worker:
        failing: Any = from_a_task(shop.dsn, True).max_attempts(1)
        with pytest.raises(asynctasq.errors.TaskFailed):
            await (await failing.dispatch()).result(timeout=20)
        await nothing_came()
        await (await from_a_task(shop.dsn, False).dispatch()).result(timeout=20)
        await until(lambda: runs, "it has run")
    assert (runs, worker.failed) == (["of a task"], 1)
