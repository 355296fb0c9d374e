"""A broker that is killed keeps what it has confirmed, wherever that was just then."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Final
from uuid import UUID

import pytest

from asynctasq.driver import Ack
from tools.backends import Room

from .drivers import buried, message, opened
from .servers import own

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]
ROUNDS: Final = 1
_DELAYS: Final = (7, 3, 5, 6)
_FOR: Final = 7.2


@pytest.fixture(scope="module")
def mortal() -> Iterator[Room]:
    with own.server() as room:
        yield room


async def test_what_is_confirmed_into_a_new_queue_outlives_a_kill_at_once(mortal: Room) -> None:
    """A broker does not know for a second where the data of a new quorum queue is."""
    for number in range(ROUNDS):
        sent = [message(queue=f"new{number}"), message(queue=f"late{number}", delay=1)]
        async with opened(mortal.url, exchange_name=f"app{number}") as driver:
            for each in sent:
                await driver.enqueue([each])
            await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
        async with opened(mortal.url, exchange_name=f"app{number}") as driver:
            for each in sent:
                (found,) = await driver.dequeue([each.queue], limit=1, wait=20)
                assert found.id == each.id
                await driver.settle([Ack(found)])


async def test_what_waits_for_its_time_outlives_a_kill_and_a_stop_at_every_hop(
    mortal: Room,
) -> None:
    """Sent in small steps for as long as it waits, so that some of it is at each place then."""
    due: dict[UUID, float] = {}
    async with opened(mortal.url) as driver:
        (dead,) = await buried(driver, 1)
        began = monotonic()
        while monotonic() < began + _FOR:
            batch = [message(delay=delay) for delay in _DELAYS]
            at = monotonic()
            await driver.enqueue(batch)
            due |= {each.id: at + each.delay for each in batch}
            await asyncio.sleep(0.02)
        await asyncio.to_thread(mortal.kill)
    await asyncio.to_thread(mortal.start)
    await asyncio.to_thread(mortal.stop)
    await asyncio.to_thread(mortal.start)
    came: Counter[UUID] = Counter()
    async with opened(mortal.url) as driver:
        page = await driver.list("dead", "mail", 10)
        assert [task.ref for task in page.tasks] == [dead.ref], "also before there is a leader"
        while due.keys() - came.keys():
            taken = await driver.dequeue(["mail"], limit=200, wait=15)
            assert taken, f"{len(due.keys() - came.keys())} of {len(due)} are lost"
            now = monotonic()
            assert all(now >= due[each.id] for each in taken)
            came.update(each.id for each in taken)
            await driver.settle([Ack(each) for each in taken])
        more = await driver.dequeue(["mail"], limit=200, wait=1)
        came.update(each.id for each in more)
    print(f"{came.total() - len(due)} of {len(due)} came twice")
    assert came.total() - len(due) < len(due) / 10
