"""What goes wrong in `transaction()`: it is rolled back and done anew, and has one effect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

import asynctasq
from asynctasq.errors import OutcomeUnknown, ResultUnavailable, TaskFailed
from asynctasq.worker import Worker

from .effects import TABLE, leave, pay
from .servers.own import ask, server, stop_fast, stop_immediate, wait_for
from .servers.proxy import Proxy
from .shop import QUEUE, Shop, once, until

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

Trouble: TypeAlias = Callable[[Any], Awaitable[Any]]
runs: Counter[str] = Counter()
trouble: dict[str, Trouble] = {}
proxies: dict[str, Proxy] = {}
errors: dict[str, type[Exception]] = {}


@asynctasq.task(name="postgres.faults.troubled", queue=QUEUE, retry_delay=0)
async def troubled(key: str) -> int:
    """The first attempt meets with trouble once it has written."""
    runs[key] += 1
    async with asynctasq.transaction() as connection:
        await leave(connection, "troubled")
        if runs[key] == 1:
            await trouble[key](connection)
    return asynctasq.current().attempt


async def done_at_the_second_attempt(shop: Shop, what: Trouble, *, timeout: float | None) -> None:
    """With one effect."""
    key = shop.dsn
    trouble[key] = what
    async with Worker([QUEUE]) as worker:
        handle = await troubled(key).timeout(timeout).dispatch()
        assert await handle.result(timeout=20) == 2
        await until(lambda: worker.completed == 1, "it is completed")
    assert (worker.failed, runs[key]) == (1, 2)
    assert (shop.effects(), shop.tasks()) == (once("troubled", [handle.id]), 0)


async def test_a_connection_that_an_administrator_ends_is_rolled_back(shop: Shop) -> None:
    async def end(connection: Any) -> None:
        pid = connection.get_server_pid()
        assert ask(shop.dsn, "SELECT pg_terminate_backend(%s)", pid) == [True]
        wait_for(lambda: not ask(shop.dsn, ALIVE, pid), "it is gone")

    await done_at_the_second_attempt(shop, end, timeout=None)


ALIVE = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"


async def test_a_statement_that_an_administrator_cancels_is_rolled_back(shop: Shop) -> None:
    async def cancel(connection: Any) -> None:
        pid = connection.get_server_pid()
        sleeping = asyncio.ensure_future(connection.execute("SELECT pg_sleep(30)"))
        await until(lambda: ask(shop.dsn, f"{ALIVE} AND wait_event = 'PgSleep'", pid), "it sleeps")
        ask(shop.dsn, "SELECT pg_cancel_backend(%s)", pid)
        await sleeping

    await done_at_the_second_attempt(shop, cancel, timeout=None)


async def test_a_timeout_in_a_statement_is_rolled_back(shop: Shop) -> None:
    async def sleep(connection: Any) -> None:
        await connection.execute("SELECT pg_sleep(30)")

    await done_at_the_second_attempt(shop, sleep, timeout=2)


async def test_a_timeout_between_statements_is_rolled_back(shop: Shop) -> None:
    async def hang(connection: Any) -> None:
        await asyncio.Event().wait()

    await done_at_the_second_attempt(shop, hang, timeout=2)


async def test_an_error_in_the_block_is_rolled_back(shop: Shop) -> None:
    async def fail(connection: Any) -> None:
        raise ZeroDivisionError

    await done_at_the_second_attempt(shop, fail, timeout=None)


async def test_a_failed_statement_whose_error_is_caught_is_not_committed(shop: Shop) -> None:
    async def fail(connection: Any) -> None:
        with pytest.raises(Exception, match="division by zero"):
            await connection.execute("SELECT 1 / 0")

    await done_at_the_second_attempt(shop, fail, timeout=None)


async def test_a_constraint_that_fails_at_the_commit_acknowledges_nothing(shop: Shop) -> None:
    ask(shop.dsn, "CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")

    async def twice(connection: Any) -> None:
        await connection.execute("INSERT INTO late VALUES (1), (1)")

    await done_at_the_second_attempt(shop, twice, timeout=None)


@pytest.mark.parametrize("ended", [stop_fast, stop_immediate])
async def test_a_restart_of_the_server_in_the_block_is_rolled_back(
    shop: Shop, ended: Callable[[Any], None]
) -> None:
    with server() as room:
        ask(room, TABLE)

        async def restart(connection: Any) -> None:
            await asyncio.to_thread(ended, room)
            await asyncio.to_thread(room.start)

        own = shop.at(room.url)
        own.init()
        await done_at_the_second_attempt(own, restart, timeout=None)
        await asynctasq.close()


@asynctasq.task(name="postgres.faults.unheard", queue=QUEUE, retry_delay=0)
async def unheard(key: str, statement: str) -> int:
    """The first attempt does not hear the answer to a statement."""
    runs[key] += 1
    if runs[key] == 1:
        proxies[key].lose_replies(1, statement.encode())
    try:
        async with asynctasq.transaction() as connection:
            await leave(connection, "unheard")
    except Exception as error:
        errors[key] = type(error)
        raise
    return asynctasq.current().attempt


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT INTO effects", "WITH done AS"])
async def test_a_lost_reply_to_whatever_is_before_the_commit_is_rolled_back(
    shop: Shop, postgres_proxy: Proxy, statement: str
) -> None:
    shop.init(postgres_dsn=postgres_proxy.to(shop.dsn))
    proxies[shop.dsn], lost = postgres_proxy, postgres_proxy.lost
    async with Worker([QUEUE]) as worker:
        handle = await unheard(shop.dsn, statement).dispatch()
        assert await handle.result(timeout=20) == 2
    assert (worker.failed, postgres_proxy.lost - lost) == (1, 1)
    assert not issubclass(errors[shop.dsn], OutcomeUnknown)
    assert (shop.effects(), shop.tasks()) == (once("unheard", [handle.id]), 0)


async def test_a_commit_whose_reply_is_lost_is_not_made_again(
    shop: Shop, postgres_proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    shop.init(postgres_dsn=postgres_proxy.to(shop.dsn))
    proxies[shop.dsn], lost = postgres_proxy, postgres_proxy.lost
    async with Worker([QUEUE]) as worker:
        handle = await unheard(shop.dsn, "COMMIT;").dispatch()
        told = f"{handle.id} (queue {QUEUE}) was lost before it was settled"
        await until(lambda: told in caplog.text, "its doubt is at an end")
        assert await (await pay().on_queue(QUEUE).dispatch()).result(timeout=20) == 1
    assert (worker.failed, runs[shop.dsn], postgres_proxy.lost - lost) == (0, 1, 1)
    assert errors[shop.dsn] is OutcomeUnknown
    assert (shop.effects()["unheard", handle.id], shop.tasks()) == (1, 0)


@asynctasq.task(name="postgres.faults.late", queue=QUEUE, retry_delay=0)
async def fail_afterwards(hangs: bool) -> None:
    async with asynctasq.transaction() as connection:
        await leave(connection, "late")
    if hangs:
        await asyncio.Event().wait()
    raise ZeroDivisionError("too late")


@pytest.mark.parametrize(("hangs", "told"), [(False, "too late"), (True, "TimeoutError")])
async def test_what_fails_after_its_commit_is_not_done_again(
    shop: Shop, hangs: bool, told: str
) -> None:
    async with Worker([QUEUE]) as worker:
        handle = await fail_afterwards(hangs).timeout(0.5).dispatch()
        with pytest.raises(ResultUnavailable, match=told):
            await handle.result(timeout=20)
        await until(lambda: worker.completed == 1, "it is completed")
    assert (shop.effects(), shop.tasks()) == (once("late", [handle.id]), 0)


async def test_the_last_attempt_that_fails_in_the_block_leaves_a_dead_task_and_no_effect(
    shop: Shop,
) -> None:
    async def fail(connection: Any) -> None:
        raise ZeroDivisionError

    trouble[shop.dsn] = fail
    async with Worker([QUEUE]):
        handle = await troubled(shop.dsn).max_attempts(1).dispatch()
        with pytest.raises(TaskFailed, match="ZeroDivisionError"):
            await handle.result(timeout=20)
    assert not shop.effects()
    assert ask(shop.dsn, "SELECT id FROM dead_letter_queue") == [handle.id]
