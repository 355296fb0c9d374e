"""Each server does what it is for, to the plain client: so a failing test of the driver is its own.

A failure here is one of the servers.
"""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio.cluster import RedisCluster

from .servers.cluster import cluster

KEY = "queue:{mail}"


@pytest.mark.once
@pytest.mark.asyncio
async def test_a_cluster_serves_every_slot_and_replaces_a_master_that_was_killed() -> None:
    with cluster(replicas=1) as nodes:
        first = nodes.url.partition("://")[2].partition(",")[0]
        async with RedisCluster.from_url(f"redis://{first}") as client:
            for number in range(30):
                assert await client.set(f"queue:{{{number}}}", number)
            old = nodes.master_of(KEY)
            assert old
            old.kill()
            new = await asyncio.to_thread(nodes.wait_for_another, KEY, old)
            assert new is not old
            assert await client.set(KEY, "again")
        old.start()
        nodes.wait_until_well()
        assert nodes.master_of(KEY) is new


@pytest.mark.once
def test_a_cluster_without_replicas_has_three_masters() -> None:
    with cluster() as nodes:
        masters = [nodes.master_of(str(number)) for number in range(30)]
        assert {room.port for room in masters if room} == {room.port for room in nodes.nodes}
