"""Channels of the plain client, and the little that tests of servers do by way of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiormq
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.commands import Basic

QUORUM = {"x-queue-type": "quorum"}
LOST = (AMQPError, ChannelInvalidStateError, OSError, asyncio.CancelledError)
"""What who waits is told, or who goes on, once a connection has ended."""


@asynccontextmanager
async def channel_on(url: str, **options: Any) -> AsyncGenerator[Any]:
    """One with confirms, on a connection of its own, which may have ended before."""
    connection = await asyncio.wait_for(aiormq.connect(url, **options), 10)
    try:
        yield await connection.channel()
    finally:
        with suppress(*LOST):
            await connection.close()


async def declare(channel: Any, name: str = "kept") -> int:
    """How many messages are ready in a quorum queue of that name."""
    done = await channel.queue_declare(name, durable=True, arguments=QUORUM)
    return int(done.message_count)


async def publish(channel: Any, name: str = "kept", body: bytes = b"payload") -> None:
    """One message, confirmed."""
    persistent = Basic.Properties(delivery_mode=2)
    answer = await channel.basic_publish(body, routing_key=name, properties=persistent)
    assert isinstance(answer, Basic.Ack)


async def ready(url: str, count: int) -> None:
    """So many messages are, soon: those of a connection that ended come back in their own time.

    A quorum queue has none until it has a leader again.
    """
    async with asyncio.timeout(10), channel_on(url) as channel:
        while await declare(channel) != count:
            await asyncio.sleep(0.02)
