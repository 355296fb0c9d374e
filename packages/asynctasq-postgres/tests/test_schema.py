"""The schema: made once, whoever comes first; refused where it is not the one that we know."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack

import psycopg
import pytest

from asynctasq.driver import Ack, Migration
from asynctasq.errors import BackendRefused, DriverUnavailable
from asynctasq_drivers.postgres import PostgresDriver, _schema

from .drivers import made, message, opened, works
from .servers.own import ask, wait_for

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
ASKING = """
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_xact_lock%'
"""
OPEN = """
import asyncio, sys
from asynctasq.driver import Context, Message, Secret
from asynctasq_drivers.postgres import PostgresDriver, PostgresOptions

async def opened():
    driver = PostgresDriver(PostgresOptions(postgres_dsn=Secret(sys.argv[1])), Context())
    await driver.open()
    await driver.enqueue([Message(queue="mail", body=b"", visibility_timeout=1.0)])
    await driver.close()

async def main():
    print("ready", flush=True)
    sys.stdin.read(1)
    await asyncio.gather(*(opened() for _ in range(5)))

asyncio.run(main())
"""


def newest(driver: PostgresDriver) -> int:
    return _schema.steps(driver._names)[-1].version


def versions(database: str) -> list[int]:
    return ask(database, "SELECT version FROM task_queue_migrations ORDER BY version")


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_twenty_that_open_at_once_make_one_schema(
    database: str, stack: AsyncExitStack
) -> None:
    drivers = [made(database) for _ in range(20)]
    for driver in drivers:
        stack.push_async_callback(driver.close)
    await asyncio.gather(*(driver.open() for driver in drivers))
    await asyncio.gather(*(driver.enqueue([message()]) for driver in drivers))
    assert versions(database) == [*range(1, newest(drivers[0]) + 1)]
    assert ask(database, "SELECT count(*) FROM task_queue") == [20]


@pytest.mark.concurrent
def test_processes_that_open_at_once_make_one_schema(database: str) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "error", "-c", OPEN, database]
    with ExitStack() as started:
        processes = [
            started.enter_context(
                subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("x")
            process.stdin.flush()
        for process in processes:
            assert process.communicate(timeout=50) == ("", "")
    assert versions(database) == [*range(1, newest(made(database)) + 1)]
    assert ask(database, "SELECT count(*) FROM task_queue") == [20]


@pytest.mark.asyncio
async def test_who_waited_while_another_migrated_applies_nothing(database: str) -> None:
    lock = made(database)._names.migrating_lock
    with psycopg.connect(database) as somebody:
        somebody.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
        both = [asyncio.ensure_future(made(database).migrate()) for _ in range(2)]
        await asyncio.to_thread(
            wait_for, lambda: ask(database, ASKING) == [2], "both have seen what is pending"
        )
    applied = [[step.version for step in steps] for steps in await asyncio.gather(*both)]
    assert sorted(applied) == [[], [*range(1, newest(made(database)) + 1)]]


@pytest.mark.asyncio
async def test_a_newer_schema_is_refused(database: str) -> None:
    await made(database).migrate()
    ask(database, "INSERT INTO task_queue_migrations VALUES (999, 'later', 'dead_letter_queue')")
    for auto_migrate in (True, False):
        driver = made(database, auto_migrate=auto_migrate)
        for call in (driver.open, driver.migrate, driver.pending_migrations):
            with pytest.raises(BackendRefused, match=r"version 999.*install the newer"):
                await call()
        await driver.close()


@pytest.mark.asyncio
async def test_without_auto_migrate_nothing_is_made(database: str) -> None:
    driver = made(database, auto_migrate=False)
    with pytest.raises(BackendRefused, match=r"1 tasks.*`asynctasq migrate --driver postgres`"):
        await driver.open()
    assert ask(database, TABLES) == [0]
    assert await driver.pending_migrations() == await driver.migrate()
    await driver.open()
    await works(driver)
    await driver.close()


@pytest.mark.asyncio
async def test_a_migration_that_fails_half_way_leaves_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = _schema.migrations
    broken = Migration(99, "broken", "CREATE TABLE half (); SELECT 1 / 0;")
    with monkeypatch.context() as patched:
        patched.setattr(_schema, "migrations", lambda names: (*known(names), broken))
        driver = made(database)
        for call in (driver.open, driver.migrate):
            with pytest.raises(BackendRefused, match="division by zero"):
                await call()
        await driver.close()
    assert ask(database, TABLES) == [0]
    async with opened(database) as driver:
        await works(driver)


@pytest.mark.asyncio
async def test_a_step_gives_up_before_it_holds_up_everybody(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a table is waited for by all that come after it."""
    monkeypatch.setattr(_schema, "PATIENCE", "100ms")
    await made(database).migrate()
    ask(database, "DELETE FROM task_queue_migrations WHERE version > 1")
    with psycopg.connect(database) as somebody:
        somebody.execute("LOCK TABLE task_queue IN ROW EXCLUSIVE MODE")
        somebody.execute("LOCK TABLE dead_letter_queue, task_queue_results IN SHARE MODE")
        with pytest.raises(DriverUnavailable, match="lock timeout"):
            await made(database).migrate()
        assert versions(database) == [1]
    assert [step.version for step in await made(database).migrate()][:1] == [2]


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_later_steps_are_applied_under_those_who_work(
    database: str, stack: AsyncExitStack
) -> None:
    driver = await stack.enter_async_context(opened(database))
    later = [*range(2, newest(driver) + 1)]
    done = 0
    working = True

    async def work() -> None:
        nonlocal done
        while working:
            await driver.enqueue([message() for _ in range(5)])
            taken = await driver.dequeue(["mail"], limit=5, wait=1.0)
            assert not (await driver.extend(taken)).lost
            assert not (await driver.settle([Ack(delivery) for delivery in taken])).lost
            done += len(taken)

    async def goes_on() -> None:
        known = done
        async with asyncio.timeout(20.0):
            while done < known + 50:
                await asyncio.sleep(0.005)

    workers = [asyncio.ensure_future(work()) for _ in range(4)]
    try:
        for _ in range(5):
            await goes_on()
            ask(database, "DELETE FROM task_queue_migrations WHERE version > 1")
            assert [step.version for step in await made(database).migrate()] == later
        await goes_on()
    finally:
        working = False
        await asyncio.gather(*workers)
    (stats,) = await driver.stats(["mail"])
    assert (stats.pending, stats.running, stats.dead) == (0, 0, 0)
