"""A server that is stopped or killed under load, and comes back: what was confirmed ends, once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from tools.backends import Room

from .load import under_load
from .servers.own import server, stop_fast, stop_immediate

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]
LEASE = 6.0
"""Seconds after which what was taken, in an answer that nobody got, comes back."""


@pytest.fixture
def room() -> Iterator[Room]:
    with server() as own:
        yield own


def kill(room: Room) -> None:
    """All of its processes, as a power cut does."""
    room.kill()


def kill_postmaster(room: Room) -> None:
    """That alone, as the system does that has no memory left; the others see it, and end."""
    assert room.process
    os.kill(room.process.pid, signal.SIGKILL)
    room.stop()


@pytest.mark.parametrize("stop", [stop_fast, stop_immediate, kill, kill_postmaster])
async def test_what_was_confirmed_ends_once_after_the_server_is_back(
    room: Room, stop: Callable[[Room], None]
) -> None:
    async with under_load(room.url, lease=LEASE) as load:
        longest = 0.0
        for _ in range(2):
            gone = monotonic()
            await asyncio.to_thread(stop, room)
            await asyncio.to_thread(room.start)
            longest = max(longest, monotonic() - gone)
            print(f"away for {longest:.3f} s, consuming {await load.goes_on(1):.3f} s after that")
        await load.ends()
        print(f"{len(load.run_again())} of {len(load.confirmed)} tasks ran again")
    assert load.told, "the producer has not noticed"
    assert load.run_again() == {} or longest > LEASE / 3
