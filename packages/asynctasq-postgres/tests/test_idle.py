"""What an idle consumer costs: few statements, more seldom the longer nothing comes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import monotonic

import pytest

from tools.backends import Room

from .drivers import message, opened, works
from .servers.own import at
from .wiretap import overheard

SECONDS = 5.0
"""Between two looks, so that none is under way then."""

pytestmark = [pytest.mark.concurrent, pytest.mark.asyncio]


async def test_an_idle_consumer_sends_less_than_two_statements_a_second(
    database: str, stack: AsyncExitStack
) -> None:
    tap = stack.enter_context(overheard(database))
    few = {"min_pool_size": 1, "max_pool_size": 1}
    driver = await stack.enter_async_context(opened(tap.url, **few))
    await works(driver)
    while driver._sql.next_due not in tap.statements:  # it listens, and has prepared all it asks
        await driver.dequeue(["mail"], limit=1, wait=0.1)
    call = asyncio.create_task(driver.dequeue(["mail"], limit=1, wait=60.0))
    tap.forget()
    await asyncio.wait((call,), timeout=SECONDS)
    assert len(tap.statements) < 2 * SECONDS
    assert tap.round_trips == len(tap.statements)
    await driver.enqueue([message()])
    assert await call


async def test_through_pgbouncer_a_consumer_looks_ever_more_seldom(
    database: str, postgres_bouncer: Room, stack: AsyncExitStack
) -> None:
    name = database.rpartition("/")[2]
    tap = stack.enter_context(overheard(at(postgres_bouncer.url, name)))
    driver = await stack.enter_async_context(opened(tap.url, pgbouncer=True))
    await works(driver)
    tap.forget()
    start = monotonic()
    call = asyncio.create_task(driver.dequeue(["mail"], limit=1, wait=60.0))
    looks: list[int] = []
    for _ in range(3):
        await asyncio.wait((call,), timeout=1.5)
        looks.append(tap.statements.count(driver._sql.dequeue))
    assert looks[0] >= 4
    assert looks[0] > looks[2] - looks[0], looks
    assert looks[2] < 4 * (monotonic() - start), looks
    await driver.enqueue([sent := message()])
    start = monotonic()
    (delivery,) = await call
    assert delivery.id == sent.id
    assert monotonic() - start < 5.0
