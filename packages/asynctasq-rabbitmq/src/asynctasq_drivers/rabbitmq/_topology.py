"""What the broker holds for us: exchanges, queues and bindings, declared when first needed.

For a task queue ``mail``:

* the quorum queue ``mail``, bound to the direct exchange by its name;
* the quorum queue ``mail/dead``, for dead letters. What the broker itself were to dead-letter,
  because somebody's policy says so, comes there too, and cannot be lost on the way;
* for delayed messages, the levels of `_delays.py`: exchanges and queues
  ``asynctasq/delay/0`` and so on, and the exchange ``asynctasq/due`` below them.

All of it is durable. Names of task queues have no slash, so that none of ours is one of theirs.
What is there with other arguments is reported and left as it is.

RabbitMQ 4 gives a message up after 20 deliveries unless told otherwise, older ones never do. A
limit that cannot be reached means the same to all of them, so that a queue which was declared on
one version can be declared again on another.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from aiormq import exceptions as client

from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.rabbitmq import _delays
from asynctasq_drivers.rabbitmq._channel import spec
from asynctasq_drivers.rabbitmq._client import Connection
from asynctasq_drivers.rabbitmq._errors import of_asking

_NO_LIMIT: Final = 2**31 - 1
_AT_LEISURE: Final = 315_360_000_000
"""Milliseconds, ten years, that a task may take. RabbitMQ from 3.12 on lets a queue say so; older
ones have the same time for all, and take no notice. What a consumer says counts on 4.3 alone, and
for nothing that was got without one."""
_SOON: Final = 60_000
"""Milliseconds after which a queue is gone that should have been deleted."""
GONE: Final = 1.0
"""Seconds after which whoever consumed a queue that was deleted has surely been told so."""
_NO_LEADER: Final = 1.0
"""Seconds after its start in which a broker counts nothing in a queue that has no leader yet."""
_QUORUM: Final[Mapping[str, Any]] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": _NO_LIMIT,
    "x-overflow": "reject-publish",
}


def dead_queue(queue: str) -> str:
    """Where the dead letters of a task queue are."""
    return f"{queue}/dead"


def task_queue_arguments(queue: str) -> dict[str, Any]:
    """Of the queue that tasks wait in."""
    dead_lettering = _dead_lettering(exchange="", key=dead_queue(queue))
    return {**_QUORUM, **dead_lettering, "x-consumer-timeout": _AT_LEISURE}


def browsed_queue_arguments() -> dict[str, Any]:
    """Of a queue that is looked at: by one at a time, so that nobody sees a part of it."""
    return {**_QUORUM, "x-single-active-consumer": True}


def _dead_lettering(exchange: str, key: str | None = None) -> dict[str, Any]:
    """At least once: a message leaves its queue when the next one has confirmed it."""
    told: dict[str, Any] = {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
    }
    return told if key is None else {**told, "x-dead-letter-routing-key": key}


class Names:
    """Of what belongs to no single task queue, made from that of the exchange."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        self.due = f"{exchange}/due"
        self.astray = f"{exchange}/astray"
        """Where what is due goes if its task queue was deleted meanwhile; kept until a person
        looks."""
        self.queues = f"{exchange}/queues"
        """A queue with the name of each task queue in it, as AMQP cannot list queues."""

    def level(self, level: int) -> str:
        """The exchange, and the queue, of a level of delays; below them all, what is due."""
        return f"{self.exchange}/delay/{level:02d}" if level >= 0 else self.due

    def route(self, queue: str, delay: float) -> tuple[str, str]:
        """Exchange and routing key for a message that is due in so many seconds."""
        seconds = _delays.seconds_of(delay)
        if not seconds:
            return self.exchange, queue
        return self.level(_delays.level_of(seconds)), _delays.routing_key(seconds, queue)


class Topology:
    """Declares what is missing, once for each connection."""

    def __init__(self, names: Names, on_new_queue: Any) -> None:
        self._names = names
        self._on_new_queue = on_new_queue
        self._queues: set[str] = set()
        self._seen: set[str] = set()
        """Queues that were there at some time."""
        self._levels = 0
        """So many levels of delays are there."""
        self._lock = asyncio.Lock()

    def forget(self) -> None:
        """The broker is another one, perhaps: look again."""
        self._queues.clear()
        self._levels = 0

    def has(self, queue: str, delay: float = 0.0) -> bool:
        """Whether all is there, as far as is known, for a message of that queue."""
        return queue in self._queues and self._levels >= self._levels_for(delay)

    @staticmethod
    def _levels_for(delay: float) -> int:
        return _delays.level_of(_delays.seconds_of(delay)) + 1

    async def ensure(
        self, connection: Connection, queues: Iterable[str], delay: float = 0.0
    ) -> None:
        """Declare what is missing. Raises `DriverUnavailable` and `BackendRefused`."""
        async with self._lock:
            try:
                await self._ensure(connection, queues, delay)
            except OutcomeUnknown as error:  # of a note, which may stand there twice
                raise DriverUnavailable(f"RabbitMQ did not answer: {error}") from error
            except (client.AMQPError, OSError, TimeoutError, RuntimeError, DriverError) as error:
                raise of_asking(error) from error

    async def _ensure(self, connection: Connection, queues: Iterable[str], delay: float) -> None:
        missing = [queue for queue in dict.fromkeys(queues) if queue not in self._queues]
        levels = range(self._levels, self._levels_for(delay))
        if not missing and not levels:
            return
        new = [queue for queue in missing if not await exists(connection, queue)]
        new_levels = [n for n in levels if not await exists(connection, self._names.level(n))]
        if self._seen.intersection(new):
            # Somebody has deleted it. Where one of that name is there before a broker has told its
            # consumers, it quietly goes on with them there, and (seen with 3.10) hands them
            # messages that it never pushes.
            await asyncio.sleep(GONE)
        if new:
            await self._declare(connection, self._basis())
        for queue in new:  # noted first: what is noted and not there yet, has nothing in it
            await self._on_new_queue(queue)
        told = [
            *(() if new else self._basis()),
            *(frame for queue in missing for frame in self._task_queue(queue)),
            *(frame for level in levels for frame in self._level(level)),
            *(self._more_notes() if new or new_levels else ()),
        ]
        await self._declare(connection, told)
        self._queues.update(missing)
        self._seen.update(missing)
        self._levels = max(self._levels, levels.stop)

    @staticmethod
    async def _declare(connection: Connection, told: Iterable[Any]) -> None:
        """All at once. What is refused ends the channel, and so the question after it."""
        async with connection.asking() as channel:
            await channel.tell(told)
            await channel.passed()

    def _basis(self) -> Iterator[Any]:
        names = self._names
        yield _exchange(names.exchange, "direct")
        # What has nowhere to go would stay in the last level, and hold up what comes after it.
        yield _exchange(names.astray, "fanout")
        yield _queue(names.astray, dict(_QUORUM))
        yield _bind(names.astray, names.astray, "")
        yield _exchange(names.due, "topic", {"alternate-exchange": names.astray})
        yield _queue(names.queues, browsed_queue_arguments())

    def _task_queue(self, queue: str) -> Iterator[Any]:
        yield _queue(dead_queue(queue), browsed_queue_arguments())
        yield _queue(queue, task_queue_arguments(queue))
        yield _bind(queue, self._names.exchange, queue)
        yield _bind(queue, self._names.due, _delays.due_in(queue))

    def _level(self, level: int) -> Iterator[Any]:
        """The lower ones are there: what enters here finds its way."""
        here, below = self._names.level(level), self._names.level(level - 1)
        yield _exchange(here, "topic")
        expires = {"x-message-ttl": 1000 * 2**level}
        yield _queue(here, {**_QUORUM, **_dead_lettering(below), **expires})
        yield _bind(here, here, _delays.waits_at(level))
        yield spec.Exchange.Bind(0, below, here, _delays.passes(level), nowait=True)

    def _more_notes(self) -> Iterator[Any]:
        """See that queues which were just made are found again by a broker that is killed now.

        A broker notes where the data of a quorum queue is, and writes that note up to a second
        later. Killed before, it begins the queue anew, and what it had confirmed is gone (seen with
        3.10 and 4.3). It writes what it has noted when one more queue is made.
        """
        name = f"{self._names.exchange}/noted/{random.getrandbits(64):016x}"
        yield _queue(name, {**_QUORUM, "x-expires": _SOON})
        yield spec.Queue.Delete(0, name, nowait=True)


async def depth(connection: Connection, queue: str) -> tuple[int, int] | None:
    """How many messages are ready in a queue, and how many consume; None: there is no such queue.

    A queue whose leader is being chosen, as when the broker has just started, is said to be empty:
    of a new connection, that is asked twice. Raises the client library's errors.
    """
    found = await _depth(connection, queue)
    while found is not None and not found[0] and connection.age < _NO_LEADER:
        await asyncio.sleep(_NO_LEADER - connection.age)
        found = await _depth(connection, queue)
    return found


async def exists(connection: Connection, queue: str) -> bool:
    """Whether there is such a queue. Raises the client library's errors."""
    return await _depth(connection, queue) is not None


async def _depth(connection: Connection, queue: str) -> tuple[int, int] | None:
    try:
        async with connection.asking() as channel:
            return await channel.depth(queue)
    except client.ChannelNotFoundEntity:
        return None


def _exchange(name: str, kind: str, arguments: dict[str, Any] | None = None) -> Any:
    return spec.Exchange.Declare(0, name, kind, durable=True, nowait=True, arguments=arguments)


def _queue(name: str, arguments: dict[str, Any]) -> Any:
    return spec.Queue.Declare(0, name, durable=True, nowait=True, arguments=arguments)


def _bind(queue: str, exchange: str, key: str) -> Any:
    return spec.Queue.Bind(0, queue, exchange, key, nowait=True)
