"""An exchange that somebody has deleted, or a broker that lost all, costs no dispatch after it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from asynctasq.driver import Ack, Message, Retry
from asynctasq.errors import OutcomeUnknown
from asynctasq_drivers.rabbitmq import RabbitmqDriver
from tools.backends import Room

from .channels import channel_on
from .drivers import FAILURE, message, opened, taken, works
from .holding import rest
from .holding import taken as all_taken
from .servers.own import control

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(("name", "delay"), [("asynctasq", 0.0), ("asynctasq/delay/00", 1.0)])
async def test_an_exchange_that_was_deleted_is_there_again_for_the_next_message(
    vhost: str, name: str, delay: float
) -> None:
    async with opened(vhost) as driver, channel_on(vhost) as channel:
        await works(driver)
        await works(driver)  # with all connections there from its beginning
        await channel.exchange_delete(name)
        sent = message(delay=delay)
        await driver.enqueue([sent])
        assert (await taken(driver)).id == sent.id


async def test_a_retry_finds_its_way_though_the_exchange_of_its_delay_was_deleted(
    vhost: str,
) -> None:
    async with opened(vhost) as driver, channel_on(vhost) as channel:
        await works(driver)
        await works(driver)
        await driver.enqueue([message()])
        first = await taken(driver)
        await channel.exchange_delete("asynctasq/delay/00")
        await driver.settle([Retry(first, delay=1.0, failure=FAILURE)])
        second = await taken(driver)
        assert (second.id, second.attempt) == (first.id, 2)


async def test_of_many_at_once_those_are_unknown_that_were_under_way_and_all_others_are_stored(
    vhost: str,
) -> None:
    async with opened(vhost) as driver, channel_on(vhost) as channel:
        await works(driver)
        await channel.exchange_delete("asynctasq")
        sent = [message() for _ in range(20)]
        with pytest.raises(OutcomeUnknown) as raised:
            await driver.enqueue(sent)
        assert set(raised.value.ids) == {one.id for one in sent}
        await driver.enqueue(sent)
        await each_comes_once(driver, sent)


async def each_comes_once(driver: RabbitmqDriver, sent: Sequence[Message]) -> None:
    got = await all_taken(driver, len(sent))
    assert {delivery.id for delivery in got} == {one.id for one in sent}
    await driver.settle([Ack(delivery) for delivery in got])
    assert not await rest(driver)


async def test_a_broker_that_has_lost_all_is_given_all_that_a_message_needs(
    rabbitmq_server: Room, vhost: str
) -> None:
    name = vhost.rpartition("/")[2]
    async with opened(vhost) as driver:
        await works(driver)
        for words in (
            ("delete_vhost", name),
            ("add_vhost", name),
            ("set_permissions", "--vhost", name, "guest", ".*", ".*", ".*"),
        ):
            await asyncio.to_thread(control, rabbitmq_server, *words)
        sent = [message() for _ in range(20)]
        await driver.enqueue(sent)
        await each_comes_once(driver, sent)
