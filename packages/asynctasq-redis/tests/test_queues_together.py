"""A queue that cannot be asked takes nothing away from those that are asked with it."""

from __future__ import annotations

import pytest

from asynctasq.driver import Context, Message, Secret
from asynctasq.errors import BackendRefused
from asynctasq_drivers.redis import RedisDriver, RedisOptions
from tools.backends import Room

from .servers.cluster import Cluster
from .servers.own import ask

pytestmark = pytest.mark.asyncio


async def opened(url: str) -> RedisDriver:
    driver = RedisDriver(RedisOptions(redis_url=Secret(url)), Context())
    await driver.open()
    return driver


async def test_on_one_server_nothing_is_taken_from_another(redis_server: Room) -> None:
    ask(redis_server, "SET", "queue:{foreign-far}", "somebody else's")
    driver = await opened(redis_server.url)
    await driver.enqueue([Message(queue="foreign-near", body=b"", visibility_timeout=60.0)])
    for _ in range(3):
        with pytest.raises(BackendRefused, match="WRONGTYPE"):
            await driver.dequeue(["foreign-near", "foreign-far"], limit=5, wait=0)
    (held,) = await driver.dequeue(["foreign-near"], limit=5, wait=0)
    assert held.deliveries == 1
    await driver.close()


async def test_in_a_cluster_what_was_taken_from_another_is_given(redis_cluster: Cluster) -> None:
    far = redis_cluster.master_of("queue:{foreign-far}")
    assert far
    ask(far, "SET", "queue:{foreign-far}", "somebody else's")
    driver = await opened(redis_cluster.url)
    await driver.enqueue([Message(queue="foreign-near", body=b"", visibility_timeout=60.0)])
    (held,) = await driver.dequeue(["foreign-near", "foreign-far"], limit=5, wait=0)
    assert held.deliveries == 1
    with pytest.raises(BackendRefused, match="WRONGTYPE"):
        await driver.dequeue(["foreign-near", "foreign-far"], limit=5, wait=0)
    await driver.close()
