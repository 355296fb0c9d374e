"""The pool: so many children, one queue, and no event loop of its own."""

from __future__ import annotations

import asyncio
import os
import pickle
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, overload

from asynctasq.processes._slot import Job, Slot

T = TypeVar("T")


class _Pool:
    """What one `initialize` has started."""

    def __init__(self, size: int, max_runs: int | None, modules: tuple[str, ...]) -> None:
        self.shape = (size, max_runs, modules)
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.slots = [Slot(self.jobs, modules, max_runs) for _ in range(size)]
        for slot in self.slots:
            slot.peers = self.slots
            slot.start()

    def retire(self) -> None:
        """Let it end once everything before this is done."""
        for _ in self.slots:
            self.jobs.put(None)

    def kill(self) -> None:
        for slot in self.slots:
            slot.kill()


class ProcessPoolManager:
    """Child processes with warm event loops, to be used from any loop and thread.

    A child that dies fails the run it was on, no other, and is replaced.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: _Pool | None = None

    async def initialize(
        self,
        pool_size: int | None = None,
        max_tasks_per_child: int | None = None,
        *,
        modules: Sequence[str] = (),
    ) -> None:
        """Start the children and return when all are warm: modules imported, event loop made.

        Does nothing where a pool with these values is there; with others it takes its place.
        ``pool_size`` None: one for each CPU. ``max_tasks_per_child`` None: never recycled.
        Raises ImportError with the name of a module that no child can import, ValueError.
        """
        size = _cpus() if pool_size is None else _at_least_one("pool_size", pool_size)
        if max_tasks_per_child is not None:
            _at_least_one("max_tasks_per_child", max_tasks_per_child)
        pool, former = self._replace((size, max_tasks_per_child, tuple(modules)))
        if former is not None:
            former.retire()
        try:
            for slot in pool.slots:
                await asyncio.shield(asyncio.wrap_future(slot.ready))
        except BaseException:
            self._take(pool)
            pool.kill()
            pool.retire()
            raise

    @property
    def is_initialized(self) -> bool:
        return self._pool is not None

    @property
    def size(self) -> int:
        """Children; 0 before `initialize`."""
        return 0 if (pool := self._pool) is None else len(pool.slots)

    @overload
    async def run(
        self, function: Callable[..., Awaitable[T]], *args: Any, timeout: float | None = None
    ) -> T: ...
    @overload
    async def run(
        self, function: Callable[..., T], *args: Any, timeout: float | None = None
    ) -> T: ...
    async def run(
        self, function: Callable[..., Any], *args: Any, timeout: float | None = None
    ) -> Any:
        """Run a function of a module in a child, first come, first served.

        A coroutine function runs on the child's warm event loop. ``timeout`` is in seconds and
        counted from the hand-over; the child of a run that is late or cancelled is killed.
        Raises what the function raises, `ChildDied`, TimeoutError, and RuntimeError before
        `initialize`.
        """
        job = Job(pickle.dumps((function, args)), timeout)
        with self._lock:
            if self._pool is None:
                raise RuntimeError("no child processes: await initialize() first")
            self._pool.jobs.put(job)
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            job.abandon()
            raise

    async def shutdown(self, wait: float = 5.0) -> None:
        """End the children: what is queued may finish for so many seconds, then it is killed.

        Idempotent; `initialize` may follow.
        """
        if (pool := self._take(self._pool)) is None:
            return
        pool.retire()
        try:
            async with asyncio.timeout(wait):
                await _ended(pool)
        except TimeoutError:
            pool.kill()
            await _ended(pool)
        except BaseException:
            pool.kill()
            raise

    def kill(self) -> None:
        """End all children at once, from any thread, for a process that is about to end."""
        if (pool := self._pool) is not None:
            pool.kill()

    def get_stats(self) -> dict[str, object]:
        """What the pool is now; ``restarts`` counts children that were replaced."""
        if (pool := self._pool) is None:
            return {"status": "not_initialized", "pool_size": 0}
        children = [child for slot in pool.slots if (child := slot.child) is not None]
        return {
            "status": "running",
            "pool_size": len(pool.slots),
            "max_tasks_per_child": pool.shape[1],
            "busy": sum(slot.is_busy for slot in pool.slots),
            "pids": [child.pid for child in children],
            "restarts": sum(slot.restarts for slot in pool.slots),
        }

    def _replace(
        self, shape: tuple[int, int | None, tuple[str, ...]]
    ) -> tuple[_Pool, _Pool | None]:
        with self._lock:
            if self._pool is not None and self._pool.shape == shape:
                return self._pool, None
            former, self._pool = self._pool, _Pool(*shape)
            return self._pool, former

    def _take(self, pool: _Pool | None) -> _Pool | None:
        with self._lock:
            if pool is None or self._pool is not pool:
                return None
            self._pool = None
            return pool


async def _ended(pool: _Pool) -> None:
    while any(slot.is_alive() for slot in pool.slots):
        await asyncio.sleep(0.01)


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name}: expected at least 1, or None; found {value}")
    return value


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_default: ProcessPoolManager = ProcessPoolManager()


def get_default_manager() -> ProcessPoolManager:
    """Return this process's pool; a forked child has its own."""
    return _default


def _forget() -> None:
    global _default
    _default = ProcessPoolManager()


os.register_at_fork(after_in_child=_forget)
