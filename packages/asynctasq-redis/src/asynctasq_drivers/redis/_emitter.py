"""Events told over Pub/Sub (https://redis.io/docs/latest/develop/pubsub/): to who listens now.

Nothing is told twice: of a batch whose answer is lost nobody knows whether it was heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from asynctasq.errors import DriverClosed, DriverError
from asynctasq.events import Event, EventsContext, encode_events
from asynctasq_drivers.redis._channel import errors_about
from asynctasq_drivers.redis._options import RedisOptions
from asynctasq_drivers.redis._servers import servers_of
from asynctasq_drivers.redis._target import target_of

LARGEST: Final = 256_000
"""Bytes of a message: a server keeps it for each subscriber, and ends those that are behind."""


class RedisEventEmitter:
    """Publishes batches, on one connection: made at the first of them, and again once it is lost.

    Raises `DriverUnavailable`, `BackendRefused`, or `DriverError` where events may be lost or not.
    """

    def __init__(self, options: RedisOptions, context: EventsContext) -> None:
        self._channel = context.channel
        self._servers = servers_of(target_of(options, context.url), limit=1)
        self._closed = False

    async def emit(self, events: Sequence[Event]) -> None:
        if self._closed:
            raise DriverClosed("this redis event emitter is closed: make another")
        commands = [("PUBLISH", self._channel, message) for message in _messages(events)]
        with errors_about(self._channel, DriverError):
            for answer in await self._servers.exchange(self._channel, commands):
                if isinstance(answer, Exception):
                    raise answer

    async def close(self) -> None:
        self._closed = True
        await self._servers.close()


def _messages(events: Sequence[Event]) -> Iterator[bytes]:
    """A batch, in as many parts as it needs, in order."""
    data = encode_events(events)
    if len(data) <= LARGEST or len(events) == 1:
        yield data
        return
    half = len(events) // 2
    yield from _messages(events[:half])
    yield from _messages(events[half:])
