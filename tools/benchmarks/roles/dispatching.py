"""Stores tasks as programs do: one by one, from many coroutines, in bulk, or at a slow rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator

import asynctasq
from asynctasq.config import Config, make_driver
from tools.benchmarks.orders import Done, Fill, Paced, Pulse, Purge, Store
from tools.benchmarks.roles.pacing import pace
from tools.benchmarks.tasks import call, stamp

_COROUTINES = 50
_CHUNK = 10_000


async def store(order: Store) -> Paced:
    """As fast as that way goes."""
    ways = {"one": _one_by_one, "fifty": _by_coroutines, "many": _in_bulk}
    return await pace(ways[order.way](order), order.seconds)


async def _one_by_one(order: Store) -> AsyncGenerator[int]:
    await call("noop", order.queue).dispatch()  # connects
    yield 0
    for _ in range(order.count):
        await call("noop", order.queue).dispatch()
        yield 1


async def _by_coroutines(order: Store) -> AsyncGenerator[int]:
    """Each of them dispatches one after the other, a share of 1,000."""
    await call("noop", order.queue).dispatch()
    yield 0
    for start in range(0, order.count, 1000):
        size = min(1000, order.count - start)
        left = iter(range(size))
        await asyncio.gather(*(_dispatch_each(left, order.queue) for _ in range(_COROUTINES)))
        yield size


async def _dispatch_each(left: Iterator[int], queue: str) -> None:
    for _ in left:
        await call("noop", queue).dispatch()


async def _in_bulk(order: Store) -> AsyncGenerator[int]:
    """`dispatch_many` of 1,000."""
    await call("noop", order.queue).dispatch()
    yield 0
    for start in range(0, order.count, 1000):
        size = min(1000, order.count - start)
        await asynctasq.dispatch_many([call("noop", order.queue) for _ in range(size)])
        yield size


async def fill(order: Fill) -> Done:
    """So many that wait."""
    for start in range(0, order.count, _CHUNK):
        size = min(_CHUNK, order.count - start)
        await asynctasq.dispatch_many([call(order.task, order.queue) for _ in range(size)])
    return Done()


async def pulse(order: Pulse) -> Done:
    """One after the other, each at its time, whatever became of those before it."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(order.count):
        await asyncio.sleep(start + number / order.rate - loop.time())
        await stamp(time.time()).on_queue(order.queue).dispatch()
    return Done()


async def purge(order: Purge) -> Done:
    """What waits in a queue."""
    driver = make_driver(Config.get().driver, Config.get())
    await driver.open()
    try:
        await driver.purge(order.queue)
    finally:
        await driver.close()
    return Done()
