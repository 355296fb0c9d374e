"""A broker that is stopped or killed under load, and comes back: what was confirmed ends, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import pytest

from tools.backends import Room

from .load import under_load
from .servers.own import server

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]


@pytest.mark.parametrize("stop", [Room.stop, Room.kill], ids=["stopped", "killed"])
@pytest.mark.timeout(120)
async def test_what_was_confirmed_ends_once_after_the_broker_is_back(
    stop: Callable[[Room], None],
) -> None:
    with server() as room:
        async with under_load(room.url) as load:
            async with load.outlasting():
                gone = monotonic()
                await asyncio.to_thread(stop, room)
                await asyncio.to_thread(room.start)
                away = monotonic() - gone
                print(f"away for {away:.3f} s, consuming {await load.goes_on(1):.3f} s after that")
            await load.ends()
            print(f"{len(load.confirmed)} tasks, {len(load.told)} errors")
        assert load.told, "the producer has not noticed"
        assert load.run_again() == {}, "the only worker still knows what it has run"
