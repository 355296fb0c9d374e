"""What is refused for one queue, or one message, is no harm to those beside it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from asynctasq.driver import Message
from asynctasq.errors import BackendRefused, DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.rabbitmq import RabbitmqDriver

from .channels import channel_on
from .drivers import message, opened, works
from .holding import rest
from .servers.own import server

pytestmark = pytest.mark.asyncio


async def test_a_queue_that_is_refused_ends_no_connection_and_no_dispatch_of_others(
    vhost: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(vhost) as driver, channel_on(vhost) as channel:
        await works(driver)
        await channel.queue_declare("clash", durable=True)
        refused = asyncio.Event()

        async def busy() -> None:
            while not refused.is_set():
                await driver.enqueue([message()])

        async with asyncio.TaskGroup() as beside:
            for _ in range(5):
                beside.create_task(busy())
            for _ in range(20):
                with pytest.raises(BackendRefused, match=r"inequivalent arg .* 'clash'"):
                    await driver.enqueue([message(queue="clash")])
            refused.set()
    assert not [line for line in caplog.messages if "connection" in line]


async def told_of(driver: RabbitmqDriver, one: Message) -> type[Exception] | None:
    try:
        await driver.enqueue([one])
    except DriverError as error:
        return type(error)
    return None


async def test_what_is_under_way_beside_a_message_that_is_too_large_is_told_what_is_so() -> None:
    with server("max_message_size = 100000\n") as room:
        async with opened(room.url) as driver:
            large = message(b"x" * 200_000)
            sent = [message() for _ in range(100)]
            told: dict[UUID, type[Exception] | None] = {}
            for start in range(0, 100, 10):
                beside = sent[start : start + 10]
                several = [told_of(driver, one) for one in beside]
                found = await asyncio.gather(*several[:5], told_of(driver, large), *several[5:])
                told |= zip([one.id for one in beside], found[:5] + found[6:], strict=True)
                assert await told_of(driver, large) is BackendRefused
            got = {each.id for each in await rest(driver)}
    assert {id for id, kind in told.items() if kind is None} <= got
    assert not got & {id for id, kind in told.items() if kind is DriverUnavailable}
    assert set(told.values()) <= {None, DriverUnavailable, OutcomeUnknown}
