"""What a server loses when it is killed is what its settings say, as the README tells."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from asynctasq.driver import Ack
from asynctasq.errors import DriverUnavailable

from .drivers import message, opened, pending, taken, works
from .servers.own import ask, server, write_all
from .servers.replicated import replicated

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
async def test_with_a_file_nothing_written_is_lost_with_the_process(policy: str) -> None:
    with server("--appendfsync", policy) as room:
        async with opened(room.url) as driver:
            for _ in range(50):
                await driver.enqueue([message()])
            await driver.settle(
                [Ack(each) for each in await driver.dequeue(["mail"], limit=9, wait=0)]
            )
            if policy == "everysec":
                write_all(room)
            room.kill()
            await asyncio.to_thread(room.start)
            assert await pending(driver) == 41


async def test_without_a_file_what_is_new_is_lost_with_the_process() -> None:
    with server() as room:
        ask(room, "CONFIG", "SET", "appendonly", "no")
        async with opened(room.url) as driver:
            await driver.enqueue([message()])
            room.kill()
            shutil.rmtree(room.data / "appendonlydir", ignore_errors=True)
            (room.data / "appendonly.aof").unlink(missing_ok=True)  # before Redis 7
            await asyncio.to_thread(room.start)
            assert await pending(driver) == 0
            await works(driver)


async def test_a_master_that_may_not_write_alone_stores_nothing_and_is_unavailable() -> None:
    with replicated() as pair:
        if "redis_version:6." in ask(pair.master, "INFO", "server"):
            pytest.skip("Redis 6.2 lets scripts write")
        async with opened(pair.url) as driver:
            await driver.enqueue([message()])
            ask(pair.master, "CONFIG", "SET", "min-replicas-to-write", 2)
            for batch in ([message()], [message(queue="new")]):
                with pytest.raises(DriverUnavailable, match="NOREPLICAS"):
                    await driver.enqueue(batch)
            ask(pair.master, "CONFIG", "SET", "min-replicas-to-write", 0)
            assert await pending(driver) == 1
            await driver.settle([Ack(await taken(driver))])


async def test_a_replica_is_unavailable_to_write_to() -> None:
    with replicated() as pair:
        async with opened(pair.replica.url) as driver:
            with pytest.raises(DriverUnavailable, match=r"READONLY|read only"):
                await driver.enqueue([message()])


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
async def test_a_server_that_throws_tasks_away_is_warned_of(
    policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    with server("--maxmemory-policy", policy) as room:
        async with opened(room.url):
            assert f"maxmemory-policy is {policy}" in caplog.text
            assert "set it to noeviction" in caplog.text
