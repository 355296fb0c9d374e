"""The worker itself: fetches deliveries, runs them, settles and renews, until it is stopped.

Everything here is on one event loop: a task that blocks it delays the renewal of leases too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict

from asynctasq.config import current, make_driver
from asynctasq.driver import QUEUE_NAME, Driver, ResultStore
from asynctasq.errors import ConfigError, DriverError
from asynctasq.events import WorkerOffline, WorkerOnline
from asynctasq.tasks import event_bus
from asynctasq.worker._leases import Leases
from asynctasq.worker._report import Reporter
from asynctasq.worker._runner import Runner
from asynctasq.worker._settler import Settler

logger = logging.getLogger("asynctasq.worker")
_WAIT = 5.0
"""Seconds of one waiting dequeue."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Worker:
    """Runs tasks of some queues, ``concurrency`` of them at a time, on the configured backend.

    ``await worker.run()`` runs until `stop` is called. ``async with Worker(...)`` runs it beside
    the block and stops it at the end. Uses the configuration that holds when it is made.
    """

    def __init__(self, queues: Sequence[str] = (), *, concurrency: int = 10) -> None:
        self._settings = current()
        self._config = self._settings.config
        _check(queues, concurrency)
        self._queues = tuple(queues) or (self._config.default_queue,)
        self._concurrency = concurrency
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._bus = event_bus(self._settings)
        self._report = Reporter(self._bus, self._name)
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def completed(self) -> int:
        """Tasks completed, as the backend has acknowledged."""
        return self._report.completed

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return self._report.failed

    def stop(self) -> None:
        """Take no more; let what runs finish within ``shutdown_timeout``, and end `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop` is called. Raises what kept it from working at all.

        A backend that goes away is waited for. *After a crash*: what ran here is handed out again
        when its lease ends.
        """
        driver = make_driver(self._config.driver, self._config)
        results: Driver | None = None
        try:
            await driver.open()
            if not isinstance(driver, ResultStore) and self._config.result_driver:
                results = make_driver(self._config.result_driver, self._config)
                await results.open()
            await self._work(driver, results if isinstance(results, ResultStore) else None)
        finally:
            await driver.close()
            if results is not None:
                await results.close()

    async def _work(self, driver: Driver, results: ResultStore | None) -> None:
        settler = Settler(driver, results)
        runner = Runner(self._config, self._concurrency, settler.add, self._report)
        leases = Leases(driver, lambda: runner.held.values(), runner.lost)
        fetching = asyncio.ensure_future(self._fetch(driver, runner, leases))
        behind = [asyncio.ensure_future(w) for w in (settler.run(runner.settled), leases.run())]
        self._bus.emit(WorkerOnline(**self._about()))
        try:
            await _first_of(self._stopping.wait(), fetching, *behind)
        finally:
            await _cancel(fetching)
            runner.release_buffer()
            await runner.finished(self._config.shutdown_timeout)
            await settler.drained(self._config.shutdown_timeout)
            await self._report.hooks_done(self._config.shutdown_timeout)
            await _cancel(*behind)
            self._tell_offline()

    async def _fetch(self, driver: Driver, runner: Runner, leases: Leases) -> None:
        """Keep the slots and the buffer full, for ever; a backend that is away is waited for."""
        pause = _FIRST_PAUSE
        while True:
            await runner.room.wait()
            try:
                deliveries = await driver.dequeue(self._queues, limit=runner.wanted(), wait=_WAIT)
                runner.accept(deliveries)
                leases.notice(deliveries)
                pause = _FIRST_PAUSE
            except DriverError as error:
                logger.warning("nothing fetched, trying again: %s", error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _about(self) -> _About:
        return _About(
            at=time.time(), worker=self._name, queues=self._queues, concurrency=self._concurrency
        )

    def _tell_offline(self) -> None:
        self._bus.emit(WorkerOffline(completed=self.completed, failed=self.failed, **self._about()))

    async def __aenter__(self) -> Self:
        self._running = asyncio.ensure_future(self.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()
        if self._running is not None:
            await self._running


class _About(TypedDict):
    at: float
    worker: str
    queues: tuple[str, ...]
    concurrency: int


def _check(queues: Sequence[str], concurrency: int) -> None:
    if isinstance(queues, str):  # a sequence of letters
        raise ConfigError(f"queues={queues!r}: expected a list of names, such as [{queues!r}]")
    for queue in queues:
        if not QUEUE_NAME.fullmatch(queue):
            raise ConfigError(f"queue {queue!r}: expected {QUEUE_NAME.pattern}")
    if concurrency < 1:
        raise ConfigError(f"concurrency {concurrency}: expected a number from 1 on")


async def _first_of(stop: Coroutine[Any, Any, Any], *parts: asyncio.Future[None]) -> None:
    """Until the worker is told to stop; raises the error of a part that died before that."""
    stopped = asyncio.ensure_future(stop)
    try:
        done, _ = await asyncio.wait((stopped, *parts), return_when=asyncio.FIRST_COMPLETED)
        for part in done - {stopped}:
            part.result()
    finally:
        stopped.cancel()


async def _cancel(*parts: asyncio.Future[None]) -> None:
    for part in parts:
        part.cancel()
    await asyncio.wait(parts)
