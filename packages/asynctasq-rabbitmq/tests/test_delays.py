"""A message comes when it is due, to a second: whoever sent it, and whatever else waits."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynctasq.driver import Ack
from asynctasq.errors import Unsupported
from asynctasq_drivers.rabbitmq import _delays
from tools.backends import Room

from .drivers import message, opened
from .servers import own

SECONDS = st.integers(1, int(_delays.LONGEST))
QUEUES = st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True)
LATE = 1.0
"""Seconds; some ten milliseconds where nothing else runs."""


def matches(pattern: str, key: str) -> bool:
    """Whether a topic exchange lets that key through: `*` is a word, `#` are any number of them."""
    words = (re.escape(word) for word in pattern.split("."))
    text = r"\.".join(words).replace(r"\*", "[^.]*").replace(r"\.\#", r"(\..*)?")
    return re.fullmatch(text, key) is not None


@settings(max_examples=40, deadline=None)
@given(SECONDS, QUEUES)
def test_the_levels_that_a_message_waits_at_make_up_its_delay(seconds: int, queue: str) -> None:
    key, waited = _delays.routing_key(seconds, queue), 0
    first = _delays.level_of(seconds)
    for level in reversed(range(first + 1)):
        waits, passes = (matches(p(level), key) for p in (_delays.waits_at, _delays.passes))
        assert waits != passes
        waited += waits * 2**level
    assert waited == seconds
    assert matches(_delays.waits_at(first), key), "it enters where it waits first"
    assert _delays.queue_in(key) == queue
    assert matches(_delays.due_in(queue), key)
    assert not matches(_delays.due_in(f"{queue}x"), key)
    assert not matches(_delays.due_in(f"x.{queue}"), key)
    assert len(key) == _delays.HEAD + len(queue)


@settings(deadline=None)
@given(QUEUES)
def test_a_name_of_a_queue_is_not_taken_for_a_routing_key(queue: str) -> None:
    assert _delays.queue_in(queue) == queue


@pytest.mark.parametrize(
    ("delay", "seconds", "level"),
    [(0.001, 1, 0), (1, 1, 0), (1.001, 2, 1), (3, 3, 1), (4, 4, 2), (2**29 - 1, 2**29 - 1, 28)],
)
def test_a_delay_is_whole_seconds_and_never_less(delay: float, seconds: int, level: int) -> None:
    assert _delays.seconds_of(delay) == seconds
    assert _delays.level_of(seconds) == level


async def arrivals(driver: Any, count: int) -> dict[UUID, float]:
    """When each came first."""
    found: dict[UUID, float] = {}
    while len(found) < count:
        taken = await driver.dequeue(["mail"], limit=200, wait=10)
        assert taken, f"{count - len(found)} are missing"
        for each in taken:
            found.setdefault(each.id, monotonic())
        await driver.settle([Ack(each) for each in taken])
    return found


@pytest.mark.asyncio
async def test_mixed_delays_end_in_time_without_who_sent_them_or_who_takes_them(
    vhost: str,
) -> None:
    delays = [7, 1, 5, 2.5, 3, 2, 1] * 20
    async with opened(vhost) as sender:
        sent = {each.id: each for each in (message(delay=delay) for delay in delays)}
        began = monotonic()
        await sender.enqueue(list(sent.values()))
        await sender.enqueue([message(queue="untaken", delay=delay) for delay in (3, 1, 2)])
        written = monotonic()
    async with opened(vhost) as driver:
        late: list[float] = []
        for id, at in (await arrivals(driver, len(sent))).items():
            due = _delays.seconds_of(sent[id].delay)
            late.append(at - written - due)
            assert due <= at - began, "too early"
            assert at - written <= due + LATE, "too late"
        print(f"{max(late):.3f} s late at most")
        assert (await driver.stats(["untaken"]))[0].pending == 3


@pytest.mark.asyncio
async def test_a_thousand_that_are_due_at_once_are_in_time(vhost: str) -> None:
    async with opened(vhost) as driver:
        sent = [message(delay=3) for _ in range(1000)]
        began = monotonic()
        await driver.enqueue(sent)
        written = monotonic()
        came = await arrivals(driver, len(sent))
        assert set(came) == {each.id for each in sent}
        assert min(came.values()) - began >= 3
        print(f"the last {max(came.values()) - written - 3:.3f} s late")
        assert max(came.values()) - written <= 3 + 2 * LATE


@pytest.mark.asyncio
async def test_the_longest_delay_is_taken_and_none_above_it(
    rabbitmq_server: Room, vhost: str
) -> None:
    longest = _delays.LONGEST
    async with opened(vhost) as driver:
        await driver.enqueue([message(delay=longest)])
        with pytest.raises(Unsupported):
            await driver.enqueue([message(delay=longest + 1)])
    queues = await asyncio.to_thread(own.queue_info, rabbitmq_server, vhost.rpartition("/")[2])
    assert Counter({name: row["ready"] for name, row in queues.items()}) == Counter(
        {"asynctasq/delay/28": 1, "asynctasq/queues": 1}
    )
