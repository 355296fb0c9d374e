"""A task that runs for longer than the broker's `consumer_timeout` runs once.

A broker closes the channel of who keeps a message for too long: those before 4.3 look every 60
seconds. From 3.12 on a queue can have a time-out of its own, and ours have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from asynctasq.driver import Message
from tools.backends import Room

from .channels import channel_on
from .load import driver_on, under_load
from .servers.own import server, version

pytestmark = [pytest.mark.asyncio, pytest.mark.concurrent]
SECONDS = 0.5
"""That time-out, which is looked for every 0.2 s."""
OF_QUEUES = (3, 12)
"""The first version with time-outs of queues; 3.11.15 had them, too."""


@pytest.fixture(scope="module")
def strict() -> Iterator[Room]:
    advanced = "[{rabbit, [{channel_tick_interval, 200}]}]."
    with server(f"consumer_timeout = {int(SECONDS * 1000)}\n", advanced=advanced) as room:
        yield room


async def test_a_task_that_outlives_it_several_times_runs_once_beside_others(
    strict: Room, caplog: pytest.LogCaptureFixture
) -> None:
    async with under_load(strict.url, seconds=6 * SECONDS) as load:
        await asyncio.sleep(6 * SECONDS)  # so that the first ones end
        await load.goes_on()
        await load.ends()
        print(f"{len(load.confirmed)} tasks")
    assert load.run_again() == {}
    ended = [record for record in caplog.messages if "are handed out again" in record]
    print(f"{len(ended)} channels closed")
    if version(strict) >= OF_QUEUES:
        assert ended == []
    else:
        assert len(ended) >= 3, "it was not in earnest"


async def test_what_a_queue_was_asked_for_may_be_kept_for_as_long_as_what_it_pushed(
    strict: Room,
) -> None:
    """A consumer's own time-out, which 4.3 knows, says nothing of what comes by `basic.get`."""
    async with driver_on(strict.url) as driver, channel_on(strict.url) as channel:
        await driver.enqueue([Message(queue="kept", body=b"payload", visibility_timeout=60.0)])
        kept = await channel.basic_get("kept")
        closed, _ = await asyncio.wait((channel.closing,), timeout=6 * SECONDS)
        assert bool(closed) == (version(strict) < OF_QUEUES)
        if not closed:
            await channel.basic_ack(kept.delivery_tag)
