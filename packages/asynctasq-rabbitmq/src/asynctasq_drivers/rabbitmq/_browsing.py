"""Looking at all that a queue holds, without taking anything from it for good.

AMQP can only look at a message by taking it. So one instance at a time takes them all, and what it
does not acknowledge goes back, in the same order, when its channel ends. Queues that are looked at
have a *single active consumer*: whoever comes meanwhile is pushed nothing, and waits for its turn.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

from asynctasq.errors import DriverUnavailable
from asynctasq_drivers.rabbitmq._channel import Channel, Delivered
from asynctasq_drivers.rabbitmq._client import Connection
from asynctasq_drivers.rabbitmq._line import MOST
from asynctasq_drivers.rabbitmq._topology import exists

TURN: Final = 30.0
"""Seconds to wait until others have looked."""
_GIVE_WAY: Final = 0.3
_LOOK_AGAIN: Final = 0.01
_TAG: Final = "look"


class View:
    """What a queue holds, as far as was looked."""

    def __init__(self, channel: Channel | None, queue: str) -> None:
        self._channel = channel
        self._queue = queue
        self.seen = 0
        """How many messages it held."""
        self.messages: list[Delivered] = []
        """Those of them that are wanted."""

    async def remove(self, messages: Collection[Delivered]) -> None:
        """Take these for good. Raises the client library's errors.

        Of many acknowledgements a channel passes some thirty on to a quorum queue, keeps the others
        until those are done, and forgets them if it ends before. To have one more consumer is
        something that the queue itself answers; while ours has its turn, that is pushed nothing.
        """
        if messages and self._channel is not None:
            await self._channel.acknowledge([(m.delivery_tag or 0, False) for m in messages])
            await self._channel.consume(self._queue, _ignore, f"{_TAG} done", 1)


async def _ignore(_: Delivered) -> None: ...


@asynccontextmanager
async def view(
    connection: Connection,
    queue: str,
    wanted: Callable[[Delivered], bool] = lambda _: True,
    enough: Callable[[Delivered], bool] = lambda _: False,
) -> AsyncGenerator[View]:
    """What a queue holds, up to 65,535 messages, or until one of them is enough.

    Those that are not wanted pass by, and take no room. Of a queue that is not there, nothing.
    Raises the client library's errors, and `DriverUnavailable` where others look at it for long.
    """
    limit = monotonic() + TURN
    while await exists(connection, queue):
        channel = await connection.channel()
        try:
            if (found := await _fill(channel, queue, wanted, enough)) is not None:
                yield found
                return
        finally:
            await channel.close()  # what was not removed goes back
        if monotonic() > limit:
            raise DriverUnavailable(f"others look at {queue!r} for more than {TURN:g} s")
        await asyncio.sleep(random.uniform(0.0, _GIVE_WAY))
    yield View(None, queue)


async def _fill(
    channel: Channel,
    queue: str,
    wanted: Callable[[Delivered], bool],
    enough: Callable[[Delivered], bool],
) -> View | None:
    """None: it is somebody else's turn."""
    found, done = View(channel, queue), asyncio.Event()

    async def receive(delivered: Delivered) -> None:
        found.seen += 1
        if wanted(delivered):
            found.messages.append(delivered)
        if enough(delivered):
            done.set()

    _, others = await channel.depth(queue)
    await channel.consume(queue, receive, _TAG, MOST)
    limit, before = monotonic() + _GIVE_WAY, -1
    while not done.is_set() and found.seen < MOST:
        ready, _ = await channel.depth(queue)
        await channel.passed()
        now = found.seen
        if now == before and not ready:
            if now:
                return found
            if not others:
                await channel.cancel([_TAG])
                return found if await _is_empty(channel, queue, found) else None
        if not now and monotonic() > limit:
            return None
        if now == before:
            await asyncio.sleep(_LOOK_AGAIN)
        before = now
    return found


async def _is_empty(channel: Channel, queue: str, found: View) -> bool:
    """Whether nothing came because nothing is there, and not because another has it all.

    For who consumes, that is not to be told: the broker counts only the consumer whose turn it is.
    """
    ready, others = await channel.depth(queue)
    await channel.passed()
    return not ready and not others and not found.seen
