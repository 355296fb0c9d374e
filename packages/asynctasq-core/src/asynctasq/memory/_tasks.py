"""Single tasks and their records: the two optional protocols about looking at them."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import dropwhile, islice
from typing import Literal, TypeVar

from asynctasq.driver import Context, Record, StoredTask, TaskPage, TaskRef, TaskState
from asynctasq.errors import DriverClosed, InvalidMessage
from asynctasq.memory._queue import Queue, Task
from asynctasq.memory._store import Store

T = TypeVar("T")


class MemoryTasks:
    """`TaskStore` and `ResultStore` over the store, and how this driver waits for anything."""

    def __init__(self, context: Context, store: Store, clock: Callable[[], float]) -> None:
        self._context = context
        self._store = store
        self._now = clock
        self._state: Literal["new", "open", "closed"] = "new"

    def _check_open(self) -> None:
        if self._state != "open":
            raise DriverClosed(
                f"this memory driver is {self._state}: open() it first, close() last"
            )

    def _wake(self, keys: Iterable[Hashable]) -> None:
        for key in set(keys):
            self._store.wake(key)

    async def _wait(
        self,
        keys: Iterable[Hashable],
        look: Callable[[], T],
        seconds: float,
        until_change: Callable[[], float],
    ) -> T:
        """Look, again at each change, until something is there, the time is up or we are closed."""
        deadline = time.monotonic() + seconds
        while True:
            # The waiter stands before the look, so that nothing comes between the two unseen.
            with self._store.waiter(self, *keys) as changed:
                found = look()
                left = deadline - time.monotonic()
                if found or left <= 0 or self._state == "closed":
                    return found
                await asyncio.wait((changed,), timeout=max(min(left, until_change()), 0))

    def _find(self, ref: TaskRef) -> tuple[Queue, Task | None]:
        queue = self._store.queue(ref.queue, self._now())
        return queue, queue.tasks.get(ref.id)

    async def get(self, ref: TaskRef) -> StoredTask | None:
        self._check_open()
        with self._store.lock:
            _, task = self._find(ref)
            return None if task is None else self._shown(task)

    async def list(
        self, status: TaskState, queue: str | None, limit: int, cursor: str | None = None
    ) -> TaskPage:
        self._check_open()
        after = _serial(cursor)
        found: list[Task] = []
        with self._store.lock:
            left = dropwhile(lambda task: task.serial <= after, self._in_order(queue))
            for task in islice(left, self._context.task_scan_limit):
                after = task.serial
                if task.state == status:
                    found.append(task)
                if len(found) == limit:
                    break
            more = next(left, None) is not None
            return TaskPage(tuple(map(self._shown, found)), str(after) if more else None)

    def _in_order(self, name: str | None) -> Iterator[Task]:
        names = tuple(self._store.queues) if name is None else (name,)
        queues = (self._store.queue(name, self._now()) for name in names)
        return heapq.merge(*(q.tasks.values() for q in queues), key=lambda task: task.serial)

    def _shown(self, task: Task) -> StoredTask:
        waits = task.state in ("scheduled", "pending", "running")
        return StoredTask(
            ref=task.message.ref,
            state=task.state,
            body=task.message.body,
            attempt=task.attempt,
            deliveries=task.deliveries,
            visibility_timeout=task.message.visibility_timeout,
            headers=task.message.headers,
            enqueued_at=task.enqueued_at,
            due_at=time.time() + task.due - self._now() if waits and not task.locked else None,
            finished_at=task.finished_at,
            failure=task.failure,
        )

    async def retry_dead(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        self._check_open()
        with self._store.lock:
            retried = tuple(ref for ref in refs if self._retry_dead(ref))
        self._wake(ref.queue for ref in retried)
        return retried

    def _retry_dead(self, ref: TaskRef) -> bool:
        queue, task = self._find(ref)
        if task is None or task.state != "dead":
            return False
        task.attempt, task.deliveries = 1, 0
        task.failure = task.finished_at = None
        queue.wait(task, self._now(), self._now())
        self._store.records.pop(ref, None)
        return True

    async def delete(self, refs: Sequence[TaskRef]) -> tuple[TaskRef, ...]:
        self._check_open()
        with self._store.lock:
            return tuple(ref for ref in refs if self._delete(ref))

    def _delete(self, ref: TaskRef) -> bool:
        queue, task = self._find(ref)
        if task is None or task.state == "running":
            return False
        self._store.remove(queue, task)
        return True

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        self._check_open()
        return await self._wait((ref,), lambda: self._record(ref), wait, lambda: wait)

    def _record(self, ref: TaskRef) -> Record | None:
        with self._store.lock:
            self._store.queue(ref.queue, self._now())
            return self._store.record(ref, self._now())

    async def store(self, records: Sequence[Record]) -> None:
        self._check_open()
        with self._store.lock:
            for record in records:
                self._store.keep(record, self._now())


def _serial(cursor: str | None) -> int:
    if cursor is not None and not cursor.isdecimal():
        raise InvalidMessage(
            f"cursor {cursor[:200]!r}: expected one that this driver's list() gave"
        )
    return int(cursor or 0)
