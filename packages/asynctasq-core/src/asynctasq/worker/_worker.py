"""The worker: users' code on the loop that runs it, all I/O on a second loop in its own thread."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from asynctasq.config import current
from asynctasq.driver import QUEUE_NAME
from asynctasq.errors import (
    BackendRefused,
    ConfigError,
    DriverUnavailable,
    PluginError,
    WorkerFailed,
)
from asynctasq.tasks import hold_bus, release_bus
from asynctasq.worker._engine import Engine
from asynctasq.worker._exit import ExitCode
from asynctasq.worker._orders import Orders
from asynctasq.worker._report import Reporter
from asynctasq.worker._signals import Signals
from asynctasq.worker._snapshot import WorkerSnapshot
from asynctasq.worker._vitals import Vitals

_HEARD_WITHIN: Final = 1.0
"""Seconds that a main loop has to notice that its worker has ended, before it counts as blocked."""


class Worker:
    """Runs tasks of some queues, ``concurrency`` of them at a time, on the configured backend.

    ``await worker.run()`` runs until `stop` is called. ``async with Worker(...)`` runs it beside
    the block and stops it at the end. Uses the configuration that holds when it is made.

    ``fair``: take from the queues in turn, instead of from a later one only while those before it
    are empty. ``max_tasks``: end after so many tasks have run. ``stuck_after``: end, as failed,
    when for so many seconds no task has begun or ended although some run. ``on_fatal``: called
    with the exit code, from another thread, where this worker has ended but the event loop that
    it ran on is blocked; a program that is nothing but a worker ends its process there.
    """

    def __init__(
        self,
        queues: Sequence[str] = (),
        *,
        concurrency: int = 10,
        fair: bool = False,
        max_tasks: int | None = None,
        stuck_after: float | None = None,
        on_fatal: Callable[[int], None] | None = None,
    ) -> None:
        self._settings = current()
        _check(queues, concurrency, max_tasks, stuck_after)
        self._orders = Orders(
            name=f"{socket.gethostname()}:{os.getpid()}",
            queues=tuple(queues) or (self._settings.config.default_queue,),
            concurrency=concurrency,
            fair=fair,
            max_tasks=max_tasks,
            stuck_after=stuck_after,
        )
        self._on_fatal = on_fatal
        self._report = Reporter(self._orders.name)
        self._vitals = Vitals(self._orders, self._settings.config.driver, self._report)
        self._engine: Engine | None = None
        self._signals: Signals | None = None
        self._stopped = False
        self._running: asyncio.Task[None] | None = None
        self.exit_code: ExitCode = ExitCode.DONE
        """What a process that was nothing but this worker should exit with."""

    @property
    def completed(self) -> int:
        """Tasks completed, as the backend has acknowledged."""
        return self._report.completed

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return self._report.failed

    def snapshot(self) -> WorkerSnapshot:
        """What it does right now, for each queue and in all.

        From any thread, also while a task blocks the event loop. Asks no backend.
        """
        return self._vitals.snapshot()

    def stop(self) -> None:
        """Take no more; let what runs finish within ``shutdown_timeout``, and end `run`.

        From any thread.
        """
        self._stopped = True
        if self._engine is not None:
            self._engine.stop()

    def handle_signals(self) -> None:
        """Stop on SIGTERM and SIGINT, also while the event loop is blocked; on a second one, call
        ``on_fatal`` with 128 + its number at once. On the main thread, before `run`."""
        self._signals = Signals(self.stop, self._on_fatal)

    async def run(self) -> None:
        """Work until `stop` is called, or ``max_tasks`` have run.

        A backend that goes away is waited for. Raises what kept it from working at all:
        `DriverError` and `PluginError`; `WorkerFailed` where it has to be replaced; what a driver
        that breaks its contract raises. *After a crash*: what ran here is handed out again when
        its lease ends.
        """
        bus = self._report.bus = hold_bus(self._settings)
        engine = self._engine = Engine(
            self._settings,
            self._orders,
            self._report,
            self._vitals,
            interruptible=self._signals is None,
        )
        if self._stopped:
            engine.stop()
        if self._signals:
            self._signals.attach(engine.loop)
        try:
            await self._served(engine)
        except BaseException as error:
            self.exit_code = _exit_code(error)
            raise
        finally:
            release_bus(bus)
            if self._signals:
                self._signals.detach()
            if self._on_fatal is not None and engine.is_left_running():
                await bus.close()
                self._on_fatal(self.exit_code)  # what ignores its cancellation would keep us here

    async def _served(self, engine: Engine) -> None:
        """Until the thread of the engine has ended."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        heard = threading.Event()

        def end(error: BaseException | None) -> None:
            heard.set()
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

        def serve() -> None:
            failure: BaseException | None = None
            try:
                engine.serve()
            except BaseException as error:
                failure = error
            loop.call_soon_threadsafe(end, failure)
            if not heard.wait(_HEARD_WITHIN) and self._on_fatal is not None:
                self._report.bus.close_now()  # what it tells last is told
                self._on_fatal(_exit_code(failure))

        thread = threading.Thread(target=serve, name="asynctasq-io", daemon=True)
        thread.start()
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            engine.stop()
            await asyncio.wait((done,))
            raise
        finally:
            if done.done():  # else it was cancelled twice, and goes on by itself
                thread.join()

    async def __aenter__(self) -> Self:
        self._running = asyncio.ensure_future(self.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()
        if self._running is not None:
            await self._running


def _exit_code(error: BaseException | None) -> ExitCode:
    match error:
        case None:
            return ExitCode.DONE
        case WorkerFailed(code=code):
            return ExitCode(code)
        case ConfigError() | PluginError():
            return ExitCode.USAGE
        case BackendRefused():
            return ExitCode.BACKEND_REFUSED
        case DriverUnavailable():  # from the start: later it is waited for
            return ExitCode.FAILED
        case _:
            return ExitCode.PART_DIED


def _check(
    queues: Sequence[str], concurrency: int, max_tasks: int | None, stuck_after: float | None
) -> None:
    if isinstance(queues, str):  # a sequence of letters
        raise ConfigError(f"queues={queues!r}: expected a list of names, such as [{queues!r}]")
    for queue in queues:
        if not QUEUE_NAME.fullmatch(queue):
            raise ConfigError(f"queue {queue!r}: expected {QUEUE_NAME.pattern}")
    if concurrency < 1:
        raise ConfigError(f"concurrency {concurrency}: expected a number from 1 on")
    if max_tasks is not None and max_tasks < 1:
        raise ConfigError(f"max_tasks {max_tasks}: expected a number from 1 on, or None")
    if stuck_after is not None and not 0 < stuck_after < float("inf"):
        raise ConfigError(f"stuck_after {stuck_after}: expected seconds > 0, or None")
