"""Runs a worker, and notes when it began, when its last task was acknowledged, and what it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asynctasq
from asynctasq.events import Event, WorkerOnline
from asynctasq.worker import Worker
from tools.benchmarks import tasks
from tools.benchmarks.orders import Online, Progress, Pulse, Ready, Work, Worked
from tools.benchmarks.parent import Parent
from tools.benchmarks.roles import dispatching

_LOOK = 0.002
"""Seconds between two looks at how many tasks are acknowledged."""
_TELL = 0.02


class _Watch:
    """Told when the worker comes online; from then on it looks what became of tasks."""

    def __init__(self) -> None:
        self.online = self.last = 0.0
        self.completed = 0
        self._cpu_then = self._cpu = 0.0
        self._loop = asyncio.get_running_loop()
        self.is_online = asyncio.Event()

    async def emit(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, WorkerOnline):
                self._cpu_then = time.process_time()
                self.online = self.last = event.at
                self._loop.call_soon_threadsafe(self.is_online.set)

    async def close(self) -> None:
        pass

    def wants(self, kind: type[Event]) -> bool:
        return kind is WorkerOnline

    @property
    def cpu(self) -> float:
        return self._cpu - self._cpu_then

    def look(self, completed: int) -> None:
        """Note when the count changes."""
        if completed != self.completed:
            self.completed = completed
            self.last, self._cpu = time.time(), time.process_time()


async def work(order: Work, parent: Parent) -> Worked:
    """From "go" to "stop"."""
    watch = _Watch()
    asynctasq.init(event_emitters=[watch])
    if order.fill is not None:
        await dispatching.fill(order.fill)
    parent.tell(Ready())
    await parent.word()
    worker = Worker([order.queue], concurrency=order.concurrency, max_tasks=order.most)
    parts = [asyncio.ensure_future(_watched(worker, watch, parent))]
    if order.pulse is not None:
        parts.append(asyncio.ensure_future(_pulse(order.pulse, watch)))
    try:
        await _run(worker, parent)
    finally:
        for part in parts:
            part.cancel()
        await asyncio.wait(parts)
    if worker.failed:
        raise RuntimeError(f"{worker.failed} attempts failed")
    return Worked(
        online=watch.online,
        last=watch.last,
        completed=watch.completed,
        cpu=watch.cpu,
        late=tuple(tasks.late),
    )


async def _run(worker: Worker, parent: Parent) -> None:
    """Until the parent says so, also where the worker has run all that it may."""
    running = asyncio.ensure_future(worker.run())
    stop = asyncio.ensure_future(parent.word())
    try:
        await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
        if not running.done() or running.exception() is None:
            await stop
    finally:
        stop.cancel()
        worker.stop()
        await running


async def _watched(worker: Worker, watch: _Watch, parent: Parent) -> None:
    await watch.is_online.wait()
    parent.tell(Online())
    told, told_at = 0, 0.0
    while True:
        await asyncio.sleep(_LOOK)
        watch.look(worker.completed)
        if watch.completed != told and time.time() - told_at > _TELL:
            told, told_at = watch.completed, time.time()
            parent.tell(Progress(told))


async def _pulse(order: Pulse, watch: _Watch) -> None:
    await watch.is_online.wait()
    await dispatching.pulse(order)
