"""Drivers that count wrongly, or tell numbers they do not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from msgspec import structs

from asynctasq.driver import Delivery, Outcome, Purged, QueueStats, Release, Retry, Settled, TaskRef
from asynctasq.memory import MemoryDriver

from ..modest import ModestDriver  # noqa: TID252
from .inside import queue_of, task_of


class ForgetsDeliveries(MemoryDriver):
    """Every delivery is the first one."""

    caught_by = "Attempts"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        return tuple(structs.replace(delivery, deliveries=1) for delivery in taken)


class CountsWhenTheOutcomeComes(MemoryDriver):
    """A delivery is counted when it is settled, so one that ends with its worker never is."""

    caught_by = "Attempts"
    _settled: ClassVar[Counter[UUID]] = Counter()

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        return tuple(
            structs.replace(delivery, deliveries=1 + self._settled[delivery.id])
            for delivery in taken
        )

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        self._settled.update(o.delivery.id for o in outcomes if isinstance(o, Retry))
        return await super().settle(outcomes)


class NeverTellsTheAttempt(MemoryDriver):
    """A retry is due again as the attempt that it was."""

    caught_by = "Attempts"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        settled = await super().settle(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Retry) and (task := task_of(self, outcome.delivery)):
                task.attempt = outcome.delivery.attempt
        return settled


class CountsReleases(MemoryDriver):
    """Declares uncounted_release, and counts them."""

    caught_by = "Attempts"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        settled = await super().settle(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Release) and (task := task_of(self, outcome.delivery)):
                task.deliveries = outcome.delivery.deliveries
        return settled


class ClearsLossesOnRelease(MemoryDriver):
    """A release sends the message anew: what it did to the workers before is forgotten."""

    caught_by = "Attempts"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        settled = await super().settle(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Release) and (task := task_of(self, outcome.delivery)):
                task.deliveries = task.attempt - 1
        return settled


class HidesWhatItCanDo(MemoryDriver):
    """Does not count releases, and does not declare it either."""

    caught_by = "Attempts"
    capabilities = structs.replace(MemoryDriver.capabilities, uncounted_release=False)


class ReplaysWithSpentAttempts(MemoryDriver):
    """A dead task that is brought back is at its last attempt still."""

    caught_by = "Replay"

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        stored = {ref: queue_of(self, ref.queue).tasks.get(ref.id) for ref in refs}
        attempts = {ref: task.attempt for ref, task in stored.items() if task is not None}
        retried = await super().retry_dead(refs)
        for ref in retried:
            if task := stored[ref]:
                task.attempt = attempts[ref]
        return retried


class SaysZeroForUnknown(MemoryDriver):
    """Does not know how many are scheduled, and says 0."""

    caught_by = "Stats"
    capabilities = structs.replace(MemoryDriver.capabilities, counts_scheduled=False)

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        return tuple(structs.replace(s, scheduled=0) for s in await super().stats(queues))


class CountsRunningAsPending(MemoryDriver):
    """Declares exact_stats, and counts what somebody has as waiting."""

    caught_by = "Stats"

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        return tuple(
            structs.replace(s, pending=(s.pending or 0) + (s.running or 0), running=0)
            for s in await super().stats(queues)
        )


class CountsTheLostAsRunning(MemoryDriver):
    """Declares exact_stats, and reads no clock for them: a lease runs until somebody looks."""

    caught_by = "Stats"

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        return tuple(map(self._with_lost, await super().stats(queues)))

    def _with_lost(self, stats: QueueStats) -> QueueStats:
        tasks = queue_of(self, stats.queue).tasks.values()
        lost = sum(task.state == "pending" and task.receipt != 0 for task in tasks)
        pending, running = (stats.pending or 0) - lost, (stats.running or 0) + lost
        return structs.replace(stats, pending=pending, running=running)


class PurgesNoRetries(MemoryDriver):
    """Retries wait in a structure of their own, which purge does not know."""

    caught_by = "Purge"

    async def purge(self, queue: str) -> Purged:
        line = queue_of(self, queue)
        retries = [task for task in line.waiting() if task.attempt > 1]
        for task in retries:
            line.remove(task)
        purged = await super().purge(queue)
        for task in retries:
            line.tasks[task.message.id] = task
            line.counts[task.state] += 1
            line.move(task, task.state, task.due)
        return purged


class PurgesNothing(MemoryDriver):
    """Cleared: reported, not done."""

    caught_by = "Purge"

    async def purge(self, queue: str) -> Purged:
        (stats,) = await self.stats([queue])
        return Purged((stats.pending or 0) + (stats.scheduled or 0))


class DeletesNothing(MemoryDriver):
    """Returns what it was asked to remove, and changes nothing."""

    caught_by = "Deletion"

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        await super().delete([])
        return tuple(refs)


class LeavesOutWhatItDoesNotKnow(MemoryDriver):
    """A queue without messages is not in the answer."""

    caught_by = "Stats"

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        known = {stats.queue for stats in await super().stats()}
        names = queues if queues is None else [queue for queue in queues if queue in known]
        return await super().stats(names)


class PurgesByPrefix(MemoryDriver):
    """The name of a queue is a pattern to the backend."""

    caught_by = "Purge"

    async def purge(self, queue: str) -> Purged:
        for stats in await self.stats():
            if stats.queue.startswith(queue) and stats.queue != queue:
                await super().purge(stats.queue)
        return await super().purge(queue)


class GrantsLessOfALongLease(MemoryDriver):
    """Declares that any lease is granted, and grants at most an hour."""

    caught_by = "Limits"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        return tuple(structs.replace(d, lease=min(d.lease, 3600.0)) for d in taken)


class TakesAheadOfTheCaller(ModestDriver):
    """Has one more than it was asked for at hand, counted as delivered, until it closes."""

    caught_by = "Recovery"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        return (await super().dequeue(queues, limit=limit + 1, wait=wait))[-limit:]
