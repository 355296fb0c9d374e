"""A channel that the broker closes, as for an acknowledgement that it does not know.

Its leases end. Tags count from 1 on each channel, so that old ones are there again on the next.
"""

from __future__ import annotations

import asyncio

import pytest
from aiormq import spec
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Message, Release, Retry
from asynctasq_drivers.rabbitmq import RabbitmqDriver
from asynctasq_drivers.rabbitmq._client import Connection
from asynctasq_drivers.rabbitmq._session import Session
from tools.backends import Room

from .channels import channel_on
from .load import again, driver_on, under_load, until
from .servers.own import queue_info

pytestmark = pytest.mark.asyncio
NO_TAG = 2**40


async def break_channel(session: Session) -> None:
    """Acknowledge what is not there, on the loop that the channel belongs to."""
    inner = session.channel._inner
    asyncio.run_coroutine_threadsafe(inner.basic_ack(NO_TAG), inner.loop)
    await until(lambda: session.ended, "the broker closes the channel")


async def taken(driver: RabbitmqDriver, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < count:
        found += await driver.dequeue(["mail"], limit=count - len(found), wait=10)
    return found


async def test_receipts_of_a_channel_that_was_closed_settle_nothing_on_the_next(
    rabbitmq_server: Room, vhost: str, sessions: list[Session]
) -> None:
    async with driver_on(vhost) as driver:
        sent = [Message(queue="mail", body=b"", visibility_timeout=60.0) for _ in range(4)]
        await driver.enqueue(sent)
        old = await taken(driver, 4)
        await break_channel(sessions[0])
        assert (await driver.extend(old)).lost == tuple(old)
        new = await taken(driver, 4)
        assert {d.receipt[1] for d in old} == {d.receipt[1] for d in new}, "tags coincide"  # type: ignore[index]
        failure = Failure("Error", "")
        outcomes = (
            Ack(old[0]),
            Retry(old[1], 0.0, failure),
            Release(old[2]),
            DeadLetter(old[3], failure),
        )
        assert (await driver.settle(outcomes)).lost == tuple(old)
        name = vhost.rpartition("/")[2]
        found = await asyncio.to_thread(queue_info, rabbitmq_server, name)
        assert (found["mail"]["ready"], found["mail"]["unacknowledged"]) == (0, 4)
        assert found["mail/dead"]["ready"] == 0
        assert [d.losses for d in new] == [0, 0, 0, 0], "its worker lives"
        assert (await driver.settle([Ack(d) for d in new])).lost == ()
        assert await driver.dequeue(["mail"], limit=1, wait=0) == ()


@pytest.mark.concurrent
async def test_a_worker_whose_channel_is_closed_goes_on_with_what_it_runs(
    vhost: str, sessions: list[Session]
) -> None:
    async with under_load(vhost, seconds=2.0) as load:
        for _ in range(8):
            await break_channel(sessions[-1])
            print(f"consuming again after {await load.goes_on(4):.3f} s")
        await load.ends()
    assert len(sessions) > 8
    assert load.run_again() == {}, "what still ran was begun again"
    assert load.told == [], "who only publishes is not concerned"


async def test_a_consumer_that_begins_as_its_channel_or_queue_goes_is_no_refusal(
    vhost: str, sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks is told to ask again: a worker does not end by it."""
    async with driver_on(vhost) as driver, channel_on(vhost) as other:
        sent = Message(queue="mail", body=b"", visibility_timeout=60.0)
        await driver.enqueue([sent])
        await driver.dequeue(["mail"], limit=1, wait=0)
        await sessions[0].channel._inner.basic_ack(NO_TAG)  # written, and not read yet
        assert len(await again(lambda: driver.dequeue(["mail"], limit=2, wait=10))) == 1
        await other.queue_delete("mail")
        await again(lambda: driver.dequeue(["mail"], limit=3, wait=0.5))
        await driver.enqueue([sent])
        assert len(await again(lambda: driver.dequeue(["mail"], limit=1, wait=10))) == 1


async def test_what_is_asked_once_channel_and_connection_have_ended_is_told_so(vhost: str) -> None:
    connection = Connection(vhost, "one that ends")
    await connection.open()
    channel = await connection.channel(confirms=True)
    over = asyncio.Event()
    channel.on_end(lambda _: over.set())
    await channel.tell([spec.Basic.Ack(NO_TAG)])
    await over.wait()
    connection.abort()
    await until(lambda: not connection.is_open, "the connection has ended")
    nothing = spec.Basic.Properties()
    for ask in (
        lambda: channel.get("mail"),
        lambda: channel.depth("mail"),
        channel.passed,
        lambda: channel.purge("mail"),
        lambda: channel.publish(b"", "", "mail", nothing, wait=False),
    ):
        with pytest.raises((ChannelInvalidStateError, AMQPError)):
            await ask()
