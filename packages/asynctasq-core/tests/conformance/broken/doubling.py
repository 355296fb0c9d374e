"""Drivers that hand out one message more than once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import ClassVar

from msgspec import structs

from asynctasq.driver import Delivery, Enqueued, Message
from asynctasq.memory import MemoryDriver

from ..modest import ModestDriver  # noqa: TID252
from .inside import queue_of


class MovesDelayedWithoutALock(ModestDriver):
    """Each consumer moves what is due, in two steps: N movers, N copies."""

    caught_by = "Delays"
    _later: ClassVar[list[tuple[float, Message]]] = []

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        await super().enqueue([message for message in messages if not message.delay])
        self._later.extend(
            (time.monotonic() + message.delay, structs.replace(message, delay=0.0))
            for message in messages
            if message.delay
        )
        return Enqueued(tuple(message.id for message in messages))

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        end = time.monotonic() + wait
        while True:
            due = [entry for entry in tuple(self._later) if entry[0] <= time.monotonic()]
            await asyncio.sleep(0.001 * bool(due))
            await super().enqueue([message for _, message in due])
            self._later[:] = [entry for entry in self._later if entry not in due]
            taken = await super().dequeue(queues, limit=limit, wait=0.0)
            if taken or time.monotonic() >= end:
                return taken
            await asyncio.sleep(0.005)


class SelectsThenMarks(MemoryDriver):
    """Reads what is due, and marks it as taken in a second step."""

    caught_by = "Concurrency"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        selected = [
            task
            for queue in queues
            for task in tuple(queue_of(self, queue).tasks.values())
            if task.state == "pending"
        ][:limit]
        await asyncio.sleep(0)
        for task in selected:
            if task.state == "running":  # the other one has it, and now we have it too
                queue_of(self, task.message.queue).wait(task, 0.0, 1.0)
        return await super().dequeue(queues, limit=limit, wait=wait)


class StoresAnIdTwice(MemoryDriver):
    """Declares idempotent_enqueue, and starts a stored task anew."""

    caught_by = "Idempotence"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        for message in messages:
            queue = queue_of(self, message.queue)
            if task := queue.tasks.get(message.id):
                queue.remove(task)
        return await super().enqueue(messages)
