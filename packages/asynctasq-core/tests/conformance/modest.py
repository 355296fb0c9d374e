"""A driver that declares as little as the contract allows: the suite's other extreme.

It stands on the memory driver, and is to it what a plain message broker is to a database: leases
that are tied to the connection, copies instead of updates, polling, no order, few numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from uuid import UUID, uuid4

from msgspec import Struct, msgpack, structs

from asynctasq.driver import (
    API,
    Ack,
    Capabilities,
    Context,
    DeadLetter,
    Delivery,
    Enqueued,
    Message,
    Outcome,
    Purged,
    QueueStats,
    Release,
    Renewed,
    Retry,
    Settled,
    StoredTask,
    TaskPage,
    TaskRef,
    TaskState,
    check_messages,
    check_outcomes,
)
from asynctasq.errors import DriverClosed, Unsupported
from asynctasq.memory import MemoryDriver

POLL = 0.02
FOREVER = 1e9
MARK = {"modest": ""}
"""Headers of what is stored: the store of the process also holds what other drivers put there."""


class Envelope(Struct, frozen=True):
    """What is stored as the body of a copy."""

    id: UUID
    attempt: int
    before: int
    """Deliveries of the copies before it."""
    origin: str
    visibility_timeout: float
    headers: Mapping[str, str]
    body: bytes


class ModestDriver:
    """Stores every copy of a message under an id of its own, so that no id keeps it single."""

    name = "modest"
    api = API
    capabilities = Capabilities(
        lease="connection",
        max_lease=7200.0,
        max_delay=3600.0,
        delay_resolution=0.2,
        max_body=200_000,
        retention=86_400.0,
        atomic=frozenset(("ack", "dead_letter")),
        process_local=True,
    )

    def __init__(self, options: None, context: Context) -> None:
        self._inner = MemoryDriver(options, context)
        self._held: dict[object, Delivery] = {}
        self._closed = False

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.drop_connection()
        await self._inner.close()

    def drop_connection(self) -> None:
        """What the broker does when a connection ends: all that was held is due again."""
        held, self._held = self._held.values(), {}
        ended = [structs.replace(delivery, lease=0.0) for delivery in held]
        with suppress(StopIteration, DriverClosed):
            self._inner.extend(ended).send(None)

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        check_messages(messages, self.capabilities)
        await self._inner.enqueue([_sent(message) for message in messages])
        return Enqueued(tuple(message.id for message in messages))

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        deadline = monotonic() + wait
        while True:
            for queue in reversed(queues):
                taken = await self._inner.dequeue([queue], limit=limit, wait=0)
                if taken:
                    self._held |= {delivery.receipt: delivery for delivery in taken}
                    return tuple(_original(delivery) for delivery in reversed(taken))
            if monotonic() >= deadline or self._closed:
                return ()
            await asyncio.sleep(min(POLL, max(deadline - monotonic(), 0)))
            if self._closed:
                return ()

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        check_outcomes(outcomes, self.capabilities)
        # A caller who is cancelled must not leave the new copy without the old one removed.
        await asyncio.shield(asyncio.ensure_future(self._settle(outcomes)))
        return Settled()

    async def _settle(self, outcomes: Sequence[Outcome]) -> None:
        await self._inner.settle([])  # raises when closed, meanwhile too
        for outcome in outcomes:
            held = self._held.pop(outcome.delivery.receipt, None)
            if held is None:
                continue
            match outcome:
                case Ack():
                    await self._inner.settle([Ack(held)])
                case DeadLetter(failure=failure):
                    await self._inner.settle([DeadLetter(held, failure)])
                case Retry(delay=delay):
                    await self._replace(held, outcome.delivery, 1, delay)
                case Release(delay=delay):
                    await self._replace(held, outcome.delivery, 0, delay)

    async def _replace(
        self, held: Delivery, delivery: Delivery, attempts: int, delay: float
    ) -> None:
        origin = str(delivery.origin)
        copy = _copy(delivery, delivery.attempt + attempts, delivery.deliveries, origin)
        await self._inner.enqueue([_message(delivery.queue, copy, delay)])
        await asyncio.sleep(0)
        await self._inner.settle([Ack(held)])

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        return Renewed((await self._inner.extend([])).lost)

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        return tuple(
            structs.replace(stats, scheduled=None, running=None, oldest_pending=None)
            for stats in await self._inner.stats(queues)
        )

    async def purge(self, queue: str) -> Purged:
        while taken := await self._inner.dequeue([queue], limit=1000, wait=0):
            await self._inner.settle([Ack(delivery) for delivery in taken])
        return Purged(None)

    async def get(self, ref: TaskRef) -> StoredTask | None:
        stored = await self._find(ref)
        return None if stored is None else _shown(stored)

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        if status != "dead":
            raise Unsupported(f"{status} tasks cannot be looked at here: only dead ones can")
        page = await self._inner.list("dead", queue, limit, cursor)
        mine = (task for task in page.tasks if task.headers == MARK)
        return TaskPage(tuple(map(_shown, mine)), page.cursor)

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        retried: list[TaskRef] = []
        for ref in refs:
            stored = await self._find(ref)
            if stored is not None and await self._inner.delete([stored.ref]):
                await self._inner.enqueue([_anew(stored)])
                retried.append(ref)
        await self._inner.settle([])
        return tuple(retried)

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        found = [(ref, await self._find(ref)) for ref in refs]
        await self._inner.delete([stored.ref for _, stored in found if stored is not None])
        return tuple(ref for ref, stored in found if stored is not None)

    async def _find(self, ref: TaskRef) -> StoredTask | None:
        cursor: str | None = None
        while True:
            page = await self._inner.list("dead", ref.queue, 100, cursor)
            for stored in page.tasks:
                if stored.headers == MARK and _envelope(stored).id == ref.id:
                    return stored
            if (cursor := page.cursor) is None:
                return None


def _copy(message: Message, attempt: int, before: int, origin: str) -> Envelope:
    lease, headers = message.visibility_timeout, message.headers
    return Envelope(message.id, attempt, before, origin, lease, headers, message.body)


def _sent(message: Message) -> Message:
    copy = _copy(message, message.attempt, message.attempt - 1, uuid4().hex)
    return _message(message.queue, copy, message.delay)


def _anew(stored: StoredTask) -> Message:
    copy = structs.replace(_envelope(stored), attempt=1, before=0, origin=uuid4().hex)
    return _message(stored.ref.queue, copy, 0.0)


def _message(queue: str, envelope: Envelope, delay: float) -> Message:
    body = msgpack.encode(envelope)
    return Message(queue=queue, body=body, delay=delay, visibility_timeout=FOREVER, headers=MARK)


def _envelope(stored: Message | StoredTask) -> Envelope:
    return msgpack.decode(stored.body, type=Envelope)


def _original(stored: Delivery) -> Delivery:
    envelope = _envelope(stored)
    return structs.replace(
        stored,
        id=envelope.id,
        body=envelope.body,
        attempt=envelope.attempt,
        deliveries=stored.deliveries + envelope.before,
        visibility_timeout=envelope.visibility_timeout,
        headers=envelope.headers,
        origin=envelope.origin,
        lease=7200.0,
    )


def _shown(stored: StoredTask) -> StoredTask:
    envelope = _envelope(stored)
    return structs.replace(
        stored,
        ref=TaskRef(stored.ref.queue, envelope.id),
        body=envelope.body,
        attempt=envelope.attempt,
        deliveries=stored.deliveries + envelope.before,
        visibility_timeout=envelope.visibility_timeout,
        headers=envelope.headers,
    )
