"""The server cuts connections, hangs or forgets scripts under load: each task runs once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from time import monotonic

import pytest

from asynctasq.driver import Message
from asynctasq_drivers.redis import _driver
from tools.backends import Room

from .load import PATIENCE, driver_on, under_load
from .servers.own import ask, server, wait_for

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]


@pytest.fixture
def room() -> Iterator[Room]:
    with server() as own:
        yield own


async def test_scripts_that_the_server_forgets_are_sent_again_and_nobody_is_told(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "asynctasq")
    async with under_load(room.url, lease=10) as load:
        for _ in range(10):
            await asyncio.to_thread(ask, room, "SCRIPT", "FLUSH")
            await asyncio.sleep(0.2)  # how often it happens; nothing is waited for
        await load.ends()
    assert load.run_again() == {}
    assert load.told == []
    assert caplog.messages == []


async def test_connections_that_the_server_ends_are_made_anew_and_nothing_is_lost(
    room: Room,
) -> None:
    async with under_load(room.url, lease=3) as load:
        for _ in range(5):
            for kind in ("normal", "pubsub"):
                await asyncio.to_thread(ask, room, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            killed = monotonic()
            print(f"consuming again after {await load.goes_on(1):.3f} s")
            await asyncio.sleep(max(killed + 1 - monotonic(), 0))
        await load.ends()
    assert load.run_again() == {}, "no lease has ended: none of them has a reason"


async def test_a_server_that_stands_still_for_seconds_costs_nothing_but_them(room: Room) -> None:
    async with under_load(room.url, lease=20) as load:
        room.pause()
        await asyncio.sleep(5)
        room.resume()
        print(f"consuming again after {await load.goes_on(1):.3f} s")
        await load.ends()
    assert load.run_again() == {}
    assert load.told == []


async def test_who_waits_is_woken_again_after_its_connection_was_ended(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_driver, "LOOK_AGAIN", 2 * PATIENCE)  # it never looks by itself
    async with driver_on(room.url) as driver:
        waiting = asyncio.ensure_future(driver.dequeue(["mail"], limit=1, wait=2 * PATIENCE))
        await someone_listens(room)
        await asyncio.to_thread(ask, room, "CLIENT", "KILL", "TYPE", "pubsub")
        await someone_listens(room)
        await driver.enqueue([Message(queue="mail", body=b"", visibility_timeout=60.0)])
        async with asyncio.timeout(PATIENCE):
            assert await waiting


async def someone_listens(room: Room) -> None:
    listeners = ("CLIENT", "LIST", "TYPE", "pubsub")
    await asyncio.to_thread(wait_for, lambda: ask(room, *listeners), "a connection that listens")
