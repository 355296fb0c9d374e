"""A reply is lost after its command ran: what was done is done once, however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import TypeAlias

import pytest
import pytest_asyncio
from redis import Redis

from asynctasq.driver import Ack, Delivery, Failure, Message, Outcome, Record, Retry
from asynctasq.errors import OutcomeUnknown
from asynctasq_drivers.redis import RedisDriver

from .load import driver_on
from .servers.own import server
from .servers.proxy import Proxy, proxy

pytestmark = pytest.mark.asyncio
LEASE = 1.0
Through: TypeAlias = "tuple[RedisDriver, Proxy]"


def message(queue: str = "mail") -> Message:
    return Message(queue=queue, body=b"payload", visibility_timeout=LEASE)


@pytest_asyncio.fixture
async def through() -> AsyncIterator[Through]:
    """A driver whose server knows all scripts, and the proxy between them."""
    with server() as room, proxy(room.url) as between:
        async with driver_on(between.url) as driver:
            first = message("first")
            await driver.enqueue([first])
            held = await driver.dequeue(["first"], limit=1, wait=0)
            await driver.extend(held)
            await driver.settle([Ack(each) for each in held])
            await driver.store([Record(first.ref, "completed", b"", 60.0)])
            yield driver, between


def lose_all(between: Proxy) -> None:
    """All data, but not the scripts."""
    with Redis.from_url(between.url) as client:
        client.flushall()


def lose(between: Proxy) -> None:
    """The reply of the next script."""
    between.lose_replies(1, b"EVALSHA")


async def taken(driver: RedisDriver, count: int, wait: float = 0.0) -> list[Delivery]:
    """All that is due in the two queues of these tests."""
    found = await driver.dequeue(["mail", "post"], limit=count + 1, wait=wait)
    assert len(found) == count
    return list(found)


@pytest.mark.parametrize("queues", [["mail", "mail"], ["mail", "post"]])
async def test_an_enqueue_tells_its_ids_and_sent_again_stores_each_once(
    through: Through, queues: list[str]
) -> None:
    driver, between = through
    sent = [message(queue) for queue in queues]
    ids = [each.id for each in sent]
    lose(between)
    with pytest.raises(OutcomeUnknown) as told:
        await driver.enqueue(sent)
    assert list(told.value.ids) == ids
    assert sum(each.pending or 0 for each in await driver.stats(["mail", "post"])) > 0
    assert list((await driver.enqueue(sent)).stored) == ids
    assert [each.id for each in await taken(driver, 2)] == ids


async def test_an_enqueue_sent_again_after_its_message_has_ended_stores_nothing(
    through: Through,
) -> None:
    driver, between = through
    sent = message()
    lose(between)
    with pytest.raises(OutcomeUnknown):
        await driver.enqueue([sent])
    (held,) = await taken(driver, 1)
    await driver.settle([Ack(held, Record(held.ref, "completed", b"result", 60.0))])
    await driver.enqueue([sent])
    await taken(driver, 0)


async def test_a_queue_is_listed_although_the_reply_that_it_is_new_was_lost(
    through: Through,
) -> None:
    driver, between = through
    await driver.enqueue([message()])
    await asyncio.to_thread(lose_all, between)
    lose(between)
    again = message()
    with pytest.raises(OutcomeUnknown):
        await driver.enqueue([again])
    await driver.enqueue([again])
    assert [(each.queue, each.pending) for each in await driver.stats()] == [("mail", 1)]


async def test_what_a_dequeue_took_comes_back_after_its_lease(through: Through) -> None:
    driver, between = through
    sent = [message(), message()]
    await driver.enqueue(sent)
    lose(between)
    start = monotonic()
    with pytest.raises(OutcomeUnknown):
        await driver.dequeue(["mail"], limit=2, wait=0)
    await taken(driver, 0)
    back = await driver.dequeue(["mail"], limit=2, wait=10)
    assert LEASE * 0.9 < monotonic() - start < LEASE + 2
    assert [(each.id, each.deliveries) for each in back] == [(each.id, 2) for each in sent]


async def test_a_settle_sent_again_is_lost_and_its_outcome_happened_once(
    through: Through,
) -> None:
    driver, between = through
    await driver.enqueue([message(), message()])
    done, failed = await taken(driver, 2)
    record = Record(done.ref, "completed", b"result", 60.0)
    outcomes: list[Outcome] = [Ack(done, record), Retry(failed, 0.0, Failure("Error"))]
    lose(between)
    with pytest.raises(OutcomeUnknown) as told:
        await driver.settle(outcomes)
    assert set(told.value.ids) == {done.id, failed.id}
    assert (await driver.settle(outcomes)).lost == (done, failed)
    assert await driver.result(done.ref, 0) == record
    (again,) = await taken(driver, 1)
    assert (again.id, again.attempt, again.deliveries) == (failed.id, 2, 2)


async def test_an_extend_has_renewed_the_lease_and_may_be_sent_again(through: Through) -> None:
    driver, between = through
    await driver.enqueue([message()])
    (held,) = await taken(driver, 1)
    before = await due_at(driver, held)
    lose(between)
    with pytest.raises(OutcomeUnknown):
        await driver.extend([held])
    assert await due_at(driver, held) > before
    assert (await driver.extend([held])).lost == ()


async def due_at(driver: RedisDriver, held: Delivery) -> float:
    task = await driver.get(held.ref)
    assert task
    assert task.state == "running"
    assert task.due_at
    return task.due_at


async def test_a_record_is_kept_although_its_reply_was_lost_and_may_be_stored_again(
    through: Through,
) -> None:
    driver, between = through
    record = Record(message().ref, "completed", b"result", 60.0)
    lose(between)
    with pytest.raises(OutcomeUnknown):
        await driver.store([record])
    assert await driver.result(record.ref, 0) == record
    await driver.store([record])
    assert await driver.result(record.ref, 0) == record
