"""The floor of the rabbitmq driver: aio-pika alone, on a quorum queue of messages of 200 bytes.
`tools/README.md` tells what a floor file is.

It tells of no commands: without a plugin a broker counts none of those that it is sent.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid4, uuid5

# Who runs the benchmark needs it, who checks types does not.
aio_pika: Final[Any] = importlib.import_module("aio_pika")

CLIENT = ("asyncio", "aiormq")
BATCH = 100
PREFETCH = 200
BODY = os.urandom(200)


def options(folder: Path, url: str | None) -> Mapping[str, str]:
    """The server is the benchmark's own; each place has queues there that are named after its
    exchange, whichever way leads to it."""
    return {
        "rabbitmq_url": url or "",
        "rabbitmq_exchange_name": f"place-{uuid5(NAMESPACE_URL, folder.as_uri()).hex}",
    }


@asynccontextmanager
async def _queue(options: Mapping[str, str]) -> AsyncGenerator[tuple[Any, Any]]:
    """A channel with confirms, and an empty queue, which is removed at the end."""
    async with await aio_pika.connect(options["rabbitmq_url"]) as connection:
        channel = await connection.channel(publisher_confirms=True)
        queue = await channel.declare_queue(
            f"floor-{uuid4().hex}", durable=True, arguments={"x-queue-type": "quorum"}
        )
        try:
            yield channel, queue
        finally:
            # On a quorum queue the broker knows no conditions.
            await queue.delete(if_unused=False, if_empty=False)


async def _publish(channel: Any, queue: Any) -> None:
    message = aio_pika.Message(BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, queue.name)


async def _fill(channel: Any, queue: Any, count: int) -> AsyncGenerator[int]:
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        await asyncio.gather(*(_publish(channel, queue) for _ in range(size)))
        yield size


async def publish_one(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Publish one by one, each confirmed."""
    async with _queue(options) as (channel, queue):
        yield 0
        for _ in range(count):
            await _publish(channel, queue)
            yield 1


async def publish_many(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Publish with confirms, 100 in flight."""
    async with _queue(options) as (channel, queue):
        yield 0
        async for size in _fill(channel, queue, count):
            yield size


async def consume(options: Mapping[str, str], count: int) -> AsyncGenerator[int]:
    """Consume with a prefetch of 200, and acknowledge 100 at once."""
    async with _queue(options) as (channel, queue):
        async for _ in _fill(channel, queue, count):
            pass
        await channel.set_qos(prefetch_count=PREFETCH)
        yield 0
        came: asyncio.Queue[Any] = asyncio.Queue()
        consumer = await queue.consume(came.put)
        try:
            for start in range(0, count, BATCH):
                batch = [await came.get() for _ in range(min(BATCH, count - start))]
                await batch[-1].ack(multiple=True)
                yield len(batch)
        finally:
            await queue.cancel(consumer)


FLOORS = {"dispatch-one": publish_one, "dispatch-many": publish_many, "noop": consume}


def wanted(options: Mapping[str, str]) -> Mapping[str, Mapping[str, float]]:
    """Found without results, which RabbitMQ does not store, on a server with its defaults."""
    return {
        "dispatch-one": {"at_least": 0.85, "about": 900},
        "dispatch-50": {"about": 5_000},
        "dispatch-many": {"about": 6_000},
        "noop-100": {"at_least": 0.65, "about": 7_600},
        "noop-100-two": {"at_least": 1.7},
        "cpu": {"limit": 50},
        "io": {"at_least": 0.95},
        "latency-p50": {"limit": 2.6},
        "waiting-20k": {"at_most": 1.2},
        "waiting-1m": {"at_most": 1.2},
        "round-trip": {"at_least": 0.8},
        "idle-cpu": {"limit": 1},
        "rss": {"above": 20},
    }
