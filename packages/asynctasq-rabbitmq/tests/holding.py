"""Drivers that are open for a test, what they hold, and what the broker holds of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any, TypeVar

from asynctasq.driver import Delivery
from asynctasq_drivers.rabbitmq import RabbitmqDriver
from asynctasq_drivers.rabbitmq._browsing import view
from asynctasq_drivers.rabbitmq._client import Connection
from tools.driver_tests.messages import QUEUE, message
from tools.driver_tests.waiting import PATIENCE, until

from .drivers import RABBITMQ

__all__ = [
    "DEAD",
    "QUEUE",
    "again",
    "held_there",
    "message",
    "opened",
    "rest",
    "taken",
    "until",
    "waits",
]

T = TypeVar("T")
DEAD = "mail/dead"


async def opened(stack: AsyncExitStack, url: str, **options: Any) -> RabbitmqDriver:
    """One that is closed when the test ends; options are given without their prefix."""
    return await stack.enter_async_context(RABBITMQ.opened(url, **options))


async def taken(
    driver: RabbitmqDriver, count: int = 1, queues: Sequence[str] = (QUEUE,)
) -> list[Delivery]:
    """So many deliveries, in as many calls as it takes."""
    found: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await driver.dequeue(queues, limit=count - len(found), wait=PATIENCE)
    return found


async def rest(driver: RabbitmqDriver, queues: Sequence[str] = (QUEUE,)) -> list[Delivery]:
    """All that there still is."""
    found: list[Delivery] = []
    while more := await driver.dequeue(queues, limit=1000, wait=0.3):
        found += more
    return found


def waits(driver: RabbitmqDriver, queue: str, consumers: int = 1) -> bool:
    """Whether somebody there waits at a queue, and so many consumers of it have begun."""
    line = driver._consumer._lines.get(queue)
    if line is None or not line.waiting or line.lock.locked():
        return False
    return len(line.tags) >= consumers


async def held_there(url: str, queue: str) -> list[Any]:
    """All messages that are ready in a queue, as the broker has them; they stay there."""
    connection = Connection(url, "test")
    await connection.open()
    try:
        async with view(connection, queue) as found:
            return found.messages
    finally:
        await connection.close()


async def again(call: Callable[[], Awaitable[T]], *errors: type[Exception]) -> T:
    """Its answer, as soon as there is one."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return await call()
        except errors:
            if monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
