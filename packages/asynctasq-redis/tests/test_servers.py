"""Each server does what it is for, to the plain client: so a failing test of the driver is its own.

A failure here is one of the servers.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis, Sentinel
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError

from .servers.cluster import cluster
from .servers.own import server
from .servers.proxy import proxy
from .servers.replicated import replicated
from .servers.sentinels import sentinels
from .servers.single import tls, unix, with_user

KEY = "queue:{mail}"
NEVER = Retry(NoBackoff(), 0)


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


@pytest.mark.once
@pytest.mark.asyncio
async def test_sentinels_replace_a_master_that_was_killed() -> None:
    with sentinels() as watched:
        places, _, name = watched.url.partition("://")[2].partition("/")
        ports = [int(place.rpartition(":")[2]) for place in places.split(",")]
        finder = Sentinel([("127.0.0.1", port) for port in ports])  # type: ignore[no-untyped-call]
        async with AsyncExitStack() as stack:
            for each in finder.sentinels:  # which a client of the master's does not close
                await stack.enter_async_context(each)
            client = await stack.enter_async_context(finder.master_for(name))
            await client.set(KEY, "kept")
            assert await client.wait(1, 5000) == 1
            old = watched.kill_master()
            new = await asyncio.to_thread(watched.wait_for_failover, old)
            assert new is not old
            assert await client.get(KEY) == b"kept"
        old.start()
        assert watched.wait_for_master() is new


@pytest.mark.asyncio
async def test_a_replica_has_what_the_master_has_and_both_can_fail() -> None:
    with replicated() as pair:
        async with Redis.from_url(pair.url) as master, Redis.from_url(pair.replica.url) as replica:
            await master.set(KEY, "kept")
            assert await master.wait(1, 5000) == 1
            assert await replica.get(KEY) == b"kept"
            pair.replica.pause()
            await master.set(KEY, "alone")
            assert await master.wait(1, 100) == 0
            pair.replica.resume()
            assert await master.wait(1, 5000) == 1
        pair.master.kill()
        pair.master.start()
        pair.wait_until_linked()


@pytest.mark.asyncio
async def test_tls_lets_in_who_has_a_certificate_and_nobody_else() -> None:
    with tls() as single:
        async with Redis.from_url(single.url) as client:
            assert await client.set(KEY, "kept")
        async with Redis.from_url(single.other_url, retry=NEVER) as stranger:
            with pytest.raises(ConnectionError):
                await stranger.get(KEY)


@pytest.mark.asyncio
async def test_a_unix_socket_leads_to_the_same_data_as_the_port() -> None:
    with unix() as single:
        async with Redis.from_url(single.url) as client, Redis.from_url(single.other_url) as other:
            await client.set(KEY, "kept")
            assert await other.get(KEY) == b"kept"


@pytest.mark.asyncio
async def test_a_user_may_do_what_a_queue_needs_and_nothing_else() -> None:
    script = "redis.call('TIME') return redis.call('ZADD', KEYS[1], 1, 'task')"
    with with_user() as single:
        async with Redis.from_url(single.url) as client, client.pubsub() as events:
            assert await client.eval(script, 1, KEY) == 1
            assert await client.wait(0, 1) == 0
            assert "redis_version" in await client.info("server")
            await events.subscribe("asynctasq:events")
            for denied in ("FLUSHALL", "KEYS *", "CONFIG GET *", "GET other", "PUBLISH other hi"):
                with pytest.raises(NoPermissionError):
                    await client.execute_command(*denied.split())  # type: ignore[no-untyped-call]
        async with Redis.from_url(single.other_url) as admin:
            assert len(await admin.acl_log()) == 5
        async with Redis.from_url(single.room.url) as nobody:
            with pytest.raises(AuthenticationError):
                await nobody.get(KEY)


@pytest.mark.asyncio
async def test_a_proxy_cuts_connections_and_refuses_new_ones_until_it_is_healed() -> None:
    with server() as room, proxy(room.url) as between:
        async with Redis.from_url(between.url, retry=NEVER) as client:
            await client.set(KEY, "kept")
            for _ in range(2):
                between.cut()
                with pytest.raises(ConnectionError):
                    await client.get(KEY)
                with pytest.raises(ConnectionError, match="Connect call failed"):
                    await client.get(KEY)
                between.heal()
                assert await client.get(KEY) == b"kept"


@pytest.mark.asyncio
async def test_a_proxy_loses_the_reply_of_a_command_that_has_run() -> None:
    with server() as room, proxy(room.url) as between:
        async with Redis.from_url(between.url, retry=NEVER) as client:
            between.lose_replies(2, to=b"INCR")
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    await client.incr(KEY)
                await client.ping()
            assert between.lost == 2
            assert await client.incr(KEY) == 3


@pytest.mark.asyncio
async def test_a_proxy_delays_both_directions() -> None:
    with server() as room, proxy(room.url) as between:
        async with Redis.from_url(between.url) as client:
            await client.ping()
            between.delay = 0.05
            start = time.monotonic()
            await client.ping()
            assert time.monotonic() - start >= 0.1


@pytest.mark.parametrize("clients", [1, 2, 3])
def test_a_proxy_leaves_nobody_hanging_who_connects_while_it_is_cut(clients: int) -> None:
    with server() as room:
        for _ in range(20):
            with proxy(room.url) as between:
                place = ("127.0.0.1", urlsplit(between.url).port or 0)
                callers = [socket.create_connection(place, timeout=5) for _ in range(clients)]
            for caller in callers:
                with caller, suppress(ConnectionResetError):
                    assert caller.recv(1) == b"", "accepted, and then forgotten"


def test_a_proxy_in_front_of_a_server_that_is_gone_ends_connections() -> None:
    with server() as room, proxy(room.url) as between:
        room.kill()
        with socket.create_connection(("127.0.0.1", urlsplit(between.url).port or 0), 5) as caller:
            assert caller.recv(1) == b""
