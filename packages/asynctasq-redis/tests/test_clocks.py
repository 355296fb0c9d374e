"""A client whose clock is an hour off: leases, delays and results are by the server's clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from uuid import uuid4

import pytest
import pytest_asyncio

from asynctasq.driver import Ack, Message, Record
from asynctasq.testing._loops import wall_clock_off_by
from asynctasq_drivers.redis import RedisDriver
from tools.driver_tests.where import url

from .load import driver_on, under_load

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.concurrent,
    pytest.mark.parametrize("hours", [-1, 1]),
]


@pytest_asyncio.fixture
async def driver() -> AsyncIterator[RedisDriver]:
    async with driver_on(url("redis")) as opened:
        yield opened


@pytest_asyncio.fixture
async def queue(driver: RedisDriver) -> AsyncIterator[str]:
    """One that nobody else uses, and nothing is left in."""
    name = f"clocks-{uuid4().hex}"
    yield name
    await driver.purge(name)


async def test_a_delay_is_what_its_sender_meant(
    driver: RedisDriver, queue: str, hours: int
) -> None:
    with wall_clock_off_by(hours * 3600):
        start = monotonic()
        await driver.enqueue([message(queue, delay=0.5)])
    assert await driver.dequeue([queue], limit=1, wait=10)
    assert 0.5 <= monotonic() - start < 5


async def test_a_lease_ends_when_it_would_have(driver: RedisDriver, queue: str, hours: int) -> None:
    await driver.enqueue([message(queue)])
    with wall_clock_off_by(hours * 3600):
        start = monotonic()
        (held,) = await driver.dequeue([queue], limit=1, wait=0)
        assert not (await driver.extend([held])).lost
    (again,) = await driver.dequeue([queue], limit=1, wait=10)
    assert 1.0 <= monotonic() - start < 6
    assert (await driver.settle([Ack(held)])).lost == (held,)
    assert not (await driver.settle([Ack(again)])).lost


async def test_a_result_is_kept_for_as_long_as_it_was_to_be(
    driver: RedisDriver, queue: str, hours: int
) -> None:
    sent = message(queue)
    await driver.enqueue([sent])
    with wall_clock_off_by(hours * 3600):
        (held,) = await driver.dequeue([queue], limit=1, wait=0)
        await driver.settle([Ack(held, Record(sent.ref, "completed", b"result", 2.0))])
        assert await driver.result(sent.ref, 0)
    assert await driver.result(sent.ref, 0)
    await until_gone(driver, sent)


async def test_workers_run_each_task_once(hours: int) -> None:
    with wall_clock_off_by(hours * 3600):
        async with under_load(url("redis"), lease=10) as load:
            await load.ends()
            assert load.run_again() == {}
            await load.driver.purge(load.queue)


def message(queue: str, delay: float = 0.0) -> Message:
    return Message(queue=queue, body=b"", delay=delay, visibility_timeout=1.0)


async def until_gone(driver: RedisDriver, sent: Message) -> None:
    start = monotonic()
    while await driver.result(sent.ref, 0):
        assert monotonic() - start < 10
        await asyncio.sleep(0.02)
