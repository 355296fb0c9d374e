"""A reply is lost after its statement ran: what was done is done once, however often it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from time import monotonic
from typing import TypeAlias

import pytest
import pytest_asyncio

from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Message, Outcome, Record, Retry
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.postgres import PostgresDriver

from .load import driver_on
from .servers.proxy import Proxy, proxy

pytestmark = pytest.mark.asyncio
LEASE = 1.0
Through: TypeAlias = "tuple[PostgresDriver, Proxy]"

ENQUEUE = b"-- Store messages"
DEQUEUE = b"-- Hand out what is due"
ACK = b"-- Done"
SETTLE = b"-- Outcomes of every kind"
EXTEND = b"-- Let leases run anew"
STORE = b"AS g (queue, id, kind, value, keep_for, expires)\nON CONFLICT"
RETRY_DEAD = b"-- Dead tasks are pending"
DELETE = b"-- Whatever they are"
COMMIT = b"COMMIT"


def message(queue: str = "mail") -> Message:
    return Message(queue=queue, body=b"payload", visibility_timeout=LEASE)


@pytest.fixture
def between(database: str) -> Iterator[Proxy]:
    with proxy(database) as made:
        yield made


@pytest_asyncio.fixture
async def through(between: Proxy, stack: AsyncExitStack) -> AsyncIterator[Through]:
    """A driver, and the proxy between it and its server; all that was to be lost is lost by now."""
    yield await stack.enter_async_context(driver_on(between.url)), between
    assert between.lost == 1


async def taken(driver: PostgresDriver, count: int, wait: float = 0.0) -> list[Delivery]:
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
    between.lose_replies(to=ENQUEUE)
    with pytest.raises(OutcomeUnknown) as told:
        await driver.enqueue(sent)
    assert list(told.value.ids) == ids
    assert sum(each.pending or 0 for each in await driver.stats(["mail", "post"])) == 2
    assert list((await driver.enqueue(sent)).stored) == ids
    assert [each.id for each in await taken(driver, 2)] == ids


async def test_an_enqueue_sent_again_after_its_message_has_ended_stores_nothing(
    through: Through,
) -> None:
    driver, between = through
    sent = message()
    between.lose_replies(to=ENQUEUE)
    with pytest.raises(OutcomeUnknown):
        await driver.enqueue([sent])
    (held,) = await taken(driver, 1)
    await driver.settle([Ack(held, Record(held.ref, "completed", b"result", 60.0))])
    await driver.enqueue([sent])
    await taken(driver, 0)


async def test_what_a_dequeue_took_comes_back_after_its_lease(through: Through) -> None:
    driver, between = through
    sent = [message(), message()]
    await driver.enqueue(sent)
    between.lose_replies(to=DEQUEUE)
    start = monotonic()
    with pytest.raises(OutcomeUnknown):
        await driver.dequeue(["mail"], limit=2, wait=0)
    await taken(driver, 0)
    back = await driver.dequeue(["mail"], limit=2, wait=10)
    assert LEASE * 0.9 < monotonic() - start < LEASE + 2
    assert [(each.id, each.deliveries) for each in back] == [(each.id, 2) for each in sent]


async def test_acks_sent_again_are_lost_and_their_records_stay(through: Through) -> None:
    driver, between = through
    await driver.enqueue([message(), message()])
    held = await taken(driver, 2)
    records = [Record(each.ref, "completed", b"result", 60.0) for each in held]
    acks = [Ack(each, record) for each, record in zip(held, records, strict=True)]
    between.lose_replies(to=ACK)
    with pytest.raises(OutcomeUnknown):
        await driver.settle(acks)
    assert list((await driver.settle(acks)).lost) == held
    assert [await driver.result(each.ref, 0) for each in held] == records


async def test_a_mixed_settle_sent_again_is_lost_and_each_outcome_happened_once(
    through: Through,
) -> None:
    driver, between = through
    await driver.enqueue([message(), message(), message()])
    done, failed, dead = await taken(driver, 3)
    record = Record(done.ref, "completed", b"result", 60.0)
    failure = Failure("Error")
    outcomes: list[Outcome] = [
        Ack(done, record),
        Retry(failed, 0.0, failure),
        DeadLetter(dead, failure),
    ]
    between.lose_replies(to=SETTLE)
    with pytest.raises(OutcomeUnknown):
        await driver.settle(outcomes)
    assert (await driver.settle(outcomes)).lost == (done, failed, dead)
    assert await driver.result(done.ref, 0) == record
    assert [each.ref for each in (await driver.list("dead", None, 10)).tasks] == [dead.ref]
    (again,) = await taken(driver, 1)
    assert (again.id, again.attempt, again.deliveries) == (failed.id, 2, 2)


async def test_an_extend_has_renewed_the_lease_and_may_be_sent_again(through: Through) -> None:
    driver, between = through
    await driver.enqueue([message()])
    (held,) = await taken(driver, 1)
    before = await due_at(driver, held)
    between.lose_replies(to=EXTEND)
    with pytest.raises(OutcomeUnknown):
        await driver.extend([held])
    assert await due_at(driver, held) > before
    assert (await driver.extend([held])).lost == ()


async def due_at(driver: PostgresDriver, held: Delivery) -> float:
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
    between.lose_replies(to=STORE)
    with pytest.raises(OutcomeUnknown):
        await driver.store([record])
    assert await driver.result(record.ref, 0) == record
    await driver.store([record])
    assert await driver.result(record.ref, 0) == record


async def test_a_dead_task_that_was_replayed_is_there_once_and_is_dead_no_more(
    through: Through,
) -> None:
    driver, between = through
    await driver.enqueue([message()])
    (dead,) = await taken(driver, 1)
    await driver.settle([DeadLetter(dead, Failure("Error"))])
    between.lose_replies(to=RETRY_DEAD)
    with pytest.raises(OutcomeUnknown):
        await driver.retry_dead([dead.ref])
    assert await driver.retry_dead([dead.ref]) == ()
    (again,) = await taken(driver, 1)
    assert (again.id, again.attempt, again.deliveries) == (dead.id, 1, 1)


async def test_a_task_that_was_deleted_is_gone_and_deleted_again_it_is_not_there(
    through: Through,
) -> None:
    driver, between = through
    sent = message()
    await driver.enqueue([sent])
    between.lose_replies(to=DELETE)
    with pytest.raises(OutcomeUnknown):
        await driver.delete([sent.ref])
    assert await driver.get(sent.ref) is None
    assert await driver.delete([sent.ref]) == ()


@pytest_asyncio.fixture
async def in_transactions(between: Proxy, stack: AsyncExitStack) -> Through:
    """A driver as it is behind PgBouncer: with a transaction around each statement."""
    driver = await stack.enter_async_context(driver_on(between.url, pgbouncer=True))
    return driver, between


@pytest.mark.parametrize("word", [b"BEGIN", ENQUEUE])
async def test_behind_pgbouncer_nothing_is_stored_where_the_commit_was_not_sent(
    in_transactions: Through, word: bytes
) -> None:
    driver, between = in_transactions
    between.lose_replies(to=word)
    with pytest.raises(DriverUnavailable):
        await driver.enqueue([message()])
    assert between.lost == 1
    await taken(driver, 0)


async def test_behind_pgbouncer_a_commit_whose_reply_was_lost_is_told_as_unknown(
    in_transactions: Through,
) -> None:
    driver, between = in_transactions
    sent = message()
    between.lose_replies(to=COMMIT, whole=True)
    with pytest.raises(OutcomeUnknown) as told:
        await driver.enqueue([sent])
    assert (between.lost, told.value.ids) == (1, (sent.id,))
    await driver.enqueue([sent])
    assert [each.id for each in await taken(driver, 1)] == [sent.id]
