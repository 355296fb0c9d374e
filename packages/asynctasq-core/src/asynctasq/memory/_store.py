"""The backend itself: what a server would hold, shared by every driver of the process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TypeAlias

from asynctasq.driver import Record, TaskRef
from asynctasq.memory._queue import Queue, Task, next_number

Waiter: TypeAlias = "asyncio.Future[None]"
NO_QUEUE = Queue()
"""What a queue that nobody uses looks like."""


class Store:
    """Queues, records, and those who wait for either.

    Everything but `waiter` and `wake` needs ``lock`` held.
    """

    def __init__(self) -> None:
        self.lock: threading.RLock = threading.RLock()
        self.queues: defaultdict[str, Queue] = defaultdict(Queue)
        self.records: dict[TaskRef, Record] = {}
        self._expiries: list[tuple[float, int, Record]] = []
        self._waiters: defaultdict[Hashable, set[Waiter]] = defaultdict(set)

    def queue(self, name: str, now: float) -> Queue:
        """A queue as it is now; one that nobody uses is empty."""
        queue = self.queues.get(name, NO_QUEUE)
        for task in queue.advance(now):
            self.records.pop(task.message.ref, None)
        return queue

    def record(self, ref: TaskRef, now: float) -> Record | None:
        """The record of a task, unless it has expired."""
        while self._expiries and self._expiries[0][0] <= now:
            _, _, old = heappop(self._expiries)
            if self.records.get(old.ref) is old:
                del self.records[old.ref]
        return self.records.get(ref)

    def keep(self, record: Record, now: float) -> None:
        """Keep a record, in place of the one that its task had, and wake those who wait for it."""
        self.records[record.ref] = record
        if record.keep_for is not None:
            heappush(self._expiries, (now + record.keep_for, next_number(), record))
        self.wake(record.ref)

    def remove(self, queue: Queue, task: Task) -> None:
        """Remove a task with its record."""
        queue.remove(task)
        self.records.pop(task.message.ref, None)

    @contextmanager
    def waiter(self, *keys: Hashable) -> Generator[Waiter]:
        """A future that is done when any of the keys (a queue, a ref, a driver) is woken."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        with self.lock:
            for key in keys:
                self._waiters[key].add(waiter)
        try:
            yield waiter
        finally:
            with self.lock:
                self._forget(waiter, keys)

    def wake(self, key: Hashable) -> None:
        """Wake those who wait for a key, on whichever loop."""
        if key not in self._waiters:  # as mostly; who comes just now has not looked yet
            return
        with self.lock:
            waiters = tuple(self._waiters.get(key, ()))
        for waiter in waiters:
            try:
                waiter.get_loop().call_soon_threadsafe(_finish, waiter)
            except RuntimeError:  # the loop is closed, perhaps just now: nobody waits there
                with self.lock:
                    self._forget(waiter, (key,))

    def _forget(self, waiter: Waiter, keys: tuple[Hashable, ...]) -> None:
        for key in keys:
            waiting = self._waiters[key]
            waiting.discard(waiter)
            if not waiting:
                del self._waiters[key]


def _finish(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_result(None)


STORE = Store()
"""The one store of this process."""

CLOCK = time.monotonic
"""The backend's clock. It never goes back; what is shown to people is Unix time."""
