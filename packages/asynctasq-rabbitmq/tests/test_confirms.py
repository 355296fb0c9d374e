"""A confirm that is lost on its way: who dispatched hears of it, and nothing is sent again."""

from __future__ import annotations

import pytest

import asynctasq
from asynctasq.driver import Ack, Delivery, Failure, Message, Retry
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.rabbitmq import RabbitmqDriver

from .load import again, driver_on, note
from .servers.proxy import Proxy

pytestmark = pytest.mark.asyncio


def messages(count: int) -> list[Message]:
    return [Message(queue="mail", body=b"", visibility_timeout=60.0) for _ in range(count)]


async def all_of(driver: RabbitmqDriver, queue: str = "mail") -> list[Delivery]:
    """All that is in a queue by now."""
    found: list[Delivery] = []
    while some := await again(lambda: driver.dequeue([queue], limit=100, wait=0.5)):
        assert not (await driver.settle([Ack(each) for each in some])).lost
        found += some
    return found


async def test_a_dispatch_whose_confirm_is_lost_names_its_id_and_is_not_sent_again(
    rabbitmq_proxy: Proxy, vhost: str
) -> None:
    asynctasq.init({"driver": "rabbitmq", "rabbitmq_url": rabbitmq_proxy.to(vhost)})
    try:
        first = await note(0, 0.0).on_queue("mail").dispatch()
        rabbitmq_proxy.lose_replies(to="basic.ack")
        with pytest.raises(OutcomeUnknown) as told:
            await note(0, 0.0).on_queue("mail").dispatch()
        last = await note(0, 0.0).on_queue("mail").dispatch()
    finally:
        await asynctasq.close()
    (unknown,) = told.value.ids
    async with driver_on(vhost) as driver:
        assert [d.id for d in await all_of(driver)] == [first.id, unknown, last.id]


async def test_of_many_those_are_named_whose_confirms_are_lost_and_those_are_there_or_not(
    rabbitmq_proxy: Proxy, vhost: str
) -> None:
    async with driver_on(vhost) as driver, driver_on(rabbitmq_proxy.to(vhost)) as sender:
        await sender.enqueue(messages(1))
        sent = messages(400)
        rabbitmq_proxy.lose_replies(to="basic.ack", before=1)
        with pytest.raises(OutcomeUnknown) as told:
            await sender.enqueue(sent)
        found = [d.id for d in await all_of(driver)][1:]
        assert len(set(found)) == len(found)
        assert {m.id for m in sent} - set(found) <= set(told.value.ids)
        # What is cut off before the broker has it is in doubt, too.
        rabbitmq_proxy.cut_before("basic.publish")
        with pytest.raises((OutcomeUnknown, DriverUnavailable)):
            await sender.enqueue(messages(1))
        assert await all_of(driver) == []
        await again(lambda: sender.enqueue(messages(1)))
        assert len(await all_of(driver)) == 1


async def test_a_copy_whose_confirm_is_lost_is_made_again_and_carries_the_same_attempt(
    rabbitmq_proxy: Proxy, vhost: str
) -> None:
    """The declared second run: nothing is acknowledged before its copy is known to be there."""
    async with driver_on(vhost) as driver, driver_on(rabbitmq_proxy.to(vhost)) as worker:
        await driver.enqueue(messages(1))
        (held,) = await worker.dequeue(["mail"], limit=1, wait=10)
        retry = Retry(held, 0.0, Failure("Error", ""))
        rabbitmq_proxy.lose_replies(to="basic.ack")
        with pytest.raises(OutcomeUnknown) as told:
            await worker.settle([retry])
        assert told.value.ids == (held.id,)
        assert not (await again(lambda: worker.settle([retry]))).lost
        await worker.close()
        found = await all_of(driver)
        assert {(d.id, d.origin) for d in found} == {(held.id, held.origin)}
        assert {d.attempt for d in found} == {2}
