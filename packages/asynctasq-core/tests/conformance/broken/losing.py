"""Drivers that lose what was accepted. Each has one fault, and is the memory driver otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from asynctasq.driver import (
    Ack,
    Context,
    DeadLetter,
    Delivery,
    Enqueued,
    Message,
    Outcome,
    Release,
    Retry,
    Settled,
    TaskRef,
)
from asynctasq.memory import MemoryDriver

from ..remote import RemoteDriver  # noqa: TID252
from .inside import ForgetfulServer, task_of


class AcknowledgesOnHandOut(MemoryDriver):
    """A message is gone as soon as somebody has it."""

    caught_by = "Recovery"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        await super().settle([Ack(delivery) for delivery in taken])
        return taken


class NeverReturnsExpired(MemoryDriver):
    """What a dead worker held stays in its processing list, because nothing reads that back."""

    caught_by = "Leases"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        await super().extend([structs.replace(delivery, lease=1e9) for delivery in taken])
        return taken


class RetriesByRemovingFirst(MemoryDriver):
    """Retry acknowledges the old message, then sends the new one: two steps."""

    caught_by = "Crashes"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        retries = [outcome for outcome in outcomes if isinstance(outcome, Retry)]
        await super().settle([Ack(retry.delivery) for retry in retries])
        await asyncio.sleep(0)
        for delivery in (retry.delivery for retry in retries):
            await super().enqueue(
                [
                    Message(
                        id=delivery.id,
                        queue=delivery.queue,
                        body=delivery.body,
                        attempt=delivery.attempt + 1,
                        visibility_timeout=delivery.visibility_timeout,
                    )
                ]
            )
        return await super().settle([o for o in outcomes if not isinstance(o, Retry)])


class DestroysDeadPayloads(MemoryDriver):
    """What failed for good keeps its failure and loses its body."""

    caught_by = "Tasks"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        settled = await super().settle(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, DeadLetter) and (task := task_of(self, outcome.delivery)):
                task.message = structs.replace(task.message, body=b"")
        return settled


class LosesWhatACancelledDequeueTook(MemoryDriver):
    """Awaits between taking and answering: cancelled there, it forgets what it took."""

    caught_by = "Cancellation"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        await asyncio.sleep(0)
        return taken


class KeepsWhatOthersHaveByNow(MemoryDriver):
    """Gives what a cancelled dequeue had taken to the next, however long ago that was."""

    caught_by = "Cancellation"

    def __init__(self, options: None, context: Context) -> None:
        super().__init__(options, context)
        self._kept: list[Delivery] = []

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        mine = [delivery for delivery in self._kept if delivery.queue in queues][:limit]
        taken = tuple(mine) or await super().dequeue(queues, limit=limit, wait=wait)
        self._kept = [delivery for delivery in self._kept if delivery not in taken]
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._kept += taken
            raise
        return taken

    async def close(self) -> None:
        if self._kept:
            await self.settle([Release(delivery) for delivery in self._kept])
            self._kept = []
        await super().close()


class LosesAtClose(MemoryDriver):
    """What it enqueued is only in its own hands until the next call: close drops the last batch."""

    caught_by = "Recovery"

    def __init__(self, options: None, context: Context) -> None:
        super().__init__(options, context)
        self._batch: list[TaskRef] = []

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._batch = [message.ref for message in messages]
        return await super().enqueue(messages)

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        self._batch = []
        return await super().dequeue(queues, limit=limit, wait=wait)

    async def close(self) -> None:
        if self._batch:
            await self.delete(self._batch)
        await super().close()


class RetriesWithoutHeaders(MemoryDriver):
    """A retry encodes the message anew, and forgets a part of it."""

    caught_by = "Attempts"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        settled = await super().settle(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Retry) and (task := task_of(self, outcome.delivery)):
                task.message = structs.replace(task.message, headers={})
        return settled


class StoresHalfOfARefusedBatch(MemoryDriver):
    """Messages are checked one at a time, as they are sent."""

    caught_by = "Limits"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        for message in messages:
            await super().enqueue([message])
        return Enqueued(tuple(message.id for message in messages))


class CommitsAtOnce(MemoryDriver):
    """What is enqueued in a transaction is stored before its commit, and after a rollback."""

    caught_by = "Transactions"

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        await super().enqueue_in(connection, messages)
        return await super().enqueue(messages)


class LosesAtRestart(RemoteDriver):
    """The backend has it all in memory, and is asked to confirm nothing else."""

    caught_by = "Restarts"
    server_class = ForgetfulServer
