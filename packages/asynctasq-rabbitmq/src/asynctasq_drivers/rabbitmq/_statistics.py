"""Queues in numbers: what AMQP tells now, and what only the management plugin knows.

AMQP counts what is ready, not what consumers hold: so that nothing is said of what runs, nor of
dead letters while somebody looks at them. The plugin knows both, as they were some seconds ago. How
many messages wait for their time nobody can tell: delayed ones of all queues wait together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from asynctasq.driver import QueueStats
from asynctasq.errors import DriverError
from asynctasq_drivers.rabbitmq._client import Connection
from asynctasq_drivers.rabbitmq._consumer import Consumer
from asynctasq_drivers.rabbitmq._errors import of_asking
from asynctasq_drivers.rabbitmq._log import log
from asynctasq_drivers.rabbitmq._management import Management, QueueNumbers
from asynctasq_drivers.rabbitmq._topology import dead_queue, depth

_NOTHING: Final = QueueNumbers()


class Statistics:
    """Asks both, the plugin only where there is an address of it."""

    def __init__(self, management: Management | None, url: str) -> None:
        """The URL is that of the broker, for one host."""
        self._management = management
        self._vhost = unquote(urlsplit(url).path[1:])
        self._warned = False

    async def of(
        self, connection: Connection, consumer: Consumer, queues: Sequence[str]
    ) -> tuple[QueueStats, ...]:
        """In that order. Raises `DriverUnavailable` and `BackendRefused` for what AMQP tells."""
        asked = asyncio.ensure_future(self._told())
        try:
            counted = [await _counted(connection, queue) for queue in queues]
        except Exception as error:
            asked.cancel()
            raise of_asking(error) from error
        told = await asked
        return tuple(
            _numbers(queue, ready, dead, consumer, told)
            for queue, (ready, dead) in zip(queues, counted, strict=True)
        )

    async def _told(self) -> Mapping[str, QueueNumbers]:
        """What the plugin says; without it, nothing, and who operates this is told so once."""
        if self._management is None:
            return {}
        try:
            told = await self._management.queues(self._vhost)
        except DriverError as error:
            if not self._warned:
                log.warning("statistics without RabbitMQ's management plugin: %s", error)
            self._warned = True
            return {}
        self._warned = False
        return told


async def _counted(connection: Connection, queue: str) -> tuple[int, int | None]:
    """How many are ready, and dead; None: somebody looks at the dead ones."""
    ready = await depth(connection, queue)
    dead = await depth(connection, dead_queue(queue))
    # While somebody looks at dead letters they are not counted.
    buried = None if dead and dead[1] else dead[0] if dead else 0
    return ready[0] if ready else 0, buried


def _numbers(
    queue: str,
    ready: int,
    dead: int | None,
    consumer: Consumer,
    told: Mapping[str, QueueNumbers],
) -> QueueStats:
    unasked = consumer.unasked(queue)  # pushed here already, and still not begun
    if dead is None:
        # Those that are looked at are neither ready nor gone; of no use is a 0 from before.
        dead = told.get(dead_queue(queue), _NOTHING).messages or None
    held = told.get(queue, _NOTHING).messages_unacknowledged
    running = None if held is None else max(held - unasked, consumer.at_work(queue))
    return QueueStats(queue, ready + unasked, None, running, dead, None)
