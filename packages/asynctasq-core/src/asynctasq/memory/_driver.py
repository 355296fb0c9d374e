"""The verbs of the contract over the store: each takes the lock once, and awaits nothing in it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

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
    Record,
    Release,
    Renewed,
    Retry,
    Settled,
    check_messages,
    check_outcomes,
)
from asynctasq.errors import DriverClosed, Unsupported
from asynctasq.memory._queue import Queue, Task
from asynctasq.memory._store import CLOCK, STORE
from asynctasq.memory._tasks import MemoryTasks
from asynctasq.memory._transaction import MemoryTransaction


class MemoryDriver(MemoryTasks):
    """Keeps messages in this process. Takes no options; ``options`` is None."""

    name = "memory"
    api = API
    capabilities: Capabilities = Capabilities(
        lease="timed",
        max_lease=None,
        max_delay=None,
        delay_resolution=0.0,
        max_body=None,
        retention=None,
        atomic=frozenset(("ack", "retry", "dead_letter", "release")),
        per_message_lease=True,
        idempotent_enqueue=True,
        uncounted_release=True,
        reports_lost=True,
        fifo=True,
        strict_queue_order=True,
        wakes=True,
        exact_stats=True,
        counts_scheduled=True,
        process_local=True,
        purges_scheduled=True,
    )

    def __init__(self, options: Any, context: Context) -> None:
        super().__init__(context, STORE, context.clock or CLOCK)

    async def open(self) -> None:
        if self._state == "closed":
            raise DriverClosed("this memory driver is closed for good: make another")
        self._state = "open"

    async def close(self) -> None:
        self._state = "closed"
        self._store.wake(self)

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._check_open()
        check_messages(messages, self.capabilities)
        self._add(messages)
        return Enqueued(tuple(message.id for message in messages))

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        mine = self._joined(connection)
        check_messages(messages, self.capabilities)
        mine.add(lambda: self._add(messages))
        return Enqueued(tuple(message.id for message in messages))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        self._check_open()
        with MemoryTransaction() as begun:
            yield begun

    async def settle_in(self, connection: Any, ack: Ack) -> bool:
        mine = self._joined(connection)
        with self._store.lock:
            queue = self._store.queue(ack.delivery.queue, self._now())
            task = queue.held(ack.delivery)
            if task is None:
                return False
            due = task.due
            queue.lock(task)
        mine.add(
            lambda: self._unlock(queue, task, due, ack),
            lambda: self._unlock(queue, task, due, None),
        )
        return True

    def _unlock(self, queue: Queue, task: Task, due: float, ack: Ack | None) -> None:
        with self._store.lock:
            queue.unlock(task, due)
            if ack is not None:
                self._apply(queue, ack, self._now())
        self._wake((task.message.queue,))

    def _joined(self, connection: Any) -> MemoryTransaction:
        self._check_open()
        if not isinstance(connection, MemoryTransaction):
            raise Unsupported(
                f"connection of type {type(connection).__qualname__}: "
                "the memory driver takes an asynctasq.memory.MemoryTransaction"
            )
        return connection

    def _add(self, messages: Sequence[Message]) -> None:
        with self._store.lock:
            now, wall = self._now(), time.time()
            for message in messages:
                if self._store.record(message.ref, now) is None:
                    self._store.queues[message.queue].add(message, now, wall)
        self._wake(message.queue for message in messages)

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        self._check_open()
        return await self._wait(
            queues,
            lambda: self._take(queues, limit),
            wait,
            lambda: self._until_next_change(queues),
        )

    def _take(self, queues: Sequence[str], limit: int) -> tuple[Delivery, ...]:
        taken: list[Delivery] = []
        with self._store.lock:
            now = self._now()
            for name in queues:
                taken += self._store.queue(name, now).take(limit - len(taken), now)
        return tuple(taken)

    def _until_next_change(self, queues: Sequence[str]) -> float:
        with self._store.lock:
            now = self._now()
            soonest = float("inf")
            for name in queues:
                queue = self._store.queue(name, now)
                # What became due since the look is no change that anything else would tell of.
                at = queue.oldest_due()
                at = queue.next_change() if at is None else at
                soonest = soonest if at is None else min(soonest, at)
            return soonest - now

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        self._check_open()
        check_outcomes(outcomes, self.capabilities)
        with self._store.lock:
            now = self._now()
            names = {outcome.delivery.queue for outcome in outcomes}
            queues = {name: self._store.queue(name, now) for name in names}
            lost = tuple(
                o.delivery for o in outcomes if not self._apply(queues[o.delivery.queue], o, now)
            )
        self._wake(o.delivery.queue for o in outcomes if isinstance(o, (Retry, Release)))
        return Settled(lost)

    def _apply(self, queue: Queue, outcome: Outcome, now: float) -> bool:
        task = queue.held(outcome.delivery)
        if task is None:
            return False
        task.receipt = 0
        record: Record | None = None
        match outcome:
            case Ack(record=record):
                self._complete(queue, task, now)
            case Retry(delay=delay, failure=failure):
                task.attempt += 1
                task.failure = failure
                queue.wait(task, now + delay, now)
            case DeadLetter(failure=failure, record=record):
                task.failure, task.finished_at = failure, time.time()
                ttl = self._context.dead_ttl
                queue.move(task, "dead", float("inf") if ttl is None else now + ttl)
            case Release(delay=delay):
                task.deliveries -= 1
                queue.wait(task, now + delay if delay else task.was_due, now)
        if record is not None:
            self._store.keep(record, now)
        return True

    def _complete(self, queue: Queue, task: Task, now: float) -> None:
        if self._context.keep_completed_tasks:
            task.finished_at = time.time()
            queue.move(task, "completed", now + self._context.completed_ttl)
        else:
            queue.remove(task)

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        self._check_open()
        lost: list[Delivery] = []
        with self._store.lock:
            now = self._now()
            for delivery in deliveries:
                queue = self._store.queue(delivery.queue, now)
                if task := queue.held(delivery):
                    queue.move(task, "running", now + delivery.lease)
                elif not queue.is_locked(delivery):
                    lost.append(delivery)
        return Renewed(tuple(lost))

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        self._check_open()
        with self._store.lock:
            names = sorted(self._store.queues) if queues is None else queues
            return tuple(self._stats(name) for name in names)

    def _stats(self, name: str) -> QueueStats:
        now = self._now()
        queue = self._store.queue(name, now)
        oldest = queue.oldest_due()
        return QueueStats(
            queue=name,
            pending=queue.counts["pending"],
            scheduled=queue.counts["scheduled"],
            running=queue.counts["running"],
            dead=queue.counts["dead"],
            oldest_pending=None if oldest is None else now - oldest,
        )

    async def purge(self, queue: str) -> Purged:
        self._check_open()
        with self._store.lock:
            line = self._store.queue(queue, self._now())
            tasks = line.waiting()
            for task in tasks:
                self._store.remove(line, task)
        return Purged(len(tasks))
