"""What has had its time is cleared away, by whoever consumes, some of it at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import psycopg
import pytest

from asynctasq.driver import Ack, Context, DeadLetter, Delivery, Failure, Record
from asynctasq_drivers.postgres import PostgresDriver, _sweeping

from .drivers import message, opened, record, taken
from .servers.own import ask, wait_for

FAILURE: Final = Failure("shop.SoldOut", "keine Äpfel mehr", "Traceback\n  line 1\nshop.SoldOut")
TABLES: Final = ("task_queue_results", "task_queue_completed", "dead_letter_queue")
FILL: Final = (
    "INSERT INTO task_queue_results (queue, id, kind, value, expires_at) "
    "SELECT 'mail', gen_random_uuid(), 1, '', now() - n * interval '1 second' "
    "FROM generate_series(1, {0}) AS n; "
    "INSERT INTO task_queue_completed (queue, id, attempt, deliveries, visibility_timeout, "
    "enqueued_at, completed_at, expires_at, body) "
    "SELECT 'mail', gen_random_uuid(), 1, 1, 60, now(), now(), now() - n * interval '1 second', '' "
    "FROM generate_series(1, {0}) AS n; "
    "INSERT INTO dead_letter_queue (queue, id, attempts, losses, visibility_timeout, enqueued_at, "
    "dead_at, expires_at, error_type, error, traceback, body) "
    "SELECT 'mail', gen_random_uuid(), 1, 0, 60, now(), now(), now() - n * interval '1 second', "
    "'', '', '', '' FROM generate_series(1, {0}) AS n"
)
"""As if so many of each had expired, a second after each other."""
EXPIRE: Final = "UPDATE {} SET expires_at = now() - interval '1 second'"

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sweeping, "EVERY", 0.05)


def counts(database: str) -> list[int]:
    """Rows of each table."""
    return [ask(database, f"SELECT count(*) FROM {table}")[0] for table in TABLES]


async def until(found: Callable[[], Any], what: str) -> None:
    await asyncio.to_thread(wait_for, found, what)


def held_sweeps(driver: PostgresDriver) -> asyncio.Event:
    """Nothing is cleared away by it until this is set."""
    send, seen = driver._send, asyncio.Event()

    async def held(sql: str, *arguments: Any, **options: Any) -> list[Any]:
        if sql == driver._sql.sweep:
            await seen.wait()
        return await send(sql, *arguments, **options)

    driver._send = held  # type: ignore[method-assign]
    return seen


async def consume(driver: PostgresDriver) -> None:
    """From now on it clears away."""
    assert await driver.dequeue(["nobody"], limit=1, wait=0.0) == ()


async def ended(driver: PostgresDriver, dies: bool, keep_for: float | None) -> Delivery:
    """A task that was run, with what became of it."""
    await driver.enqueue([message()])
    delivery = await taken(driver)
    if dies:
        told = Record(delivery.ref, "dead", FAILURE, keep_for)
        await driver.settle([DeadLetter(delivery, FAILURE, told)])
    else:
        await driver.settle([Ack(delivery, record(delivery, keep_for))])
    return delivery


@pytest.mark.parametrize(
    ("context", "dies", "keep_for"),
    [
        (Context(), False, 0.3),
        (Context(dead_ttl=0.3), True, 60.0),
        (Context(keep_completed_tasks=True, completed_ttl=0.3), False, 60.0),
    ],
    ids=["result_ttl", "dead_ttl", "completed_ttl"],
)
async def test_it_goes_once_its_time_is_over(
    database: str, stack: AsyncExitStack, context: Context, dies: bool, keep_for: float
) -> None:
    """A record of a task goes with the task, whatever its own time is."""
    driver = await stack.enter_async_context(opened(database, context))
    seen = held_sweeps(driver)
    gone = await ended(driver, dies, keep_for)
    assert sum(counts(database)) in (1, 2)
    seen.set()
    await until(lambda: sum(counts(database)) == 0, "it is cleared away")
    assert await driver.get(gone.ref) is None
    assert await driver.result(gone.ref, 0.0) is None


async def test_what_has_no_end_stays(database: str, stack: AsyncExitStack) -> None:
    driver = await stack.enter_async_context(opened(database))
    dead = await ended(driver, True, None)
    done = await ended(driver, False, 60.0)
    ask(database, FILL.format(1))
    await until(lambda: counts(database) == [2, 0, 1], "the others are cleared away")
    assert await driver.get(dead.ref) is not None
    assert await driver.result(done.ref, 0.0) is not None


async def test_what_has_expired_is_not_shown_until_it_is_cleared_away(
    database: str, stack: AsyncExitStack
) -> None:
    kept = Context(keep_completed_tasks=True, dead_ttl=60.0)
    driver = await stack.enter_async_context(opened(database, kept))
    held_sweeps(driver)
    dead, done = await ended(driver, True, None), await ended(driver, False, 60.0)
    for table in TABLES:
        ask(database, EXPIRE.format(table))
    for delivery in (dead, done):
        assert await driver.get(delivery.ref) is None
        assert await driver.result(delivery.ref, 0.0) is None
        assert await driver.retry_dead([delivery.ref]) == ()
        assert await driver.delete([delivery.ref]) == ()
    for state in ("dead", "completed"):
        assert (await driver.list(state, None, 10)).tasks == ()
    (stats,) = await driver.stats(["mail"])
    assert stats.dead == 0
    assert counts(database) == [2, 1, 1]


async def test_much_is_cleared_away_in_parts(
    database: str, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sweeping, "AT_ONCE", 100)
    driver = await stack.enter_async_context(opened(database))
    ask(database, FILL.format(950))
    parts: list[int] = []
    send = driver._send

    async def counted(sql: str, *arguments: Any, **options: Any) -> list[Any]:
        rows = await send(sql, *arguments, **options)
        if sql == driver._sql.sweep:
            parts.append(rows[0][0])
        return rows

    driver._send = counted  # type: ignore[method-assign]
    await consume(driver)
    await until(lambda: len(parts) >= 10, "the last part is told")
    assert parts[:10] == [100] * 9 + [50]
    assert counts(database) == [0, 0, 0]


async def test_a_row_that_somebody_holds_stops_nobody(database: str, stack: AsyncExitStack) -> None:
    driver = await stack.enter_async_context(opened(database))
    ask(database, FILL.format(50))
    with psycopg.connect(database) as somebody:
        for table in TABLES:
            sql = f"SELECT FROM {table} ORDER BY expires_at LIMIT 1 FOR UPDATE"
            somebody.execute(sql.encode())
        await consume(driver)
        await until(lambda: counts(database) == [1, 1, 1], "all but those rows is cleared away")
    await until(lambda: counts(database) == [0, 0, 0], "now they are")


@pytest.mark.concurrent
async def test_several_clear_away_beside_each_other(
    database: str, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    drivers = [await stack.enter_async_context(opened(database)) for _ in range(5)]
    ask(database, FILL.format(5000))
    await asyncio.gather(*map(consume, drivers))
    await until(lambda: counts(database) == [0, 0, 0], "all is cleared away")
    assert [each for each in caplog.records if each.name.startswith("asynctasq")] == []


async def test_who_only_sends_clears_nothing_away(database: str, stack: AsyncExitStack) -> None:
    driver = await stack.enter_async_context(opened(database))
    ask(database, FILL.format(5))
    await driver.enqueue([message()])
    await driver.stats()
    await asyncio.sleep(0.2)
    assert counts(database) == [5, 5, 5]


async def test_a_fault_on_the_way_does_not_end_it(
    database: str, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    driver = await stack.enter_async_context(opened(database))
    ask(database, "ALTER TABLE task_queue_results RENAME TO away")
    await consume(driver)
    await until(lambda: "could not be cleared away" in caplog.text, "it is told of")
    ask(database, "ALTER TABLE away RENAME TO task_queue_results")
    ask(database, FILL.format(5))
    await until(lambda: counts(database) == [0, 0, 0], "it goes on")


async def test_a_dead_task_says_what_it_died_of(database: str, stack: AsyncExitStack) -> None:
    driver = await stack.enter_async_context(opened(database))
    await driver.enqueue([message(attempt=3, visibility_timeout=0.1, headers={"trace": "7"})])
    lost = await taken(driver)
    delivery = await taken(driver)
    assert (lost.deliveries, delivery.deliveries) == (3, 4)
    await driver.settle([DeadLetter(delivery, FAILURE)])
    columns = "queue, attempts, losses, error_type, error, traceback, body, expires_at, headers"
    told = (FAILURE.type, FAILURE.text, FAILURE.traceback)
    (row,) = ask(database, f"SELECT {columns} FROM dead_letter_queue")
    assert row == ("mail", 3, 1, *told, b"payload", None, '{"trace":"7"}')
    stored = await driver.get(delivery.ref)
    listed = (await driver.list("dead", None, 10)).tasks
    assert stored
    assert listed == (stored,)
    assert (stored.state, stored.failure) == ("dead", FAILURE)
    assert (stored.attempt, stored.deliveries, stored.body) == (3, 4, b"payload")
    assert stored.headers == {"trace": "7"}
    assert stored.finished_at
    assert stored.finished_at >= stored.enqueued_at
