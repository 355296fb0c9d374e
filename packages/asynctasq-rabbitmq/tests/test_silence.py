"""A broker that answers nothing any more: calls end in time, and go on once it answers again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from time import monotonic

import pytest

from asynctasq.driver import Ack, DeadLetter, Failure, Message, Release, Retry, TaskRef
from asynctasq.errors import DriverError, DriverUnavailable
from asynctasq_drivers.rabbitmq import _channel, _client, _publisher
from tools.driver_tests import waiting

from .drivers import made
from .holding import taken
from .load import again, driver_on, under_load
from .servers.proxy import Proxy, proxy

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

LIMIT = 0.5
LATE = 4.0
"""Seconds within which a call has ended that waited for a connection, an answer, and a good-bye."""


@contextmanager
def short_limits() -> Iterator[None]:
    """Seconds would do in place of tens, but for a test; only while nothing is answered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_client, "CONNECT", LIMIT)
        for room in (_channel, _client, _publisher):
            patch.setattr(room, "ANSWER", LIMIT)
        patch.setattr(_client, "_GOOD_BYE", LIMIT)
        yield


@pytest.fixture
def between(vhost: str) -> Iterator[Proxy]:
    with proxy(vhost) as made:
        yield made


def message() -> Message:
    return Message(queue="mail", body=b"", visibility_timeout=60.0)


async def ends_in_time(call: Callable[[], Awaitable[object]]) -> DriverError:
    """The error with which it ends."""
    return await waiting.ends_in_time(call, LATE)


async def test_every_verb_ends_in_time_and_goes_on(between: Proxy, stack: AsyncExitStack) -> None:
    made = await stack.enter_async_context(driver_on(between.url))
    await made.enqueue([message() for _ in range(5)])
    held = await taken(made, 4)
    failure = Failure("Error", "")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: made.enqueue([message()]),
        lambda: made.dequeue(["mail", "other"], limit=1, wait=0),
        lambda: made.dequeue(["mail"], limit=9, wait=60),
        lambda: made.stats(),
        lambda: made.stats(["mail"]),
        lambda: made.purge("mail"),
        lambda: made.get(TaskRef("mail", held[0].id)),
        lambda: made.list("dead", None, 10),
        lambda: made.retry_dead([held[0].ref]),
        lambda: made.delete([held[0].ref]),
    ]
    outcomes = [Ack(held[0]), Retry(held[1], 0, failure), DeadLetter(held[2], failure)]
    between.swallow()
    with short_limits():
        await ends_in_time(lambda: made.settle([*outcomes, Release(held[3])]))
        for call in calls:
            await ends_in_time(call)
        await asyncio.gather(*(ends_in_time(call) for call in calls))
    between.heal()
    assert await again(lambda: made.dequeue(["mail"], limit=20, wait=10))


@pytest.mark.parametrize("answered", range(5, 12))
async def test_an_open_ends_in_time_wherever_the_silence_begins_and_may_be_called_again(
    between: Proxy, stack: AsyncExitStack, answered: int
) -> None:
    driver = made(between.url)
    stack.push_async_callback(driver.close)
    between.swallow(after=answered)
    with short_limits(), suppress(DriverUnavailable):
        await driver.open()
        await ends_in_time(lambda: driver.enqueue([message()]))
    between.heal()
    await driver.open()
    await again(lambda: driver.enqueue([message()]))


async def test_a_network_that_drops_all_is_known_by_its_heartbeats(
    between: Proxy,
    stack: AsyncExitStack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever waits asks nothing, so that nothing else tells of it."""
    made = await stack.enter_async_context(driver_on(f"{between.url}?heartbeat=1"))
    await made.dequeue(["mail"], limit=1, wait=0)
    waiting = asyncio.ensure_future(made.dequeue(["mail"], limit=1, wait=60))
    await asyncio.wait([waiting], timeout=0.5)  # so that it waits by then
    assert not waiting.done()
    start = monotonic()
    between.swallow()
    monkeypatch.setattr(_client, "CONNECT", LIMIT)
    with pytest.raises(DriverUnavailable):
        await waiting
    print(f"known after {monotonic() - start:.3f} s")
    assert monotonic() - start < 3 * (1 + 1) + 1 + 2 * LIMIT
    assert any("not even a heartbeat came" in line for line in caplog.messages)
    assert not [record for record in caplog.records if record.name.startswith("aiormq")]
    monkeypatch.undo()
    between.heal()
    await again(lambda: made.enqueue([message()]))
    assert await again(lambda: made.dequeue(["mail"], limit=1, wait=10))


async def test_under_load_a_silence_or_a_cut_loses_nothing(between: Proxy) -> None:
    async with under_load(f"{between.url}?heartbeat=1") as load:
        between.swallow()
        with short_limits():
            await asyncio.sleep(2.0)  # how long it lasts; nothing is waited for
        between.heal()
        print(f"consuming again after {await load.goes_on(1):.3f} s")
        between.cut()
        await asyncio.sleep(1.0)  # the same
        between.heal()
        print(f"consuming again after {await load.goes_on(1):.3f} s")
        await load.ends()
        assert load.told
    assert load.run_again() == {}
