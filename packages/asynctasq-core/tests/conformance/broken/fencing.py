"""Drivers whose leases do not hold, or that let in who has lost one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import structs

from asynctasq.driver import Ack, Context, Delivery, Outcome, Renewed, Settled
from asynctasq.memory import MemoryDriver

from .inside import queue_of, task_of


class HidesNothing(MemoryDriver):
    """A message stays in line while a worker has it."""

    caught_by = "Leases"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        await super().extend([structs.replace(delivery, lease=0.0) for delivery in taken])
        return taken


class RenewsNothing(MemoryDriver):
    """The lease is a ceiling on the length of a task: extend says yes and does nothing."""

    caught_by = "Leases"

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        return Renewed((await super().extend([])).lost)


class RenewsOnlySome(MemoryDriver):
    """One call renews a page of leases; the others run out, and nobody is told."""

    caught_by = "Leases"

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        return await super().extend(deliveries[:100])


class LeasesByTheClientsClock(MemoryDriver):
    """Clock skew between clients decides who owns a lease."""

    caught_by = "Leases"

    def __init__(self, options: None, context: Context) -> None:
        super().__init__(options, structs.replace(context, clock=lambda: time.time()))


class RefusesWhoIsMerelyLate(MemoryDriver):
    """A lease that ran out is lost, though nobody else has the message."""

    caught_by = "Leases"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        late = []
        for outcome in outcomes:
            task = task_of(self, outcome.delivery)
            if task is not None and task.state == "running" and task.due < time.monotonic():
                late.append(outcome)
        settled = await super().settle([o for o in outcomes if o not in late])
        return Settled((*settled.lost, *(outcome.delivery for outcome in late)))


class AcknowledgesById(MemoryDriver):
    """A worker whose lease was lost deletes the run of its successor."""

    caught_by = "Fencing"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        for outcome in outcomes:
            task = task_of(self, outcome.delivery)
            if isinstance(outcome, Ack) and task is not None:
                queue_of(self, outcome.delivery.queue).remove(task)
        return await super().settle([o for o in outcomes if not isinstance(o, Ack)])


class StealsTheLeaseBack(MemoryDriver):
    """Whoever renews last has the lease."""

    caught_by = "Fencing"

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        for delivery in deliveries:
            task = task_of(self, delivery)
            if task is not None and task.state == "running":
                task.receipt = delivery.receipt
        return await super().extend(deliveries)


class AcknowledgesByPayload(MemoryDriver):
    """Two equal payloads collide: removing one removes the other."""

    caught_by = "Fencing"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        settled = await super().settle(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Ack):
                queue = queue_of(self, outcome.delivery.queue)
                for task in tuple(queue.tasks.values()):
                    if task.message.body == outcome.delivery.body:
                        queue.remove(task)
        return settled


class KeepsLossesToItself(MemoryDriver):
    """Declares reports_lost, and reports that all is well."""

    caught_by = "Fencing"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        await super().settle(outcomes)
        return Settled()
