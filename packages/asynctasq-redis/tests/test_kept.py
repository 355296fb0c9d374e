"""What stays in Redis, and for how long."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

from asynctasq.driver import Ack, Context, DeadLetter, Failure
from tools.backends import Room

from .drivers import message, opened, record, taken, works
from .servers.own import ask, server

pytestmark = pytest.mark.asyncio
FAILURE = Failure("ValueError", "no")
BRIEF = 2.0
"""Seconds that are long enough to look before they are over."""
LEFT = {"asynctasq:queues", "queue:{mail}:clock"}
"""What an empty queue leaves behind, as the README says."""


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.05)


def keys(room: Room) -> set[str]:
    return set(ask(room, "KEYS", "*"))


async def test_an_empty_queue_leaves_its_name_and_its_clock() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            await driver.enqueue([message() for _ in range(5)] + [message(delay=60)])
            deliveries = await driver.dequeue(["mail"], limit=4, wait=0)
            dead, *rest = deliveries
            await driver.settle([DeadLetter(dead, FAILURE), *map(Ack, rest)])
            await driver.delete([dead.ref])
            assert (await driver.purge("mail")).count == 2
            assert keys(room) == LEFT


async def test_who_has_waited_leaves_keys_that_end_by_themselves() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            assert await driver.dequeue(["mail"], limit=1, wait=0.2) == ()
            assert await driver.result(message().ref, 0.2) is None
            await works(driver)
            for key in keys(room) - LEFT:
                assert 0 < ask(room, "TTL", key) <= 62, key


@pytest.mark.parametrize("keep_for", [2.0, 100.0])
async def test_a_result_ends_by_itself(keep_for: float) -> None:
    with server() as room:
        async with opened(room.url) as driver:
            await driver.enqueue([message()])
            delivery = await taken(driver)
            await driver.settle([Ack(delivery, record(delivery, keep_for))])
            key = f"queue:{{mail}}:result:{delivery.id}"
            assert 0 < ask(room, "PTTL", key) <= keep_for * 1000
            if keep_for < 100:
                await until(lambda: keys(room) == LEFT)
                assert await driver.result(delivery.ref, 0) is None


async def test_a_dead_task_is_gone_from_all_keys_after_its_time() -> None:
    with server() as room:
        async with opened(room.url, Context(dead_ttl=BRIEF)) as driver:
            await driver.enqueue([message()])
            delivery = await taken(driver)
            await driver.settle([DeadLetter(delivery, FAILURE, record(delivery, None))])
            assert (await driver.list("dead", "mail", 10)).tasks
            await asyncio.sleep(BRIEF + 0.05)
            assert not (await driver.list("dead", "mail", 10)).tasks
            assert await driver.get(delivery.ref) is None
            await driver.stats()
            assert keys(room) == LEFT


async def test_a_completed_task_is_gone_from_all_keys_after_its_time() -> None:
    with server() as room:
        context = Context(keep_completed_tasks=True, completed_ttl=BRIEF)
        async with opened(room.url, context) as driver:
            await driver.enqueue([message()])
            delivery = await taken(driver)
            await driver.settle([Ack(delivery, record(delivery))])
            assert (await driver.list("completed", "mail", 10)).tasks
            await asyncio.sleep(BRIEF + 0.05)
            assert await driver.dequeue(["mail"], limit=1, wait=0) == ()
            assert keys(room) == LEFT


async def test_a_waiting_task_takes_less_than_twice_its_body_and_a_hundred_bytes() -> None:
    with server() as room:
        async with opened(room.url) as driver:
            await works(driver)
            before = used(room)
            for _ in range(20):
                await driver.enqueue([message(os.urandom(200)) for _ in range(1000)])
            assert (used(room) - before) / 20_000 < 500


def used(room: Room) -> int:
    """But for what waits to be written to its file, where the disk is slow."""
    facts = dict(
        line.split(":") for line in ask(room, "INFO", "memory").splitlines() if ":" in line
    )
    return int(facts["used_memory"]) - int(facts["mem_aof_buffer"])
