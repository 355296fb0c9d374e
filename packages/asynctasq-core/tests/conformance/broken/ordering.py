"""Drivers that are out of order, or out of time."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from asynctasq.driver import Delivery, Enqueued, Message, Outcome, Retry, Settled
from asynctasq.memory import MemoryDriver

from .inside import queue_of


class LastInFirstOut(MemoryDriver):
    """Declares fifo, and gives the newest first."""

    caught_by = "Ordering"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        enqueued = await super().enqueue(messages)
        for name in {message.queue for message in messages}:
            queue = queue_of(self, name)
            for task in queue.tasks.values():
                if task.state == "pending":
                    queue.move(task, "pending", -task.serial)
        return enqueued


class MixesQueues(MemoryDriver):
    """Declares strict_queue_order, and looks into the queues in an order of its own."""

    caught_by = "Ordering"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        return await super().dequeue(sorted(queues), limit=limit, wait=wait)


class ReleasesToTheEnd(MemoryDriver):
    """What was given back unrun goes behind its juniors."""

    caught_by = "Ordering"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        for delivery in taken:
            queue_of(self, delivery.queue).tasks[delivery.id].was_due = self._now()
        return taken


class DeliversTooEarly(MemoryDriver):
    """Half of a delay is a delay, too."""

    caught_by = "Delays"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        return await super().enqueue(
            [structs.replace(message, delay=message.delay / 2) for message in messages]
        )


class DropsTheRetryDelay(MemoryDriver):
    """A retry is due at once, whatever delay was asked for."""

    caught_by = "Delays"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        return await super().settle(
            [structs.replace(o, delay=0.0) if isinstance(o, Retry) else o for o in outcomes]
        )


class PutsTheNewCopySecond(MemoryDriver):
    """Checks a delay only when the old copy is gone: too long a back-off loses the message."""

    caught_by = "Delays"
    capabilities = structs.replace(MemoryDriver.capabilities, max_delay=900.0)

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        for outcome in outcomes:
            if isinstance(outcome, Retry) and outcome.delay > 900.0:
                queue = queue_of(self, outcome.delivery.queue)
                queue.remove(queue.tasks[outcome.delivery.id])
        return await super().settle(outcomes)


class DeliversLate(MemoryDriver):
    """Looks for what is due once a second, and declares that it is never late."""

    caught_by = "Delays"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        return await super().enqueue(
            [structs.replace(m, delay=m.delay + 1.0) if m.delay else m for m in messages]
        )


class DelaysInOneLine(MemoryDriver):
    """What is delayed waits in one line: a long delay before it holds a short one up."""

    caught_by = "Delays"

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        longest = 0.0
        line: list[Message] = []
        for message in messages:
            longest = max(longest, message.delay)
            line.append(structs.replace(message, delay=longest) if message.delay else message)
        return await super().enqueue(line)
