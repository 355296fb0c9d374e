"""The verbs of the contract: each checks what it is given, and leaves the rest to one part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from asynctasq.driver import (
    API,
    QUEUE_NAME,
    Capabilities,
    Delivery,
    Enqueued,
    Message,
    Outcome,
    Purged,
    QueueStats,
    Renewed,
    Settled,
    check_messages,
    check_outcomes,
)
from asynctasq.errors import DriverError, InvalidMessage, OutcomeUnknown
from asynctasq_drivers.rabbitmq import _delays, _messages
from asynctasq_drivers.rabbitmq._dead_letters import DeadLetters
from asynctasq_drivers.rabbitmq._errors import of_asking
from asynctasq_drivers.rabbitmq._messages import Parcel
from asynctasq_drivers.rabbitmq._publisher import Failures
from asynctasq_drivers.rabbitmq._topology import exists

_RESERVED = "amq."


class RabbitmqDriver(DeadLetters):
    """Keeps messages in quorum queues of a RabbitMQ broker, or of a cluster of them."""

    name: ClassVar[str] = "rabbitmq"
    api: ClassVar[tuple[int, int]] = API
    capabilities: Capabilities = Capabilities(
        lease="connection",
        max_lease=None,
        max_delay=_delays.LONGEST,
        delay_resolution=1.0,
        max_body=16 * 1024 * 1024,  # what RabbitMQ 4 takes unless told otherwise
        retention=None,
        atomic=frozenset(("ack",)),
        uncounted_release=True,
        reports_lost=True,
        wakes=True,
    )

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._running()
        check_messages(messages, self.capabilities)
        for message in messages:
            _check_name(message.queue)
        if not messages:
            return Enqueued(())
        return await self._spawned(self._enqueue(messages), [message.id for message in messages])

    async def _enqueue(self, messages: Sequence[Message]) -> Enqueued:
        parcels = [self._parcel(message) for message in messages]
        failures = await self._publisher.publish(parcels)
        if failures:
            return _partly(parcels, failures)
        return Enqueued(tuple(message.id for message in messages))

    def _parcel(self, message: Message) -> Parcel:
        exchange, key = self._names.route(message.queue, message.delay)
        properties = _messages.properties_of(message)
        return Parcel(
            exchange, key, message.body, properties, message.queue, message.id, message.delay
        )

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        self._running()
        names = tuple(dict.fromkeys(queues))
        for name in names:
            _check_name(name)
        return await self._consumer.take(names, limit, wait)

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        self._running()
        check_outcomes(outcomes, self.capabilities)
        if not outcomes:
            return Settled()
        return await self._spawned(
            self._settling.settle(outcomes), [outcome.delivery.id for outcome in outcomes]
        )

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        self._running()
        session = self._sessions.open
        if session is None:
            return Renewed(tuple(deliveries))
        return Renewed(tuple(d for d in deliveries if session.held(d.receipt) is None))

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        self._running()
        return await self._spawned(self._stats(queues))

    async def _stats(self, queues: Sequence[str] | None) -> tuple[QueueStats, ...]:
        names = await self._queue_names() if queues is None else queues
        connection = await self._publishing.connection()
        return await self._statistics.of(connection, self._consumer, names)

    async def purge(self, queue: str) -> Purged:
        self._running()
        return await self._spawned(self._purge(queue))

    async def _purge(self, queue: str) -> Purged:
        connection = await self._publishing.connection()
        try:
            if not QUEUE_NAME.fullmatch(queue) or not await exists(connection, queue):
                return Purged(0)
            unasked = await self._consumer.discard(queue, self._settling.acknowledge)
            async with connection.asking() as channel:
                dropped = await channel.purge(queue)
        except Exception as error:
            raise of_asking(error) from error
        return Purged(dropped + unasked)


def _check_name(queue: str) -> None:
    if not QUEUE_NAME.fullmatch(queue):
        raise InvalidMessage(f"queue {queue[:200]!r}: expected {QUEUE_NAME.pattern}")
    if queue.startswith(_RESERVED):
        raise InvalidMessage(f"queue {queue!r}: names that begin with amq. are RabbitMQ's own")


def _partly(parcels: Sequence[Parcel], failures: Failures) -> Enqueued:
    """What to say where not all is stored."""
    first: DriverError = next(iter(failures.values()))
    for error in failures.values():
        if isinstance(error, OutcomeUnknown):  # then whoever is not named is stored
            ids = [parcels[n].id for n in failures]
            raise OutcomeUnknown(ids, "RabbitMQ did not confirm") from error.__cause__
    if len(failures) == len(parcels):
        raise first
    stored = tuple(parcel.id for n, parcel in enumerate(parcels) if n not in failures)
    return Enqueued(stored, {parcels[n].id: error for n, error in failures.items()})
