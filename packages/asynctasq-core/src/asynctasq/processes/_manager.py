"""The pool as its users see it: of any loop and thread, with no event loop of its own."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, overload
from weakref import WeakSet

from asynctasq.processes._pool import Pool
from asynctasq.processes._slot import Job

T = TypeVar("T")


class ProcessPoolManager:
    """Child processes with warm event loops, to be used from any loop and thread.

    A child that dies fails the run it was on, no other, and is replaced. In a fork of this process
    it is as new: the children are those of the process that has started them.
    """

    def __init__(self) -> None:
        self._begin()
        _managers.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._former: list[Pool] = []

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
        await self._warmed(self._join((size, max_tasks_per_child, tuple(modules))))

    async def ready(self) -> bool:
        """Wait until the children are warm that somebody starts; False: nobody has.

        Raises what the other's `initialize` raises.
        """
        if self.is_initialized:
            return True
        with self._lock:
            if (pool := self._pool) is None:
                return False
            pool.waiting += 1
        await self._warmed(pool)
        return True

    async def _warmed(self, pool: Pool) -> None:
        try:
            for slot in pool.slots:
                await asyncio.wrap_future(slot.ready)
        finally:
            with self._lock:
                pool.waiting -= 1
                is_wanted = pool.waiting > 0 or pool.is_warm
                if not is_wanted and self._pool is pool:
                    self._pool = None
            if not is_wanted:
                pool.kill()
                pool.retire()

    @property
    def is_initialized(self) -> bool:
        """Whether the children are warm."""
        return (pool := self._pool) is not None and pool.is_warm

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
        pools = self._take_all()
        try:
            async with asyncio.timeout(wait):
                await _ended(pools)
        except TimeoutError:
            _kill(pools)
            await _ended(pools)
        except BaseException:
            _kill(pools)
            raise

    def kill(self) -> None:
        """End all children at once, from any thread, for a process that is about to end."""
        with self._lock:
            pools = self._former if self._pool is None else [*self._former, self._pool]
        _kill(pools)

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

    def _join(self, shape: tuple[int, int | None, tuple[str, ...]]) -> Pool:
        """The pool of this shape. One of another shape is let finish what it has."""
        with self._lock:
            pool = self._pool
            if pool is None or pool.shape != shape:
                self._let_finish()
                pool = self._pool = Pool(*shape)
            pool.waiting += 1
            return pool

    def _take_all(self) -> list[Pool]:
        with self._lock:
            self._let_finish()
            pools, self._former = self._former, []
            return pools

    def _let_finish(self) -> None:
        self._former = [pool for pool in self._former if pool.is_alive]
        if self._pool is not None:
            self._pool.retire()
            self._former.append(self._pool)
            self._pool = None


async def _ended(pools: Sequence[Pool]) -> None:
    while any(pool.is_alive for pool in pools):
        await asyncio.sleep(0.01)


def _kill(pools: Sequence[Pool]) -> None:
    for pool in pools:
        pool.kill()


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name}: expected at least 1, or None; found {value}")
    return value


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin_anew() -> None:
    """In a fork no thread of a pool runs, and one may have held the lock."""
    for manager in _managers:
        manager._begin()  # pyright: ignore[reportPrivateUsage]


_managers: WeakSet[ProcessPoolManager] = WeakSet()
_default = ProcessPoolManager()
os.register_at_fork(after_in_child=_begin_anew)


def get_default_manager() -> ProcessPoolManager:
    """Return this process's pool."""
    return _default
