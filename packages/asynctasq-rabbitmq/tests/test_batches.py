"""Acknowledging in batches: all that was asked for, and never one more."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynctasq.driver import Ack, Delivery
from asynctasq_drivers.rabbitmq import RabbitmqDriver
from asynctasq_drivers.rabbitmq._session import frames
from tools.backends import Room

from .holding import QUEUE, message, opened, rest, taken
from .servers.own import suspended
from .servers.proxy import proxy

ORDERS = st.integers(1, 12).flatmap(lambda count: st.permutations(range(1, count + 1)))


def through(unacked: list[int], acks: list[tuple[int, bool]]) -> set[int]:
    """What a broker takes as acknowledged; it ends a channel that names a tag it does not know."""
    done: set[int] = set()
    for tag, multiple in acks:
        assert tag in unacked
        assert tag not in done
        done |= {one for one in unacked if one <= tag} if multiple else {tag}
    return done


@settings(deadline=None)
@given(ORDERS, st.lists(st.integers(1, 5), max_size=12), st.integers(0, 5), st.data())
def test_in_any_order_and_batches_what_is_acknowledged_is_what_was_asked(
    order: list[int], sizes: list[int], later: int, data: st.DataObject
) -> None:
    there = data.draw(st.permutations(range(1, len(order) + 1 + later)))
    while order:
        size = sizes.pop() if sizes else 1
        batch, order = order[:size], order[size:]
        # Some that the broker has pushed are still on their way to be noted.
        missing = data.draw(st.sets(st.sampled_from(order))) if order else set()
        noted = [tag for tag in there if tag not in missing]
        all_came = min(missing, default=len(there) + later + 20) - 1
        assert through(there, list(frames(noted, batch, all_came))) == set(batch)
        there = [tag for tag in there if tag not in batch]


def test_what_was_done_in_its_order_is_one_frame() -> None:
    assert list(frames(range(1, 101), range(1, 101), 100)) == [(100, True)]


def test_what_has_not_been_noted_is_never_acknowledged_with_others() -> None:
    assert list(frames([2, 3], [2, 3], 0)) == [(2, False), (3, False)]


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_of_deliveries_settled_in_any_order_at_once_exactly_the_others_come_again(
    vhost: str, stack: AsyncExitStack
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url)
    sent = [message(b"%d" % n) for n in range(300)]
    await driver.enqueue(sent)
    held = await taken(driver, 300)
    chance.shuffle(held)
    done, left = held[:200], held[200:]
    calls = []
    while done:
        size = chance.randint(1, 8)
        batch, done = done[:size], done[size:]
        calls.append(driver.settle([Ack(one) for one in batch]))
    assert all(not answer.lost for answer in await asyncio.gather(*calls))
    between.cut()
    between.heal()
    came = await taken(await opened(stack, vhost), 100)
    assert {one.id for one in came} == {one.id for one in left}
    assert not await rest(driver)


@pytest.mark.asyncio
async def test_a_large_batch_is_settled_when_its_queue_has_it_and_not_its_channel_alone(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack
) -> None:
    """A channel passes some thirty on, and forgets the others if it ends before that is done."""
    driver = await opened(stack, vhost)
    await driver.enqueue([message() for _ in range(200)])
    held = await taken(driver, 200)
    idle = suspended(rabbitmq_server, vhost, QUEUE)
    await asyncio.to_thread(idle.__enter__)
    settling = asyncio.ensure_future(driver.settle([Ack(one) for one in held[1::2]]))
    done, _ = await asyncio.wait((settling,), timeout=1)
    await asyncio.to_thread(idle.__exit__, None, None, None)
    assert not done
    assert not (await settling).lost
    driver._consuming.abort()
    other = await opened(stack, vhost)
    assert {one.id for one in await taken(other, 100)} == {one.id for one in held[::2]}
    assert not await rest(other)


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_what_comes_while_a_consumer_ends_is_not_acknowledged_with_what_is(
    vhost: str, stack: AsyncExitStack
) -> None:
    producer, driver = await opened(stack, vhost), await opened(stack, vhost)
    await producer.enqueue([message()])
    sending = Sending(producer)
    seen: list[UUID] = []
    for _ in range(400):  # each begins a consumer, and where nothing is there, ends it at once
        found = await driver.dequeue([QUEUE], limit=1000, wait=0)
        assert not (await driver.settle([Ack(one) for one in found])).lost
        seen += [one.id for one in found]
    sent = await sending.ended()
    await driver.close()
    seen += [one.id for one in await rest(producer)]
    assert len(seen) == len(sent) + 1, "lost, or handed out twice"
    assert set(seen) > set(sent)


class Sending:
    """Several that send all the time."""

    def __init__(self, driver: RabbitmqDriver) -> None:
        self._driver = driver
        self._sent: list[UUID] = []
        self._stopped = False
        self._all = asyncio.gather(*(self._send() for _ in range(3)))

    async def _send(self) -> None:
        while not self._stopped:
            batch = [message() for _ in range(3)]
            self._sent += (await self._driver.enqueue(batch)).stored

    async def ended(self) -> list[UUID]:
        """What was sent, and nothing comes after it."""
        self._stopped = True
        await self._all
        return self._sent


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_acknowledgements_that_many_ask_for_at_once_do_not_overtake_each_other(
    vhost: str, stack: AsyncExitStack
) -> None:
    driver = await opened(stack, vhost)
    await driver.enqueue([message() for _ in range(1000)])

    async def settle(number: int, delivery: Delivery) -> None:
        for _ in range(number % 37):  # turns of the loop
            await asyncio.sleep(0)
        assert not (await driver.settle([Ack(delivery)])).lost

    held = await taken(driver, 1000)
    await asyncio.gather(*(settle(number, one) for number, one in enumerate(held)))
    assert not await rest(driver)
