"""What happens to connections, channels and consumers is told once, in words of the driver."""

from __future__ import annotations

import asyncio
import logging

import pytest

from asynctasq.driver import Ack
from asynctasq.errors import DriverError
from asynctasq_drivers.rabbitmq import _channel

from .channels import channel_on
from .drivers import made, message, opened, taken, works
from .holding import until, waits
from .servers.proxy import proxy


@pytest.mark.asyncio
async def test_a_deleted_queue_is_one_line_however_many_consumers_it_had(
    vhost: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(vhost) as driver, channel_on(vhost) as channel:
        await driver.enqueue([message()])
        await driver.dequeue(["mail"], limit=1, wait=5)
        waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=3, wait=10))
        await until(lambda: waits(driver, "mail", consumers=2), "it has begun to wait")
        caplog.set_level(logging.INFO)
        await channel.queue_delete("mail")
        async with asyncio.timeout(10):
            while not [line for line in caplog.messages if line.startswith("a connection")]:
                await asyncio.sleep(0.02)
        await driver.enqueue([message()])
        assert await waiting
        lines = list(caplog.messages)
    told = (
        "1 deliveries are",
        "RabbitMQ ended the consumer mail/",
        "a connection to RabbitMQ ended",
    )
    assert [sum(line.startswith(one) for line in lines) for one in told] == [1, 1, 1]
    assert not [record for record in caplog.records if record.name.startswith("aiormq")]


@pytest.mark.asyncio
async def test_a_call_that_is_not_answered_is_told_by_nobody_else(
    vhost: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(vhost) as between:
        async with opened(between.url) as driver:
            await works(driver)
            await driver.enqueue([message()])
            delivery = await taken(driver)
            caplog.set_level(logging.INFO)
            monkeypatch.setattr(_channel, "ANSWER", 0.3)
            between.swallow()
            with pytest.raises(DriverError):
                await driver.settle([Ack(delivery)])
            between.heal()
    assert not [record for record in caplog.records if record.name.startswith("aiormq")]


def test_a_program_that_ends_without_closing_is_no_lost_connection(
    vhost: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> None:
        driver = made(vhost)
        await driver.open()
        await works(driver)

    caplog.set_level(logging.INFO)
    asyncio.run(program())
    assert not [
        record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    ]
