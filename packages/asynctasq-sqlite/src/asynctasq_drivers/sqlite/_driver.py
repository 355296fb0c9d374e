"""The verbs of the contract: each checks what it is given, and hands the work to the thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any

from asynctasq.driver import (
    API,
    Capabilities,
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
    StoredTask,
    TaskPage,
    TaskRef,
    TaskState,
    check_messages,
    check_outcomes,
)
from asynctasq_drivers.sqlite import _outcomes, _queue, _tasks
from asynctasq_drivers.sqlite._desk import LONGEST_LOOK
from asynctasq_drivers.sqlite._job import Job
from asynctasq_drivers.sqlite._lifecycle import Lifecycle
from asynctasq_drivers.sqlite._transaction import enqueue_in


class SqliteDriver(Lifecycle):
    """Keeps messages in one SQLite file, which any number of processes of a machine may use."""

    name = "sqlite"
    api = API
    capabilities: Capabilities = Capabilities(
        lease="timed",
        max_lease=None,
        max_delay=None,
        delay_resolution=LONGEST_LOOK,  # until another process has seen what it waits for
        max_body=999_000_000,  # of the 1,000,000,000 bytes of a row
        retention=None,
        atomic=frozenset(("ack", "retry", "dead_letter", "release")),
        per_message_lease=True,
        idempotent_enqueue=True,
        uncounted_release=True,
        reports_lost=True,
        fifo=True,
        strict_queue_order=True,
        wakes=False,  # another process looks at the file: see _desk.py
        exact_stats=True,
        counts_scheduled=True,
        purges_scheduled=True,
    )

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._running()
        check_messages(messages, self.capabilities)
        ids = tuple(message.id for message in messages)
        work = partial(_queue.enqueue, messages=tuple(messages))
        await self._do(work, writes=True, announces=True, ids=ids)
        return Enqueued(ids)

    async def enqueue_in(self, connection: Any, messages: Sequence[Message]) -> Enqueued:
        self._running()
        check_messages(messages, self.capabilities)
        await enqueue_in(connection, messages, self._file, self._options.sqlite_busy_timeout)
        return Enqueued(tuple(message.id for message in messages))

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        queues = tuple(queues)
        return await self._do(
            partial(_queue.take, queues=queues, limit=limit),
            writes=True,
            until=monotonic() + wait,
            ready=partial(_queue.until_due, queues=queues),
            nothing=(),
            undo=self._give_back,
        )

    def _give_back(self, taken: tuple[Delivery, ...]) -> None:
        """Of a dequeue that was cancelled: the next one takes it, or another instance."""
        if taken and self._engine is not None:
            future: asyncio.Future[Settled] = self._engine.loop.create_future()
            work = partial(_outcomes.settle, outcomes=[*map(Release, taken)], context=self._context)
            self._engine.submit(Job(work=work, future=future, writes=True, announces=True))
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        self._running()
        check_outcomes(outcomes, self.capabilities)
        work = partial(_outcomes.settle, outcomes=tuple(outcomes), context=self._context)
        return await self._do(work, writes=True, announces=_announces(outcomes))

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        return await self._do(partial(_queue.extend, given=tuple(deliveries)), writes=True)

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        return await self._do(partial(_queue.stats, queues=queues), writes=False)

    async def purge(self, queue: str) -> Purged:
        return await self._do(partial(_queue.purge, queue=queue), writes=True)

    async def get(self, ref: TaskRef) -> StoredTask | None:
        return await self._do(partial(_tasks.get, ref=ref), writes=False)

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        work = partial(
            _tasks.list_tasks,
            status=status,
            queue=queue,
            limit=limit,
            after=_tasks.place(cursor),
            scan_limit=self._context.task_scan_limit,
        )
        return await self._do(work, writes=False)

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        return await self._do(partial(_tasks.retry_dead, refs=refs), writes=True, announces=True)

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        return await self._do(partial(_tasks.delete, refs=refs), writes=True)

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        return await self._do(
            partial(_tasks.result, ref=ref),
            writes=False,
            until=monotonic() + wait,
            ready=partial(_tasks.until_recorded, ref=ref),
        )

    async def store(self, records: Sequence[Record]) -> None:
        await self._do(partial(_outcomes.store, records=records), writes=True, announces=True)


def _announces(outcomes: Sequence[Outcome]) -> bool:
    """Whether somebody may wait for what they bring: a message, or a record."""
    return any(isinstance(o, Retry | Release) or o.record is not None for o in outcomes)
