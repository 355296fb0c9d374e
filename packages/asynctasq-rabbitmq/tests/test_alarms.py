"""A broker that is short of memory takes no messages, and says so: the rest goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

import asynctasq
from asynctasq.driver import Ack, Failure, Message, Retry
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.rabbitmq import _publisher, _settling
from tools.backends import Room

from .holding import taken
from .load import driver_on, note, under_load
from .servers.own import alarm

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]
TOLD = "alarm"


@contextmanager
def short_limits() -> Iterator[None]:
    """A second would do in place of five and ten, but for a test; only while there is a reason to
    reach them."""
    with pytest.MonkeyPatch.context() as patch:
        for room in (_publisher, _settling):
            patch.setattr(room, "UNBLOCKED", 0.5)
        patch.setattr(_publisher, "ANSWER", 1.0)
        yield


def message() -> Message:
    return Message(queue="mail", body=b"some", visibility_timeout=60.0)


async def test_a_dispatch_says_that_there_is_an_alarm_and_after_it_works(
    rabbitmq_server: Room, vhost: str
) -> None:
    asynctasq.init({"driver": "rabbitmq", "rabbitmq_url": vhost, "dispatch_timeout": 2})
    try:
        call = note(0, 0.0).on_queue("mail")
        await call.dispatch()
        with alarm(rabbitmq_server), short_limits():
            # The broker says so to who publishes, and not before: perhaps it stores that later.
            with pytest.raises(OutcomeUnknown):
                await call.dispatch()
            for _ in range(2):
                with pytest.raises(DriverUnavailable, match=TOLD):
                    await call.dispatch()
        await call.dispatch()
    finally:
        await asynctasq.close()


async def test_of_many_at_once_no_more_are_sent_once_the_broker_takes_none(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with driver_on(vhost) as driver:
        await driver.enqueue([message()])
        sent = [message() for _ in range(10 * _publisher.IN_FLIGHT)]
        with alarm(rabbitmq_server), short_limits(), pytest.raises(OutcomeUnknown):
            await driver.enqueue(sent)
        found: list[object] = []
        while some := await driver.dequeue(["mail"], limit=1000, wait=1):
            found += [each.id for each in some]
            await driver.settle([Ack(each) for each in some])
        assert len(found) <= 1 + _publisher.IN_FLIGHT


async def test_in_an_alarm_tasks_are_taken_and_acknowledged_and_retries_wait(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with driver_on(vhost) as driver:
        sent = [message() for _ in range(4)]
        await driver.enqueue(sent)
        held = await taken(driver, 2)
        with alarm(rabbitmq_server), short_limits():
            assert (await driver.settle([Ack(held[0])])).lost == ()
            retry = Retry(held[1], 0.0, Failure("Error", ""))
            with pytest.raises(OutcomeUnknown, match=TOLD):
                await driver.settle([retry])
            for _ in range(3):  # it will be stored, but not four times
                with pytest.raises(DriverUnavailable, match=TOLD):
                    await driver.settle([retry])
            (third,) = await driver.dequeue(["mail"], limit=1, wait=10)
            with pytest.raises(DriverUnavailable, match=TOLD):  # of one of them, and not of both
                await driver.settle([Ack(third), retry])
            (fourth,) = await driver.dequeue(["mail"], limit=1, wait=10)
            assert (await driver.settle([Ack(fourth)])).lost == ()
        assert (await driver.settle([retry])).lost == ()
        attempts: list[int] = []
        while found := await driver.dequeue(["mail"], limit=1, wait=1):
            attempts += [each.attempt for each in found]
            await driver.settle([Ack(each) for each in found])
        assert attempts == [2]  # the copy that was on its way, and no other


async def test_under_load_a_worker_goes_on_in_an_alarm_and_nothing_is_lost(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with under_load(vhost) as load:
        with alarm(rabbitmq_server), short_limits():
            await asyncio.sleep(3)  # how long it lasts; nothing is waited for
        print(f"consuming again after {await load.goes_on(1):.3f} s")
        await load.ends()
        print(f"{len(load.confirmed)} tasks; {[type(e).__name__ for e in load.told]}")
    assert load.told
    assert load.run_again() == {}


async def test_what_is_under_way_when_an_alarm_comes_is_confirmed_or_told(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with driver_on(vhost) as driver:
        confirmed: set[object] = set()
        unstored: set[object] = set()
        stopped = False

        async def produce() -> None:
            while not stopped:
                sent = message()
                with suppress(OutcomeUnknown):
                    try:
                        await driver.enqueue([sent])
                        confirmed.add(sent.id)
                    except DriverUnavailable:
                        unstored.add(sent.id)

        with short_limits():
            producers = [asyncio.ensure_future(produce()) for _ in range(8)]
            for _ in range(3):
                manager = alarm(rabbitmq_server)
                await asyncio.to_thread(manager.__enter__)
                await asyncio.sleep(0.2)
                await asyncio.to_thread(manager.__exit__, None, None, None)
            stopped = True
            await asyncio.gather(*producers)
        found: list[object] = []
        while some := await driver.dequeue(["mail"], limit=1000, wait=1):
            found += [each.id for each in some]
            await driver.settle([Ack(each) for each in some])
        assert confirmed <= set(found), "a confirm was no confirm"
        assert not unstored & set(found)
        assert len(found) == len(set(found))
