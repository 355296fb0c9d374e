"""A task queue that somebody has deleted is no harm to others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asynctasq.driver import Ack

from .channels import channel_on
from .drivers import message, opened, taken, works
from .holding import until, waits

pytestmark = pytest.mark.asyncio


async def astray(channel: Any) -> int:
    found = await channel.queue_declare("asynctasq/astray", passive=True)
    return int(found.message_count)


async def test_who_waits_at_a_queue_that_is_deleted_is_handed_what_is_sent_to_the_next_of_its_name(
    vhost: str,
) -> None:
    async with opened(vhost) as driver, opened(vhost) as other, channel_on(vhost) as channel:
        await works(driver)
        for _ in range(6):
            waiting = asyncio.ensure_future(other.dequeue(["mail"], limit=3, wait=20.0))
            await until(lambda: waits(other, "mail"), "it has begun to wait")
            await channel.queue_delete("mail")
            sent = message()
            await driver.enqueue([sent])
            (delivery,) = await waiting
            assert delivery.id == sent.id
            await other.settle([Ack(delivery)])


async def test_delayed_messages_for_a_deleted_queue_are_kept_and_hold_up_none(
    vhost: str,
) -> None:
    async with opened(vhost) as driver, channel_on(vhost) as channel:
        await driver.enqueue([message(queue="gone", delay=1.0) for _ in range(40)])
        await channel.queue_delete("gone")
        await asyncio.sleep(1.5)  # until they are due
        sent = message(delay=1.0)
        await driver.enqueue([sent])
        assert (await taken(driver, wait=8.0)).id == sent.id
        async with asyncio.timeout(10):
            while await astray(channel) < 40:
                await asyncio.sleep(0.05)
