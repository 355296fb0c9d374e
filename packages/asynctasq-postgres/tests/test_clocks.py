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
from asynctasq_drivers.postgres import PostgresDriver
from tools.driver_tests.where import url

from .load import driver_on, under_load

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.concurrent,
    pytest.mark.parametrize("hours", [-1, 1]),
]


@pytest_asyncio.fixture
async def driver() -> AsyncIterator[PostgresDriver]:
    async with driver_on(url("postgres")) as opened:
        yield opened


@pytest_asyncio.fixture
async def queue(driver: PostgresDriver) -> AsyncIterator[str]:
    """One that nobody else uses, and nothing is left in."""
    name = f"clocks-{uuid4().hex}"
    yield name
    await driver.purge(name)


async def test_a_delay_is_what_its_sender_meant(
    driver: PostgresDriver, queue: str, hours: int
) -> None:
    with wall_clock_off_by(hours * 3600):
        start = monotonic()
        await driver.enqueue([message(queue, delay=0.5)])
    assert await driver.dequeue([queue], limit=1, wait=10)
    assert monotonic() - start >= 0.5


async def test_a_lease_ends_when_it_would_have(
    driver: PostgresDriver, queue: str, hours: int
) -> None:
    await driver.enqueue([message(queue)])
    with wall_clock_off_by(hours * 3600):
        start = monotonic()
        (held,) = await driver.dequeue([queue], limit=1, wait=0)
        assert not (await driver.extend([held])).lost
    (again,) = await driver.dequeue([queue], limit=1, wait=10)
    assert monotonic() - start >= 1.0
    assert (await driver.settle([Ack(held)])).lost == (held,)
    assert not (await driver.settle([Ack(again)])).lost


async def test_a_result_is_kept_for_as_long_as_it_was_to_be(
    driver: PostgresDriver, queue: str, hours: int
) -> None:
    brief, long = message(queue), message(queue)
    await driver.enqueue([brief, long])
    with wall_clock_off_by(hours * 3600):
        one, other = await driver.dequeue([queue], limit=2, wait=0)
        start = monotonic()
        acks = [
            Ack(one, Record(brief.ref, "completed", b"result", 0.5)),
            Ack(other, Record(long.ref, "completed", b"result", 60.0)),
        ]
        assert not (await driver.settle(acks)).lost
        assert await driver.result(long.ref, 0)
    assert await driver.result(long.ref, 0)
    await until_gone(driver, brief)
    assert monotonic() - start >= 0.5


async def test_workers_run_each_task_once(hours: int) -> None:
    with wall_clock_off_by(hours * 3600):
        async with under_load(url("postgres"), lease=2) as load:
            await load.ends()
            assert load.run_again() == {}
            await load.driver.purge(load.queue)


def message(queue: str, delay: float = 0.0) -> Message:
    return Message(queue=queue, body=b"", delay=delay, visibility_timeout=1.0)


async def until_gone(driver: PostgresDriver, sent: Message) -> None:
    async with asyncio.timeout(20):
        while await driver.result(sent.ref, 0):
            await asyncio.sleep(0.02)
