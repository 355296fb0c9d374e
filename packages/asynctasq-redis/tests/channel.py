"""A channel of a test's own, and who tells and follows on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from asynctasq.driver import Secret
from asynctasq.events import (
    Event,
    EventsContext,
    EventSubscriber,
    TaskCancelled,
    TaskCompleted,
    TaskEnqueued,
    TaskFailed,
    TaskReenqueued,
    TaskStarted,
    WorkerHeartbeat,
    WorkerOffline,
    WorkerOnline,
)
from asynctasq_drivers.redis import RedisEventEmitter, RedisEventSubscriber, RedisOptions

_task = partial(dict, at=1.5, id=uuid4(), task="mail.welcome", queue="mail", worker="w-1")
_worker = partial(dict, at=2.5, worker="w-1", queues=("mail", "reports"), concurrency=4)
NINE: Sequence[Event] = (
    WorkerOnline(**_worker()),
    TaskEnqueued(**_task(delay=3.0, correlation_id="c-1")),
    TaskStarted(**_task(deliveries=2)),
    TaskFailed(**_task(final=False, error_type="ValueError", error="\x00é", seconds=0.5)),
    TaskReenqueued(**_task(delay=1.0)),
    TaskCancelled(**_task(reason="shutdown")),
    TaskCompleted(**_task(seconds=0.25, attempt=2)),
    WorkerHeartbeat(**_worker(running=1, completed=2, failed=3)),
    WorkerOffline(**_worker(completed=2, failed=3)),
)


def numbered(count: int, size: int = 0) -> list[Event]:
    """So many events that differ, each with so many characters at least."""
    error = partial(_task, final=True, error_type="E", error="x" * size, seconds=0.0)
    return [TaskFailed(**error(attempt=number)) for number in range(count)]


class Channel:
    """A channel, and who tells and follows on it; all are closed at the end."""

    def __init__(self, url: str, stack: AsyncExitStack, name: str = "") -> None:
        self.url = url
        self.name = name or f"asynctasq:{uuid4().hex}"
        self._stack = stack

    def emitter(self) -> RedisEventEmitter:
        return self._kept(RedisEventEmitter)

    def subscriber(self) -> RedisEventSubscriber:
        return self._kept(RedisEventSubscriber)

    async def following(self) -> RedisEventSubscriber:
        """One that follows already."""
        made = self.subscriber()
        await made.open()
        return made

    def at(self, url: str = "", name: str = "") -> Channel:
        """By another way, or another one there."""
        return Channel(url or self.url, self._stack, name or self.name)

    def _kept(self, make: Callable[..., Any]) -> Any:
        made = make(RedisOptions(redis_url=Secret(self.url)), EventsContext(channel=self.name))
        self._stack.push_async_callback(made.close)
        return made


async def heard(subscriber: EventSubscriber, count: int) -> list[Event]:
    """The next events, so many."""
    async with asyncio.timeout(20):
        iterator = aiter(subscriber)
        return [await anext(iterator) for _ in range(count)]


async def pushes_on(channel: Channel, emit: Callable[[], Awaitable[None]]) -> list[bytes]:
    """What stands on the wire while something is told."""
    async with Redis.from_url(channel.url) as client, client.pubsub() as listener:
        await listener.subscribe(channel.name)
        await listener.get_message(timeout=5)
        await emit()
        await client.publish(channel.name, b"end")
        messages: list[bytes] = []
        while not messages or messages[-1] != b"end":
            messages.append((await listener.get_message(timeout=5) or {})["data"])
    return messages[:-1]


async def nobody_listens(channel: Channel) -> None:
    """Return once the server knows of nobody who does."""
    async with Redis.from_url(channel.url) as client, asyncio.timeout(5):
        while (await client.pubsub_numsub(channel.name))[0][1]:
            await asyncio.sleep(0.01)
