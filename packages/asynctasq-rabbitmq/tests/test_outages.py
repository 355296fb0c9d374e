"""The broker ends connections, or stands still, under load: each attempt is begun once."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from asynctasq_drivers.rabbitmq import _channel, _client, _publisher
from tools.backends import Room

from .load import under_load
from .servers.own import close_all_connections, paused

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]


async def test_connections_that_the_broker_ends_are_made_anew_and_nothing_is_lost(
    rabbitmq_server: Room, vhost: str
) -> None:
    async with under_load(vhost, seconds=2.5) as load:
        for least in (3, 1, 1, 1, 1):  # as often as some tasks run on beyond
            # Later only who consumes is sure to be there: others connect when they have something.
            ended = monotonic()
            assert await asyncio.to_thread(close_all_connections, rabbitmq_server) >= least
            print(f"consuming again after {await load.goes_on(1):.3f} s")
            await asyncio.sleep(max(ended + 1 - monotonic(), 0))
        await load.ends()
        print(f"{len(load.confirmed)} tasks, {len(load.told)} errors")
    assert load.run_again() == {}, "what still ran was begun again"


@pytest.mark.parametrize("limit", [10, 2])
async def test_a_broker_that_stands_still_costs_nothing_but_the_time(
    rabbitmq_server: Room, vhost: str, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    """For as long as an answer is waited for, or beyond that."""
    for room in (_channel, _client, _publisher):
        monkeypatch.setattr(room, "ANSWER", limit)
    async with under_load(vhost) as load:
        with paused(rabbitmq_server):
            await asyncio.sleep(5)  # how long it lasts; nothing is waited for
        print(f"consuming again after {await load.goes_on(1):.3f} s")
        await load.ends()
        print(f"{len(load.confirmed)} tasks; {[type(e).__name__ for e in load.told]}")
    assert load.run_again() == {}
