"""The least that must work, also with the oldest of everything that this package allows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

import asynctasq
from asynctasq.driver import Ack, Context, Message, Secret
from asynctasq.worker import Worker
from asynctasq_drivers.redis import RedisDriver, RedisOptions
from tools.driver_tests.where import url

pytestmark = [pytest.mark.smoke, pytest.mark.asyncio]


@asynctasq.task(name="redis.smoke.double")
async def double(number: int) -> int:
    return 2 * number


@pytest_asyncio.fixture
async def driver() -> AsyncIterator[RedisDriver]:
    opened = RedisDriver(RedisOptions(redis_url=Secret(url("redis"))), Context())
    await opened.open()
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def queue(driver: RedisDriver) -> AsyncIterator[str]:
    """One that nobody else uses, and nothing is left in."""
    name = f"smoke-{uuid4().hex}"
    yield name
    await driver.purge(name)


async def test_what_is_stored_is_taken_and_acknowledged(driver: RedisDriver, queue: str) -> None:
    message = Message(queue=queue, body=b"payload", visibility_timeout=60.0)
    assert not (await driver.enqueue([message])).failed
    (delivery,) = await driver.dequeue([queue], limit=10, wait=5.0)
    assert (delivery.id, delivery.body) == (message.id, b"payload")
    assert not (await driver.settle([Ack(delivery)])).lost
    (stats,) = await driver.stats([queue])
    assert (stats.pending, stats.running, stats.dead) == (0, 0, 0)


async def test_a_dispatched_task_runs_and_its_result_comes_back(
    queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asynctasq.init({"driver": "redis", "redis_url": url("redis"), "result_ttl": 60})
    async with Worker([queue]) as worker:
        handle = await double(21).on_queue(queue).dispatch()
        assert await handle.result(timeout=20) == 42
    assert worker.completed == 1
    await asynctasq.close()
