"""Each vhost is a world of its own, and so is each exchange name within one."""

from __future__ import annotations

import pytest

from asynctasq.driver import Ack
from asynctasq.errors import DriverUnavailable
from tools.backends import Room

from .drivers import made, message, opened, taken
from .servers.own import control, vhost_of

pytestmark = pytest.mark.asyncio


async def test_a_queue_of_the_same_name_in_another_vhost_is_another(
    rabbitmq_server: Room, vhost: str
) -> None:
    with vhost_of(rabbitmq_server) as url:
        async with opened(vhost) as driver, opened(url) as other:
            here, there = message(), message()
            await driver.enqueue([here])
            await other.enqueue([there])
            for one, sent in ((driver, here), (other, there)):
                delivery = await taken(one)
                assert delivery.id == sent.id
                await one.settle([Ack(delivery)])
            assert [stats.queue for stats in await other.stats()] == ["mail"]


async def test_another_exchange_name_knows_of_its_own_queues_and_delays_alone(vhost: str) -> None:
    async with (
        opened(vhost, exchange_name="one") as one,
        opened(vhost, exchange_name="two") as two,
    ):
        await one.enqueue([message(queue="mail", delay=1.0)])
        await two.enqueue([message(queue="bills", delay=1.0)])
        assert [stats.queue for stats in await one.stats()] == ["mail"]
        assert [stats.queue for stats in await two.stats()] == ["bills"]
        await one.settle([Ack(await taken(one, "mail"))])
        await two.settle([Ack(await taken(two, "bills"))])


async def test_a_vhost_that_is_full_lets_in_again_later(rabbitmq_server: Room, vhost: str) -> None:
    name = vhost.rpartition("/")[2]
    control(rabbitmq_server, "set_vhost_limits", "--vhost", name, '{"max-connections":0}')
    driver = made(vhost)
    with pytest.raises(DriverUnavailable, match="connection limit"):
        await driver.open()
    control(rabbitmq_server, "clear_vhost_limits", "--vhost", name)
    await driver.open()
    await driver.close()
