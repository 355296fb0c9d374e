"""Drivers that hand out something else than they were given, or were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import structs

from asynctasq.driver import Delivery, Enqueued, Message
from asynctasq.errors import InvalidMessage
from asynctasq.memory import MemoryDriver


class _Rewriting(MemoryDriver):
    """Stores each message as it sees fit."""

    def rewritten(self, message: Message) -> Message:
        raise NotImplementedError

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        await super().enqueue([self.rewritten(message) for message in messages])
        return Enqueued(tuple(message.id for message in messages))


class TakesBodiesForText(_Rewriting):
    """What is no text is replaced."""

    caught_by = "Enqueue"

    def rewritten(self, message: Message) -> Message:
        return structs.replace(message, body=message.body.decode(errors="replace").encode())


class LowersHeaders(_Rewriting):
    """Header names are written small, as in HTTP."""

    caught_by = "Attempts"

    def rewritten(self, message: Message) -> Message:
        lowered = {name.lower() + " ": text for name, text in message.headers.items()}
        return structs.replace(message, headers=lowered)


class MakesIdsVersion7(_Rewriting):
    """An id that is no UUIDv7 becomes one."""

    caught_by = "Enqueue"

    def rewritten(self, message: Message) -> Message:
        seven = message.id.int & ~(0xF << 76) | 7 << 76
        return structs.replace(message, id=UUID(int=seven))


class BeginsAtAttemptOne(_Rewriting):
    """The attempt that the caller tells is dropped."""

    caught_by = "Enqueue"

    def rewritten(self, message: Message) -> Message:
        return structs.replace(message, attempt=1)


class FoldsQueueNames(_Rewriting):
    """A backend whose names know no case, behind a driver that does not refuse them."""

    caught_by = "Dequeue"

    def rewritten(self, message: Message) -> Message:
        return structs.replace(message, queue=message.queue.lower())

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue([q.lower() for q in queues], limit=limit, wait=wait)
        return tuple(structs.replace(delivery, queue=queues[0]) for delivery in taken)


class StoresTheFirstHundred(MemoryDriver):
    """A batch is cut where one command of the backend ends."""

    caught_by = "Enqueue"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        await super().enqueue(messages[:100])
        return Enqueued(tuple(message.id for message in messages))


class GivesTwiceTheLimit(MemoryDriver):
    """What no slot is free for waits in the worker, under a lease."""

    caught_by = "Dequeue"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        return await super().dequeue(queues, limit=2 * limit, wait=wait)


class WaitsUntilTheBatchIsFull(MemoryDriver):
    """Collects for as long as it may, though something is due."""

    caught_by = "Dequeue"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        if taken and len(taken) < limit and wait:
            taken += await super().dequeue(queues, limit=limit - len(taken), wait=wait)
        return taken


class LooksOnlyWhileItWaits(MemoryDriver):
    """Without waiting it says that nothing is there."""

    caught_by = "Dequeue"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        self._check_open()
        return await super().dequeue(queues, limit=limit, wait=wait) if wait else ()


class LooksAtTenQueues(MemoryDriver):
    """One command of the backend takes ten names."""

    caught_by = "Dequeue"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        return await super().dequeue(queues[:10], limit=limit, wait=wait)


class RefusesWhatIsUnknown(MemoryDriver):
    """A queue that nobody used is an error."""

    caught_by = "Dequeue"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        known = {stats.queue for stats in await self.stats()}
        if not known & set(queues):
            raise InvalidMessage(f"no such queue: {queues}")
        return await super().dequeue(queues, limit=limit, wait=wait)


class TakesAnySize(MemoryDriver):
    """Declares a largest body, and cuts what is longer."""

    caught_by = "Limits"
    capabilities = structs.replace(MemoryDriver.capabilities, max_body=10_000)

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        return await super().enqueue(
            [structs.replace(message, body=message.body[:10_000]) for message in messages]
        )


class DeclaresNoLimitAndHasOne(MemoryDriver):
    """Says that bodies have no largest size, and refuses those above a megabyte."""

    caught_by = "Limits"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        if any(len(message.body) > 1 << 20 for message in messages):
            raise InvalidMessage("body too large")
        return await super().enqueue(messages)
