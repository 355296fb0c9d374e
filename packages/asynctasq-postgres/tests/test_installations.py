"""Two installations in one database know nothing of each other, and share no table."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final, TypeAlias

import asyncpg
import pytest
import pytest_asyncio

from asynctasq.driver import Ack, Context, DeadLetter, Failure
from asynctasq.errors import BackendRefused
from asynctasq_drivers.postgres import PostgresDriver

from .drivers import made, message, opened, pending, record, taken, works
from .servers.own import ask, wait_for

Both: TypeAlias = tuple[PostgresDriver, PostgresDriver]

FAILURE: Final = Failure("ValueError", "no", "Traceback")
PAIRS: Final = {
    "other names": ("jobs", "jobs_dead", "tasks", "tasks_dead"),
    "other schemas": ("a.jobs", "a.dead", "b.jobs", "b.dead"),
    "one named after the other": ("jobs", "dead", "dead_jobs", "jobs_dead"),
}

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=PAIRS.values(), ids=[*PAIRS])
def tables(request: pytest.FixtureRequest, database: str) -> list[dict[str, str]]:
    """Of two installations, in schemas that are there."""
    for schema in ("a", "b"):
        ask(database, f"CREATE SCHEMA {schema}")
    names = request.param
    return [
        {"queue_table": queue, "dead_letter_table": dead} for queue, dead in (names[:2], names[2:])
    ]


@pytest_asyncio.fixture
async def both(database: str, tables: list[dict[str, str]], stack: AsyncExitStack) -> Both:
    kept = Context(keep_completed_tasks=True)
    one, other = [
        await stack.enter_async_context(opened(database, kept, **named)) for named in tables
    ]
    return one, other


async def test_migrations_are_each_ones_own(database: str, tables: list[dict[str, str]]) -> None:
    one, other = [made(database, **named) for named in tables]
    all_of_it = [step.version for step in await one.migrate()]
    assert len(all_of_it) > 1
    assert [step.version for step in await other.pending_migrations()] == all_of_it
    assert [step.version for step in await other.migrate()] == all_of_it
    assert await one.pending_migrations() == await other.pending_migrations() == ()


async def test_the_same_id_has_a_task_and_a_result_in_each(both: Both) -> None:
    one, other = both
    sent = message()
    await one.enqueue([sent])
    assert await other.get(sent.ref) is None
    assert await other.dequeue(["mail"], limit=1, wait=0.0) == ()
    await other.enqueue([sent])
    delivery = await taken(one)
    assert (await other.settle([Ack(delivery)])).lost == (delivery,)
    assert (await other.extend([delivery])).lost == (delivery,)
    assert not (await one.settle([Ack(delivery, record(delivery))])).lost
    assert await other.result(sent.ref, 0.0) is None
    task, of_other = await one.get(sent.ref), await other.get(sent.ref)
    assert task
    assert of_other
    assert (task.state, of_other.state) == ("completed", "pending")
    assert await other.delete([sent.ref]) == (sent.ref,)
    assert await one.result(sent.ref, 0.0) is not None


async def test_what_died_or_is_purged_in_one_did_not_in_the_other(both: Both) -> None:
    one, other = both
    await one.enqueue([message(), message()])
    await other.enqueue([message(), message(), message(queue="more")])
    delivery = (await one.dequeue(["mail"], limit=1, wait=0.0))[0]
    await one.settle([DeadLetter(delivery, FAILURE)])
    assert [(s.queue, s.pending, s.dead) for s in await one.stats()] == [("mail", 1, 1)]
    wanted = [("mail", 2, 0), ("more", 1, 0)]
    assert [(s.queue, s.pending, s.dead) for s in await other.stats()] == wanted
    assert (await other.list("dead", None, 10)).tasks == ()
    assert await other.retry_dead([delivery.ref]) == ()
    assert (await one.purge("mail")).count == 1
    assert await pending(other) == 2


async def test_nobody_is_woken_by_the_other(
    both: Both, database: str, stack: AsyncExitStack
) -> None:
    one, other = both
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(database)
    stack.push_async_callback(connection.close)
    for driver in both:
        names = driver._names
        for channel in (names.channel, names.results_channel):
            await connection.add_listener(channel, lambda *told: heard.put_nowait(told[2]))
    waiting = asyncio.ensure_future(one.result(message().ref, 60.0))
    lock = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    await asyncio.to_thread(wait_for, lambda: ask(database, lock) == [1], "somebody waits")
    for driver in (other, one):
        await driver.enqueue([message()])
        await driver._news.told()
        delivery = await taken(driver)
        await driver.settle([Ack(delivery, record(delivery))])
        await driver._results_news.told()
    await connection.add_listener("last", lambda *told: heard.put_nowait(told[2]))
    await connection.execute("NOTIFY last")
    wanted = [other._names.channel, one._names.channel, one._names.results_channel, "last"]
    told = [await asyncio.wait_for(heard.get(), 10.0)]
    while told[-1] != "last":
        told.append(await asyncio.wait_for(heard.get(), 10.0))
    assert told == wanted, "for a result of the other, nobody waits"
    waiting.cancel()
    await asyncio.wait((waiting,))


@pytest.mark.parametrize(
    ("queue", "dead"),
    [
        ("tasks", "dead_letter_queue"),
        ("tasks", "task_queue"),
        ("dead_letter_queue", "tasks"),
        ("task_queue_results", "tasks"),
        ("tasks", "tasks_completed"),
        ("tasks", "tasks_migrations"),
    ],
)
async def test_a_table_with_two_purposes_is_refused(database: str, queue: str, dead: str) -> None:
    async with opened(database) as first:
        second = made(database, queue_table=queue, dead_letter_table=dead)
        for call in (second.open, second.migrate):
            with pytest.raises(BackendRefused, match=r"exists.*names that nothing has yet"):
                await call()
        await second.close()
        await works(first)
    assert ask(database, "SELECT count(*) FROM pg_tables WHERE tablename ~ '^tasks'") == [0]


async def test_dead_tasks_are_not_left_behind_by_a_new_name(database: str) -> None:
    """Who only changes the option would no longer see them."""
    ask(database, "CREATE SCHEMA a")
    await made(database).migrate()
    ask(database, "CREATE TABLE there ()")
    for dead in ("elsewhere", "there", "a.dead_letter_queue", "task_queue_results"):
        for auto_migrate in (True, False):
            driver = made(database, dead_letter_table=dead, auto_migrate=auto_migrate)
            for call in (driver.open, driver.migrate, driver.pending_migrations):
                with pytest.raises(BackendRefused, match=r"are in \"dead_letter_queue\".*set it"):
                    await call()
            await driver.close()
    async with opened(database, dead_letter_table="public.dead_letter_queue") as same:
        await works(same)
