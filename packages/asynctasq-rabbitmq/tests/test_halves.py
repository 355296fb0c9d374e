"""An outcome that is two steps, broken off between them: both are there then, never neither."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from asynctasq.driver import Ack, DeadLetter, Delivery, Failure, Outcome, Release, Retry
from asynctasq.errors import DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.rabbitmq import RabbitmqDriver, _consumer
from asynctasq_drivers.rabbitmq import _messages as messages
from tools.backends import Room

from .holding import DEAD, QUEUE, again, held_there, message, opened, rest, taken, until
from .servers.own import queue_info, wait_for
from .servers.proxy import Proxy, proxy

FAILURE = Failure("ValueError", "no", "")
DELAYED = "asynctasq/delay/12"
"""The level that a delay of `LONG` begins at."""
LONG = 5000.0
MAKERS: dict[str, tuple[Callable[[Delivery], Outcome], str, int, int]] = {
    # What it makes, where its copy is, and that one's attempt and deliveries before it.
    "retry": (lambda d: Retry(d, 0.0, FAILURE), QUEUE, 2, 1),
    "delayed retry": (lambda d: Retry(d, LONG, FAILURE), DELAYED, 2, 1),
    "release": (lambda d: Release(d), QUEUE, 1, 0),
    "delayed release": (lambda d: Release(d, LONG), DELAYED, 1, 0),
    "dead letter": (lambda d: DeadLetter(d, FAILURE), DEAD, 1, 1),
}
What: TypeAlias = tuple[str, str, int, int]
Breaks: TypeAlias = Callable[[Proxy], None]


def before_the_copy(between: Proxy) -> None:
    between.cut_before("basic.publish")


def before_the_confirm(between: Proxy) -> None:
    between.lose_replies(to="basic.ack")


def before_the_acknowledgement(between: Proxy) -> None:
    between.cut_before("basic.ack")


def after_the_acknowledgement(between: Proxy) -> None:
    between.cut_after("basic.ack")


LEFT: dict[Breaks, tuple[int, int]] = {  # originals, and copies
    before_the_copy: (1, 0),
    before_the_confirm: (1, 1),
    before_the_acknowledgement: (1, 1),
    after_the_acknowledgement: (0, 1),
}


def what_is(found: Any) -> What:
    """Id, origin, attempt and earlier deliveries, as its headers tell."""
    properties = found.header.properties
    told = properties.headers
    return (
        properties.message_id,
        told[messages.ORIGIN],
        told[messages.ATTEMPT],
        told[messages.DELIVERIES],
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("breaks", LEFT)
async def test_where_an_outcome_breaks_off_there_is_the_old_or_its_copy_or_both(
    vhost: str, stack: AsyncExitStack, breaks: Breaks, kind: str
) -> None:
    make, place, attempt, deliveries = MAKERS[kind]
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url)
    sent = message(delay=0.0)
    await driver.enqueue([sent, message(queue="other", delay=LONG)])  # all that is declared, is
    (held,) = await taken(driver)
    breaks(between)
    with pytest.raises((DriverUnavailable, OutcomeUnknown)):
        await driver.settle([make(held)])
    assert between.lost == 1
    await driver.close()

    assert held.origin
    old = (str(sent.id), held.origin, 1, 0)
    copy = (str(sent.id), held.origin, attempt, deliveries)
    originals, copies = LEFT[breaks]
    expected = Counter({(QUEUE, old): originals})
    expected[place, copy] += copies

    async def look() -> None:
        found = [(name, one) for name in {QUEUE, place} for one in await there(vhost, name)]
        assert Counter(one for one in found if one[1][0] == str(sent.id)) == +expected

    await again(look, AssertionError)


async def there(url: str, queue: str) -> list[What]:
    return [what_is(one) for one in await held_there(url, queue)]


@pytest.mark.asyncio
@pytest.mark.parametrize("breaks", LEFT)
async def test_a_replay_that_breaks_off_leaves_the_dead_letter_or_its_copy_or_both(
    vhost: str, stack: AsyncExitStack, breaks: Breaks
) -> None:
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url)
    sent = message()
    await driver.enqueue([sent])
    (held,) = await taken(driver)
    await driver.settle([DeadLetter(held, FAILURE)])
    breaks(between)
    with pytest.raises((DriverUnavailable, OutcomeUnknown)):
        await driver.retry_dead([sent.ref])
    assert between.lost == 1
    await driver.close()

    async def look() -> None:
        dead, pending = await there(vhost, DEAD), await there(vhost, QUEUE)
        assert (len(dead), len(pending)) == LEFT[breaks]
        assert all(one == (str(sent.id), held.origin, 1, 1) for one in dead)
        for id, origin, attempt, deliveries in pending:
            assert (id, attempt, deliveries) == (str(sent.id), 1, 0)
            assert origin != held.origin, "a replay is another sending"

    await again(look, AssertionError)


@pytest.mark.asyncio
async def test_what_a_replay_left_twice_is_replayed_and_deleted_whole(
    vhost: str, stack: AsyncExitStack
) -> None:
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url)
    sent = message()
    await driver.enqueue([sent])
    (held,) = await taken(driver)
    before_the_acknowledgement(between)
    with pytest.raises(OutcomeUnknown):
        await driver.settle([DeadLetter(held, FAILURE)])
    (held,) = await taken(driver)
    await driver.settle([DeadLetter(held, FAILURE)])
    assert [id for id, *_ in await there(vhost, DEAD)] == 2 * [str(sent.id)]
    assert await driver.retry_dead([sent.ref]) == (sent.ref,)
    assert not await there(vhost, DEAD)
    (one,) = await taken(driver)
    assert (one.id, one.attempt, one.deliveries) == (sent.id, 1, 1)
    assert not await rest(driver)


@pytest.mark.asyncio
@pytest.mark.parametrize("breaks", LEFT)
async def test_what_nobody_asked_for_is_there_whatever_breaks_off_giving_it_back(
    vhost: str, stack: AsyncExitStack, breaks: Breaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_consumer, "IDLE", 60.0)  # so that nothing is given back before
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url, prefetch_count=5)
    sent = [message(b"%d" % n) for n in range(5)]
    await driver.enqueue(sent)
    (held,) = await taken(driver)
    await until(lambda: unasked(driver) == 4, "the others were pushed as well")
    breaks(between)
    await driver.close()
    assert between.lost == 1

    async def look() -> None:
        found = Counter(id for id, *_ in await there(vhost, QUEUE))
        assert set(found) == {str(one.id) for one in sent}
        assert found.pop(str(held.id)) == 1
        assert max(found.values()) <= 2

    await again(look, AssertionError)


def unasked(driver: RabbitmqDriver) -> int:
    return driver._consumer.unasked(QUEUE)


@pytest.mark.asyncio
async def test_an_acknowledgement_that_was_not_answered_is_made_or_the_message_comes_again(
    vhost: str, stack: AsyncExitStack
) -> None:
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url)
    for breaks, left in ((before_the_acknowledgement, 1), (after_the_acknowledgement, 0)):
        await driver.enqueue([message()])
        (held,) = await taken(driver)
        breaks(between)
        with pytest.raises(OutcomeUnknown):
            await driver.settle([Ack(held)])
        assert (await driver.settle([Ack(held)])).lost == (held,)
        came = await taken(driver, left)
        assert [one.id for one in came] == [held.id] * left
        assert all(one.deliveries == 1 for one in came), "no loss: it is the same instance"
        await driver.settle([Ack(one) for one in came])
        assert not await rest(driver)


@pytest.mark.concurrent
@pytest.mark.asyncio
@pytest.mark.parametrize(("kind", "kept"), [("release", 0), ("retry", 1)])
async def test_of_what_is_held_a_copy_is_dropped_and_that_of_a_later_attempt_waits(
    vhost: str, rabbitmq_server: Room, stack: AsyncExitStack, kind: str, kept: int
) -> None:
    make = MAKERS[kind][0]
    between = stack.enter_context(proxy(vhost))
    driver = await opened(stack, between.url)
    await driver.enqueue([message()])
    (held,) = await taken(driver)
    before_the_confirm(between)
    with pytest.raises(OutcomeUnknown):
        await driver.settle([make(held)])
    waiting = asyncio.ensure_future(driver.dequeue([QUEUE], limit=10, wait=20))

    def came() -> bool:
        found = queue_info(rabbitmq_server, urlsplit(vhost).path[1:])[QUEUE]
        return (found["ready"], found["unacknowledged"]) == (0, 1 + kept)

    await asyncio.to_thread(wait_for, came, "its copy came, and was dropped or kept")
    assert not waiting.done(), "it was handed out beside the one that is at work"
    assert not (await driver.settle([Ack(held)])).lost
    sent = message()
    if not kept:
        await driver.enqueue([sent])
    (one,) = await waiting
    assert (one.id, one.attempt) == ((held.id, 2) if kept else (sent.id, 1))
    await driver.settle([Ack(one)])
    assert not await rest(driver)
