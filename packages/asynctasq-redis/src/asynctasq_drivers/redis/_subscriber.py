"""Events followed over Pub/Sub: on a connection of its own, which is tried when it is quiet."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

from asynctasq.errors import DriverClosed, DriverUnavailable
from asynctasq.events import Event, EventsContext, decode_events
from asynctasq_drivers.redis._channel import errors_about, subscribed
from asynctasq_drivers.redis._client import disconnect, next_message
from asynctasq_drivers.redis._options import RedisOptions
from asynctasq_drivers.redis._servers import servers_of
from asynctasq_drivers.redis._target import target_of

QUIET: float = 5.0
"""Seconds without a word after which the connection is tried, and those that it has to answer."""


class RedisEventSubscriber:
    """Iterates over the events of all processes, as they are told; is its own iterator.

    A wait that is cancelled misses nothing: the next one goes on where it was.
    """

    def __init__(self, options: RedisOptions, context: EventsContext) -> None:
        self._channel = context.channel
        self._servers = servers_of(target_of(options, context.url), limit=1)
        self._opening = asyncio.Lock()
        self._connection: Any = None
        self._hearing: asyncio.Task[bytes] | None = None
        self._heard: deque[Event] = deque()
        self._closed = False

    async def open(self) -> None:
        async with self._opening:
            if self._connection is None and not self._closed:
                self._connection = await subscribed(self._servers, self._channel)
        if self._closed:
            await self.close()  # it was closed while it was opened
            raise DriverClosed("this redis event subscriber is closed: make another")

    def __aiter__(self) -> RedisEventSubscriber:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            if self._heard:
                return self._heard.popleft()
            message = await self._message()
            with suppress(ValueError):  # somebody else's, on this channel
                self._heard.extend(decode_events(message))
        raise StopAsyncIteration

    async def _message(self) -> bytes:
        """The next one, whoever sent it; nothing, once this is closed."""
        if self._connection is None:
            raise DriverClosed("this redis event subscriber is new: open() it first")
        hearing = self._hearing = self._hearing or asyncio.ensure_future(self._next())
        await asyncio.wait((hearing,))
        if self._closed:
            return b""
        with errors_about(self._channel, DriverUnavailable):
            message = hearing.result()  # an error stays: what comes after it would have a gap
        self._hearing = None
        return message

    async def _next(self) -> bytes:
        return await next_message(self._connection, QUIET)

    async def close(self) -> None:
        self._closed = True
        if self._hearing is not None:
            await _ended(self._hearing)
        if self._connection is not None:
            await disconnect(self._connection)
        await self._servers.close()


async def _ended(task: asyncio.Task[bytes]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # nobody asks for it any more
