"""A server that does not answer the transaction of a task: the task ends, and has one effect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

import asynctasq
from asynctasq.worker import Worker
from asynctasq_drivers.postgres import _exchange, _transactions

from .effects import SLOW, leave
from .servers.own import ask
from .servers.proxy import Proxy, proxy
from .shop import QUEUE, Shop, once, until

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

proxies: dict[str, Proxy] = {}
ends: Counter[str] = Counter()


@asynctasq.task(name="postgres.unanswered.silenced", queue=QUEUE, retry_delay=0)
async def silenced(key: str, point: str) -> str:
    """From that point on, nobody answers its first attempt."""
    first = ends[key] == 0 and point
    try:
        if first == "begin":
            proxies[key].swallow()
        async with asynctasq.transaction() as connection:
            await leave(connection, "silenced")
            if first:
                proxies[key].swallow()
            if first == "hang":
                await asyncio.Event().wait()
    finally:
        ends[key] += 1
    return point


@pytest.fixture
def silent(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Between a worker and its database; the driver is impatient, with everything it waits for."""
    monkeypatch.setattr(_transactions, "ANSWER", 1.0)
    monkeypatch.setattr(_exchange, "ANSWER", 8.0)
    with proxy(shop.dsn) as between:
        proxies[shop.dsn] = between
        shop.init(postgres_dsn=between.url)
        yield between


@pytest.mark.parametrize(("point", "timeout"), [("begin", None), ("settle", None), ("hang", 0.5)])
async def test_an_attempt_ends_although_nobody_answers_it_and_another_is_made(
    shop: Shop, silent: Proxy, point: str, timeout: float | None
) -> None:
    async with Worker([QUEUE]):
        earlier = await silenced(shop.dsn, "").dispatch()  # makes the connection
        await earlier.result(timeout=20)
        ends.clear()
        handle = await silenced(shop.dsn, point).timeout(timeout).dispatch()
        await until(lambda: ends[shop.dsn] >= 1, "the attempt has ended")
        silent.heal()
        assert await handle.result(timeout=20) == point
    await asynctasq.close()
    assert shop.effects() == once("silenced", [earlier.id, handle.id])
    assert shop.tasks() == 0


async def test_a_commit_that_happens_after_its_worker_has_given_up_is_not_made_again(
    shop: Shop, silent: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    ask(shop.dsn, SLOW)
    ask(shop.dsn, "INSERT INTO hurdles VALUES (3)")
    async with Worker([QUEUE]):
        handle = await silenced(shop.dsn, "").dispatch()
        await until(lambda: ends[shop.dsn] >= 1, "the attempt has ended")
        told = f"{handle.id} (queue {QUEUE}) was lost before it was settled"
        await until(lambda: told in caplog.text, "its doubt is at an end")
    await asynctasq.close()
    assert (shop.effects(), shop.tasks()) == (once("silenced", [handle.id]), 0)
    assert ends[shop.dsn] == 1


async def test_a_commit_that_fails_after_its_worker_has_given_up_is_made_by_another_attempt(
    shop: Shop, silent: Proxy
) -> None:
    ask(shop.dsn, SLOW)
    ask(shop.dsn, "INSERT INTO hurdles VALUES (60)")
    async with Worker([QUEUE]):
        handle = await silenced(shop.dsn, "").dispatch()
        await until(lambda: ends[shop.dsn] >= 1, "the attempt has ended")
        ask(shop.dsn, "DELETE FROM hurdles")
        asleep = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        )
        assert ask(shop.dsn, asleep) == [True]
        assert await handle.result(timeout=20) == ""
    await asynctasq.close()
    assert (shop.effects(), shop.tasks()) == (once("silenced", [handle.id]), 0)
    assert ends[shop.dsn] == 2
