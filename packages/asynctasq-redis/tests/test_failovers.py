"""A master is killed and its replica takes its place: what two of them had is still there."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from asynctasq.driver import Message
from asynctasq.errors import OutcomeUnknown
from tools.backends import Room

from .load import Load, driver_on, under_load
from .servers.cluster import cluster
from .servers.own import HOST
from .servers.replicated import replicated
from .servers.sentinels import sentinels

pytestmark = pytest.mark.asyncio
LEASE = 4.0


async def goes_on_after(load: Load, old: Room, new: Room, killed: float) -> None:
    """Consumers go on with one server; a producer is told of success once there are two again."""
    print(f"another master {monotonic() - killed:.3f} s after the kill")
    # Nobody is replaced within a second; and what workers held by then had run long before.
    again = await load.first_run_after(killed + 1)
    print(f"consuming again {again - killed:.3f} s after the kill")
    if "--cluster-enabled" not in old.arguments:
        old.arguments = ("--replicaof", HOST, str(new.port))  # Sentinels take ten seconds to say so
    await asyncio.to_thread(old.start)
    await load.goes_on()
    print(f"confirmed again {monotonic() - killed:.3f} s after the kill")


def each_has_a_reason(load: Load, killed: float) -> None:
    """What ran twice was under way: the replica did not know yet that it was taken, or settled."""
    print(f"{len(load.run_again())} of {len(load.confirmed)} ran again")
    for times in load.run_again().values():
        assert times[0] > killed - 1


def new() -> Message:
    return Message(queue="mail", body=b"", visibility_timeout=60.0)


async def test_an_enqueue_is_confirmed_once_a_replica_has_it() -> None:
    with replicated() as pair:
        async with driver_on(pair.url, wait_replicas=1) as driver:
            message, start = new(), monotonic()
            pair.replica.pause()
            with pytest.raises(OutcomeUnknown, match="0 of redis_wait_replicas=1"):
                await driver.enqueue([message])
            assert monotonic() - start < 8, "it waited twice"
            pair.replica.resume()
            assert (await driver.enqueue([message])).stored == (message.id,)
        async with driver_on(pair.replica.url) as replica:
            assert await replica.get(message.ref)


@pytest.mark.once
@pytest.mark.concurrent
async def test_what_two_nodes_of_a_cluster_had_ends_after_a_failover() -> None:
    with cluster(replicas=1) as nodes:
        async with under_load(nodes.url, lease=LEASE, wait_replicas=1) as load:
            key = f"queue:{{{load.queue}}}"
            old = nodes.master_of(key)
            assert old
            killed = monotonic()
            await asyncio.to_thread(old.kill)
            new = await asyncio.to_thread(nodes.wait_for_another, key, old)
            await goes_on_after(load, old, new, killed)
            await load.ends()
            each_has_a_reason(load, killed)


@pytest.mark.once
@pytest.mark.concurrent
async def test_what_master_and_replica_had_ends_after_sentinels_have_replaced_it() -> None:
    with sentinels() as watched:
        async with under_load(watched.url, lease=LEASE, wait_replicas=1) as load:
            killed = monotonic()
            old = await asyncio.to_thread(watched.kill_master)
            new = await asyncio.to_thread(watched.wait_for_failover, old)
            await goes_on_after(load, old, new, killed)
            await load.ends()
            each_has_a_reason(load, killed)
