"""The least that must work, also with the oldest of everything that this package allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import aiormq
import pytest
import pytest_asyncio

import asynctasq
from asynctasq.driver import Ack, Context, Message, Secret
from asynctasq.worker import Worker
from asynctasq_drivers.rabbitmq import RabbitmqDriver, RabbitmqOptions
from tools.driver_tests.where import url

pytestmark = [pytest.mark.smoke, pytest.mark.asyncio]
RAN = asyncio.Event()


@asynctasq.task(name="rabbitmq.smoke.double")
async def double(number: int) -> int:
    RAN.set()
    return 2 * number


@pytest_asyncio.fixture
async def name() -> AsyncIterator[str]:
    """Of an exchange and a queue that nobody else uses, and that are gone at the end."""
    name = f"smoke-{uuid4().hex[:12]}"
    yield name
    async with asyncio.timeout(20):  # a broker that does not answer ends no run of tests
        connection = await aiormq.connect(url("rabbitmq"))
        for queue in (name, f"{name}/dead", f"{name}/queues", f"{name}/astray"):
            with suppress(aiormq.exceptions.AMQPError):
                await (await connection.channel()).queue_delete(queue)
        channel = await connection.channel()
        for exchange in (name, f"{name}/due", f"{name}/astray"):
            await channel.exchange_delete(exchange)
        await connection.close()


async def test_what_is_stored_is_taken_and_acknowledged(name: str) -> None:
    options = RabbitmqOptions(rabbitmq_url=Secret(url("rabbitmq")), rabbitmq_exchange_name=name)
    driver = RabbitmqDriver(options, Context())
    await driver.open()
    message = Message(queue=name, body=b"payload", visibility_timeout=60.0)
    assert not (await driver.enqueue([message])).failed
    (delivery,) = await driver.dequeue([name], limit=10, wait=5.0)
    assert (delivery.id, delivery.body) == (message.id, b"payload")
    assert not (await driver.settle([Ack(delivery)])).lost
    (stats,) = await driver.stats([name])
    assert (stats.pending, stats.dead) == (0, 0)
    await driver.close()


async def test_a_dispatched_task_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asynctasq.init(
        {"driver": "rabbitmq", "rabbitmq_url": url("rabbitmq"), "rabbitmq_exchange_name": name}
    )
    async with Worker([name]) as worker, asyncio.timeout(20):
        await double(21).on_queue(name).dispatch()
        await RAN.wait()
    assert worker.completed == 1
    await asynctasq.close()
