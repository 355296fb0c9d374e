"""The server ends connections or stands still under load: each task runs once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import pytest

from asynctasq.driver import Message
from asynctasq.errors import OutcomeUnknown
from asynctasq_drivers.postgres import _driver
from tools.backends import Room

from .load import PATIENCE, driver_on, under_load
from .servers.own import ask, paused, server, terminate_all, wait_for

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]

LISTENERS = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
"""What those have asked last who wait for notifications."""


@pytest.fixture
def room() -> Iterator[Room]:
    with server() as own:
        yield own


async def test_connections_that_the_server_ends_are_made_anew_and_nothing_is_lost(
    room: Room,
) -> None:
    async with under_load(room.url, lease=3) as load:
        for _ in range(6):
            ended = monotonic()
            assert await asyncio.to_thread(terminate_all, room) > 0
            print(f"consuming again after {await load.goes_on(1):.3f} s")
            await asyncio.sleep(max(ended + 1 - monotonic(), 0))
        await load.ends()
        print(f"{len(load.confirmed)} tasks")
    assert load.run_again() == {}, "no lease has ended: none of them has a reason"


@pytest.mark.parametrize("turns", range(6))
async def test_what_is_sent_just_when_connections_end_is_stored_unless_it_says_that_nobody_knows(
    room: Room, turns: int
) -> None:
    async with driver_on(room.url) as driver:
        await driver.stats()
        assert terminate_all(room) == 1  # while this loop cannot hear of it
        for _ in range(turns):  # in the first it hears that, in the second that nothing follows
            await asyncio.sleep(0)
        sent = Message(queue="mail", body=b"", visibility_timeout=60.0)
        if turns < 2:
            with suppress(OutcomeUnknown):
                await driver.enqueue([sent])
        await driver.enqueue([sent])
        assert len(await driver.dequeue(["mail"], limit=9, wait=0)) == 1


async def test_a_server_that_stands_still_for_seconds_costs_nothing_but_them(room: Room) -> None:
    async with under_load(room.url, lease=20) as load:
        with paused(room):
            await asyncio.sleep(5)  # how long it lasts; nothing is waited for
        print(f"consuming again after {await load.goes_on(1):.3f} s")
        await load.ends()
    assert load.run_again() == {}
    assert load.told == []


async def test_who_waits_is_woken_again_after_the_connection_that_listens_was_ended(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_driver, "LOOK_AGAIN", 3600.0)  # nobody looks again by itself
    async with driver_on(room.url) as driver, driver_on(room.url) as elsewhere:
        waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=PATIENCE))
        (first,) = await someone_listens(room)
        assert await asyncio.to_thread(ask, room, f"SELECT pg_terminate_backend(pid) {LISTENERS}")
        await someone_listens(room, other_than=first)
        await elsewhere.enqueue([Message(queue="mail", body=b"", visibility_timeout=60.0)])
        assert await waiting


async def someone_listens(room: Room, other_than: int = 0) -> list[int]:
    """The processes of the server that serve who listens."""
    sql = f"SELECT pid {LISTENERS} AND pid <> {other_than}"
    return await asyncio.to_thread(wait_for, lambda: ask(room, sql), "a connection that listens")
