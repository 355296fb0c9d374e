"""How far ahead the broker pushes: as far as was asked, and nothing is hoarded for long."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

import asynctasq
from asynctasq import task
from asynctasq.driver import Ack
from asynctasq.worker import Worker
from asynctasq_drivers.rabbitmq import RabbitmqDriver, _consumer
from tools.backends import Room

from .holding import QUEUE, message, opened, rest, taken, until
from .servers.own import queue_info

LATER = "later"
runs: Counter[str] = Counter()
gates: dict[str, asyncio.Event] = {}


@task(name="rabbitmq.prefetch.wait", queue=QUEUE)
async def wait(key: str) -> None:
    runs[key] += 1
    await gates[key].wait()


def unasked(driver: RabbitmqDriver, queue: str = QUEUE) -> int:
    """How many are here that were pushed, and nobody has asked for."""
    return driver._consumer.unasked(queue)


async def there(room: Room, url: str, queue: str = QUEUE) -> tuple[int, int]:
    """How many are ready, and how many unacknowledged."""
    found = await asyncio.to_thread(queue_info, room, urlsplit(url).path[1:])
    return found[queue]["ready"], found[queue]["unacknowledged"]


@pytest.mark.asyncio
async def test_a_worker_holds_no_more_than_it_runs_and_others_get_the_rest(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack
) -> None:
    gates[vhost] = asyncio.Event()
    asynctasq.init({"driver": "rabbitmq", "rabbitmq_url": vhost, "store_results": False})
    stack.push_async_callback(asynctasq.close)
    for _ in range(20):
        await wait(vhost).dispatch()
    async with Worker([QUEUE], concurrency=10) as worker:
        await until(lambda: runs[vhost] == 10, "all its slots are taken")
        assert await there(rabbitmq_server, vhost) == (10, 10)
        async with Worker([QUEUE], concurrency=10) as other:
            await until(lambda: runs[vhost] == 20, "another has the rest")
            gates[vhost].set()
            await until(lambda: worker.completed + other.completed == 20, "all are completed")
        assert (worker.completed, other.completed) == (10, 10)


@pytest.mark.asyncio
@pytest.mark.parametrize("per_slot", [1, 3])
async def test_so_many_are_pushed_for_each_that_is_asked_for(
    vhost: str,
    rabbitmq_server: Room,
    stack: AsyncExitStack,
    monkeypatch: pytest.MonkeyPatch,
    per_slot: int,
) -> None:
    monkeypatch.setattr(_consumer, "IDLE", 60.0)  # so that nothing is given back meanwhile
    driver = await opened(stack, vhost, prefetch_count=per_slot)
    await driver.enqueue([message() for _ in range(30)])
    held = await taken(driver, 2)
    await until(lambda: unasked(driver) == 2 * (per_slot - 1), "the others were pushed as well")
    assert await there(rabbitmq_server, vhost) == (30 - 2 * per_slot, 2 * per_slot)
    held += await taken(driver, 8)  # more than before
    ready, unacknowledged = await there(rabbitmq_server, vhost)
    assert unacknowledged == 30 - ready
    await until(lambda: len(held) + unasked(driver) == unacknowledged, "all that was pushed came")
    assert unacknowledged <= 2 + 8 * per_slot


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_what_was_settled_makes_room_for_no_more_than_it_took(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack
) -> None:
    driver = await opened(stack, vhost)
    await driver.enqueue([message() for _ in range(60)])
    held = await taken(driver, 10)
    for _ in range(40):  # as a worker does: one ends, and one is asked for
        await driver.settle([Ack(held.pop(0))])
        held += await taken(driver, 1)
    assert len(held) == 10
    ready, unacknowledged = await there(rabbitmq_server, vhost)
    assert (ready, unacknowledged) in {(10, 10), (9, 11)}, "what was asked for last, or one ahead"


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_who_asks_for_more_than_before_has_it_pushed_while_others_are_at_work(
    vhost: str, stack: AsyncExitStack
) -> None:
    driver = await opened(stack, vhost)
    await driver.enqueue([message() for _ in range(120)])
    await driver.settle([Ack(one) for one in await taken(driver, 4)])
    held = list(await driver.dequeue([QUEUE], limit=8, wait=5))
    for _ in range(20):  # as a worker does that has found out that its tasks are short
        if len(held) == 8:
            break
        asking = asyncio.ensure_future(driver.dequeue([QUEUE], limit=8 - len(held), wait=5))
        await asyncio.wait((asking,), timeout=0.05)
        if not asking.done():
            await driver.settle([Ack(one) for one in held])
            held.clear()
        held += await asking
    assert len(held) == 8, "it had to wait until something was settled, again and again"


@pytest.mark.asyncio
async def test_what_is_held_for_long_makes_nothing_be_pushed_ahead(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack
) -> None:
    driver = await opened(stack, vhost)
    await driver.enqueue([message() for _ in range(30)])
    held = await taken(driver, 10)
    await until(lambda: not driver._consumer._lines[QUEUE].tags, "its consumer has ended")
    for _ in range(3):
        await driver.settle([Ack(held.pop())])
        held += await taken(driver, 1)
        assert not unasked(driver)
    assert await there(rabbitmq_server, vhost) == (17, 10)


@pytest.mark.asyncio
async def test_who_has_waited_for_long_is_pushed_no_more_than_it_asks_for(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, producer = await opened(stack, vhost), await opened(stack, vhost)
    for _ in range(3):  # in which its consumer goes on, and what is short would grow
        assert not await driver.dequeue([QUEUE], limit=2, wait=_consumer.IDLE)
    waiting = asyncio.ensure_future(driver.dequeue([QUEUE], limit=2, wait=20))
    monkeypatch.setattr(_consumer, "IDLE", 60.0)  # so that nothing is given back meanwhile
    await producer.enqueue([message() for _ in range(30)])
    assert await waiting
    assert await there(rabbitmq_server, vhost) == (28, 2)


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_what_nobody_asks_for_is_given_back_uncounted(
    vhost: str, stack: AsyncExitStack
) -> None:
    driver = await opened(stack, vhost, prefetch_count=5)
    sent = [message() for _ in range(5)]
    await driver.enqueue(sent)
    (held,) = await taken(driver)
    await until(lambda: unasked(driver) == 4, "the others were pushed as well")
    other = await opened(stack, vhost)
    given = await taken(other, 4)  # a second later
    assert {one.id for one in (held, *given)} == {one.id for one in sent}
    assert [(one.attempt, one.deliveries) for one in given] == [(1, 1)] * 4
    assert not (await driver.settle([Ack(held)])).lost
    assert not await rest(other)


@pytest.mark.concurrent
@pytest.mark.asyncio
async def test_a_later_queue_comes_after_the_ones_before_it_and_is_not_hoarded(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_consumer, "IDLE", 60.0)  # so that nothing is given back meanwhile
    driver = await opened(stack, vhost)
    queues = [QUEUE, LATER]
    await driver.enqueue([message(queue=queue) for queue in (LATER, QUEUE) for _ in range(5)])
    first = await driver.dequeue(queues, limit=3, wait=5)
    assert {one.queue for one in first} == {QUEUE}, "as many as have come at once"
    assert await there(rabbitmq_server, vhost, LATER) == (5, 0), "it had no turn yet"
    monkeypatch.undo()
    came = await taken(driver, 10 - len(first), queues)
    assert [one.queue for one in (*first, *came)] == [QUEUE] * 5 + [LATER] * 5

    waiting = asyncio.ensure_future(driver.dequeue(queues, limit=1, wait=20))
    await asyncio.wait((waiting,), timeout=0.5)  # both are waited for by now
    assert not waiting.done()
    await driver.enqueue([message(queue=LATER), message(queue=LATER)])
    assert [one.queue for one in await waiting] == [LATER]
    other = await opened(stack, vhost)
    assert [one.queue for one in await taken(other, 1, [LATER])] == [LATER]
