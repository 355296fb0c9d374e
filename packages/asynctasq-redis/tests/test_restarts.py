"""A server that is killed and comes back: with its data, or with none."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from asynctasq.driver import Ack, Message
from tools.backends import Room

from .load import again, driver_on, under_load
from .servers.own import ask, server, write_all

pytestmark = pytest.mark.asyncio
LEASE = 4.0


async def kill_and_start(room: Room) -> None:
    await asyncio.to_thread(room.kill)
    await asyncio.to_thread(room.start)


@pytest.mark.concurrent
@pytest.mark.parametrize("fsync", ["always", "everysec"])
async def test_what_was_confirmed_ends_after_the_server_was_killed(fsync: str) -> None:
    with server("--appendfsync", fsync) as room:
        async with under_load(room.url, lease=LEASE) as load:
            killed = monotonic()
            if fsync == "everysec":
                await asyncio.to_thread(write_all, room)
            await kill_and_start(room)
            away = monotonic() - killed
            print(f"consuming again after {await load.goes_on(1):.3f} s, away for {away:.3f} s")
            await load.ends()
            assert load.run_again() == {} or away > LEASE / 3


def forgetful(room: Room) -> None:
    """Keep nothing on the disk, where nothing is yet."""
    ask(room, "CONFIG", "SET", "appendonly", "no")


@pytest.mark.concurrent
async def test_after_a_loss_of_all_data_what_is_sent_from_then_on_ends() -> None:
    with server() as room:
        forgetful(room)
        async with under_load(room.url, lease=LEASE) as load:
            await kill_and_start(room)
            known = await load.sent_from_now_on()
            print(f"consuming again after {await load.goes_on(1):.3f} s")
            await load.ends(since=known)
            assert [each.queue for each in await load.driver.stats()] == [load.queue]


async def test_after_a_loss_of_all_data_what_was_held_is_lost_and_the_queue_listed_again() -> None:
    with server() as room:
        forgetful(room)
        async with driver_on(room.url) as driver:
            old, new = (Message(queue="mail", body=b"", visibility_timeout=60.0) for _ in range(2))
            await driver.enqueue([old])
            held = await driver.dequeue(["mail"], limit=1, wait=0)
            await kill_and_start(room)
            assert (await again(lambda: driver.extend(held))).lost == held
            assert (await driver.settle([Ack(each) for each in held])).lost == held
            assert await driver.retry_dead([old.ref]) == ()
            assert await driver.stats() == ()
            await driver.enqueue([new])
            assert [(each.queue, each.pending) for each in await driver.stats()] == [("mail", 1)]
