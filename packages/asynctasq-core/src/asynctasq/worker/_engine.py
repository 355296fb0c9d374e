"""The I/O loop of a worker, in a thread of its own: all that no task may be able to block."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TypedDict

from asynctasq._loop import fastest_loop
from asynctasq.config import Settings
from asynctasq.driver import Driver, Outcome, ResultStore
from asynctasq.errors import WorkerFailed
from asynctasq.events import WorkerHeartbeat, WorkerOffline, WorkerOnline
from asynctasq.tasks import Client
from asynctasq.worker._children import Children
from asynctasq.worker._fetcher import Fetcher
from asynctasq.worker._job import Job
from asynctasq.worker._lanes import Lanes
from asynctasq.worker._leases import Leases
from asynctasq.worker._mailbox import Mailbox
from asynctasq.worker._orders import Orders
from asynctasq.worker._report import Reporter
from asynctasq.worker._runner import Runner
from asynctasq.worker._slots import Ended, Slots
from asynctasq.worker._tray import Places
from asynctasq.worker._vitals import Vitals
from asynctasq.worker._waiting import any_within, cancel, check_ends, first_of, part, within
from asynctasq.worker._watch import Watch

logger = logging.getLogger("asynctasq.worker")
_CLOSE_WITHIN = 10.0
_GIVE_UP_WITHIN = 1.0
"""Seconds that a backend which is still being opened has, once there is no use for it."""


class Engine:
    """Fetches, settles, renews, watches and stops. Made on the main loop, run in its own thread."""

    def __init__(
        self,
        settings: Settings,
        orders: Orders,
        report: Reporter,
        vitals: Vitals,
        *,
        interruptible: bool,
    ) -> None:
        self.loop = (fastest_loop() or asyncio.new_event_loop)()
        self._settings = settings
        self._orders = orders
        self._report = report
        self._vitals = vitals
        self._places = Places(orders.concurrency)
        self._main = asyncio.get_running_loop()
        self._main_thread = threading.get_ident()
        self._stopping = asyncio.Event()
        self._children: Children | None = None
        self._slots = Slots(
            settings.config,
            self._places,
            orders.concurrency,
            orders.max_tasks,
            self._start,
            self._settle,
            report,
        )
        vitals.alive = self._slots.alive
        self._broken: asyncio.Future[None] = self.loop.create_future()
        """Ends with the error of a hand-over between the loops."""
        ended: Mailbox[Ended] = Mailbox(self.loop, self._ended, self._break)
        self._runner = Runner(
            settings.config, self._slots.tray, report, ended, interruptible=interruptible
        )
        self._starts: Mailbox[Job] = Mailbox(self._main, self._runner.start, self._break)
        self._stops: Mailbox[Job] = Mailbox(self._main, self._runner.stop, self._break)
        report.dead = Mailbox(self._main, self._runner.call_failed, self._break)

    def _settle(self, outcome: Outcome) -> None:
        self._settler.add(outcome)

    def stop(self) -> None:
        """Take no more, and end. From any thread."""
        with suppress(RuntimeError):  # it has ended, and its loop is closed
            self.loop.call_soon_threadsafe(self._stopping.set)

    def _break(self, error: BaseException) -> None:
        """A hand-over failed, on either loop."""

        def tell() -> None:
            if not self._broken.done():
                self._broken.set_exception(error)

        with suppress(RuntimeError):  # it has ended, and its loop is closed
            self.loop.call_soon_threadsafe(tell)

    def is_left_running(self) -> bool:
        """Whether a coroutine goes on that ignores its cancellation. Once this has ended."""
        return any(not job.is_thread for job in self._slots.alive)

    def serve(self) -> None:
        """The thread: returns when the worker has stopped, raises what it died of."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        client = Client(self._settings, self._report.bus)
        opening = asyncio.ensure_future(self._open(client))
        try:
            await first_of((self._stopping.wait(),), opening)
            if not self._stopping.is_set():
                await self._work(*opening.result())
        finally:
            if self._children is not None:
                await self._children.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_WITHIN if opening.done() else _GIVE_UP_WITHIN):
                    await client.close()

    async def _open(self, client: Client) -> tuple[Driver, ResultStore | None]:
        driver = await client.driver(self._settings.config.driver)
        self._runner.dispatch_through(client, self.loop)
        results = await self._results(client, driver)
        self._children = Children(
            self._settings.config,
            driver.capabilities,
            self._places,
            self._slots,
            self._report,
            self._starts.put,
        )
        await self._children.warm()
        return driver, results

    async def _results(self, client: Client, driver: Driver) -> ResultStore | None:
        """Where results live, if not where the tasks do."""
        other = self._settings.config.result_driver
        if isinstance(driver, ResultStore) or other is None:
            return None
        store = await client.driver(other)
        return store if isinstance(store, ResultStore) else None

    async def _work(self, driver: Driver, results: ResultStore | None) -> None:
        config, orders, slots = self._settings.config, self._orders, self._slots
        backend = self._vitals.backend
        backend.answered()
        kept = config.completed_ttl if config.keep_completed_tasks else None
        settler = self._settler = Lanes(driver, results, backend, kept)
        leases = Leases(driver, slots.leased, slots.lost, backend)
        slots.counts_releases = not driver.capabilities.uncounted_release
        watch = Watch(
            slots,
            self._main,
            self._main_thread,
            stop_grace=config.stop_grace,
            stuck_after=orders.stuck_after,
            share=driver.capabilities.uncounted_release,
            vitals=self._vitals,
        )
        fetcher = Fetcher(driver, orders.queues, orders.fair, slots, leases, backend)
        fetching = part(fetcher.run())
        settling = part(settler.run(slots.settled))
        parts = [settling, part(leases.run()), part(watch.run()), part(self._beat())]
        self._report.bus.emit(WorkerOnline(**self._about()))
        try:
            ends = (self._stopping.wait(), slots.exhausted.wait())
            await first_of(ends, fetching, self._broken, *parts)
        except WorkerFailed as failure:
            logger.critical("%s: this worker ends", failure)
            raise
        finally:
            await cancel(fetching)
            await self._finish(watch, settler, settling)
            await cancel(*parts)
            self._tell_offline()
        check_ends(parts)

    def _start(self, jobs: Sequence[Job]) -> None:
        """Let jobs run where their kind runs: these, and what waits in the trays."""
        assert self._children is not None
        self._children.start([job for job in jobs if job.definition.in_process])
        self._starts.put(*(job for job in jobs if not job.definition.in_process))

    def _ended(self, batch: Sequence[Ended]) -> None:
        """Jobs of the main loop have ended, and freed their places."""
        assert self._children is not None
        self._slots.ended(batch)
        self._children.start(())

    async def _finish(self, watch: Watch, settler: Lanes, settling: asyncio.Future[None]) -> None:
        """Let what runs end in time, then stop it; what cannot be stopped is left to its lease."""
        slots, config = self._slots, self._settings.config
        slots.close()
        slots.leave(watch.overrun)
        hopeless = self._broken.done() or (watch.blocked.is_set() and bool(watch.overrun))
        patience = 0 if hopeless else config.shutdown_timeout
        self._vitals.stops_at = time.monotonic() + patience
        await within(slots.idle.wait(), patience)
        if slots.alive:
            await self._stop_jobs(watch)
        if not settling.done():
            drained = part(settler.drained(config.shutdown_timeout))
            await asyncio.wait((drained, settling), return_when=asyncio.FIRST_COMPLETED)
            await cancel(drained)
        if not watch.blocked.is_set():
            hooks = asyncio.run_coroutine_threadsafe(
                self._runner.finish(config.shutdown_timeout), self._main
            )
            await within(asyncio.wrap_future(hooks), config.shutdown_timeout + 1)

    async def _stop_jobs(self, watch: Watch) -> None:
        slots = self._slots
        for job in tuple(slots.alive):
            if job.definition.in_process and self._children is not None:
                self._children.stop(job)
        self._stops.put(*slots.alive)
        slots.leave([job for job in slots.alive if job.is_thread])
        grace = 0 if self._broken.done() else self._settings.config.stop_grace
        await any_within(grace, slots.idle.wait(), watch.blocked.wait())
        for job in slots.alive:
            logger.warning("task %s goes on, and is left to its lease", job)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.config.heartbeat_interval)
            self._report.bus.emit(
                WorkerHeartbeat(
                    running=len(self._slots.running()),
                    completed=self._report.completed,
                    failed=self._report.failed,
                    **self._about(),
                )
            )

    def _about(self) -> _About:
        orders = self._orders
        return _About(
            at=time.time(),
            worker=orders.name,
            queues=orders.queues,
            concurrency=orders.concurrency,
        )

    def _tell_offline(self) -> None:
        report = self._report
        self._report.bus.emit(
            WorkerOffline(completed=report.completed, failed=report.failed, **self._about())
        )


class _About(TypedDict):
    at: float
    worker: str
    queues: tuple[str, ...]
    concurrency: int
