"""What is under way when a driver is closed ends, and leaves no connection behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from asynctasq.driver import Context, Message, Secret
from asynctasq.errors import DriverError
from asynctasq_drivers.redis import RedisDriver, RedisOptions
from tools.backends import Room

from .servers.cluster import Cluster
from .servers.own import ask, wait_for

pytestmark = pytest.mark.asyncio


async def closed_while_it_enqueues(url: str, turns: int) -> None:
    """On some queues at once, over one connection to each node."""
    options = RedisOptions(redis_url=Secret(url), redis_max_connections=1)
    driver = RedisDriver(options, Context())
    await driver.open()
    calls = [asyncio.ensure_future(enqueued(driver, f"mail{number}")) for number in range(6)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await driver.close()
    await asyncio.gather(*calls)


async def closed_while_it_waits(url: str, turns: int) -> None:
    driver = RedisDriver(RedisOptions(redis_url=Secret(url)), Context())
    await driver.open()
    waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=60))
    for _ in range(turns):
        await asyncio.sleep(0)
    await driver.close()
    assert await waiting == ()


async def enqueued(driver: RedisDriver, queue: str) -> bool:
    """Or refused."""
    try:
        await driver.enqueue([Message(queue=queue, body=b"", visibility_timeout=60.0)])
    except DriverError:
        return False
    return True


def nobody_is_connected(rooms: Sequence[Room]) -> bool:
    return not any("name=asynctasq" in ask(room, "CLIENT", "LIST") for room in rooms)


@pytest.mark.parametrize("turns", range(0, 40, 4))
async def test_calls_that_wait_for_a_connection_leave_none_behind(
    redis_server: Room, turns: int
) -> None:
    await closed_while_it_enqueues(redis_server.url, turns)
    await asyncio.to_thread(wait_for, lambda: nobody_is_connected([redis_server]), "no client", 5)


@pytest.mark.parametrize("turns", range(2, 60, 2))
async def test_who_begins_to_wait_leaves_no_connection_behind(
    redis_server: Room, turns: int
) -> None:
    await closed_while_it_waits(redis_server.url, turns)
    await asyncio.to_thread(wait_for, lambda: nobody_is_connected([redis_server]), "no client", 5)


@pytest.mark.parametrize("turns", range(0, 40, 4))
async def test_calls_that_find_another_node_leave_no_connection_behind(
    redis_cluster: Cluster, turns: int
) -> None:
    await closed_while_it_enqueues(redis_cluster.url, turns)
    nodes = redis_cluster.nodes
    await asyncio.to_thread(wait_for, lambda: nobody_is_connected(nodes), "no client", 5)
