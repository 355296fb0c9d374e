"""What a worker holds, as its I/O loop sees it: taken over, running, ended, settled.

Nothing here awaits. A task that took workers down with it (its losses) is kept apart: it is never
buffered, and one with two losses or more runs beside no other such.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Final, TypeAlias

from asynctasq.config import Config
from asynctasq.driver import Delivery, Outcome, Release
from asynctasq.errors import PayloadError
from asynctasq.worker._again import Again
from asynctasq.worker._decide import before_run
from asynctasq.worker._job import Job
from asynctasq.worker._later import Key, key_of
from asynctasq.worker._report import Reporter
from asynctasq.worker._suspects import SECONDS_APART, Suspects, is_suspect
from asynctasq.worker._tray import Places, Tray
from asynctasq.worker._unreadable import Unreadable

logger = logging.getLogger("asynctasq.worker")
Ended: TypeAlias = tuple[Job, Outcome | PayloadError]
"""A job that runs no more, and what became of it."""

_LONG: Final = 0.5
"""Seconds that a task may wait in the buffer. Where tasks run longer, none is buffered."""


class Slots:
    """Up to ``concurrency`` jobs run; beside them waits up to one batch more, once tasks are short.

    Jobs wait in a tray: one for the loop that runs tasks, one for child processes. ``start`` is
    told that there may be some, and given those that have their place already; ``settle`` is given
    the outcomes of those that ended.
    """

    def __init__(
        self,
        config: Config,
        places: Places,
        concurrency: int,
        max_tasks: int | None,
        start: Callable[[Sequence[Job]], None],
        settle: Callable[[Outcome], None],
        report: Reporter,
    ) -> None:
        self.held: dict[Key, Job] = {}
        """Every job from its hand-out until it is settled."""
        self.alive: set[Job] = set()
        """Those that wait or run."""
        self.ended_at = time.monotonic()
        """When the last one ended."""
        self.room = asyncio.Event()
        """Set while there is a use for more deliveries."""
        self.idle = asyncio.Event()
        """Set while nothing waits or runs, but for what is left to its lease."""
        self.busy = asyncio.Event()
        """Set while anything does."""
        self.exhausted = asyncio.Event()
        """Set when as many tasks have run as may."""
        self.counts_releases = False
        """Whether the backend counts what is given back as a loss."""
        self._config = config
        self._places = places
        self.tray = Tray(places)
        self.children_tray = Tray(places)
        self._concurrency = concurrency
        self._left = max_tasks if max_tasks is not None else float("inf")
        """How many tasks may still be taken over."""
        self._ahead = 0
        """How many may wait for a place: none before a task has shown that it is short."""
        self._start = start
        self._settle = settle
        self._report = report
        self._unreadable = Unreadable(config)
        self._again = Again(self.held, settle)
        self._closed = False
        self._paused = False
        self._suspects = Suspects(self.alive)
        self._left_behind: set[Job] = set()
        self.look()

    def wanted(self) -> int:
        """How many deliveries there is a use for."""
        usable = min(self._concurrency + self._ahead - len(self.alive), self._left)
        return int(usable - len(self._again.later))

    def leased(self) -> Iterable[Job]:
        """All that need their lease."""
        return chain(self.held.values(), self._again.later)

    def running(self) -> list[Job]:
        """The jobs that run right now."""
        return [job for job in self.alive if job.started]

    def accept(self, deliveries: Iterable[Delivery], now: float) -> None:
        """Take over what was handed out, under leases that run from ``now`` on."""
        suspects: list[Job] = []
        for delivery in deliveries:
            if job := self._take(delivery, now):
                if delivery.losses:
                    suspects.append(job)
                elif self._closed:
                    self._end(job, Release(delivery))
                else:
                    self._begin(job)
                    self._tray_of(job).put(job)
        self._start([job for job in suspects if self._may_start(job)])
        self.look()

    def _start_waiting(self) -> None:
        """Start the suspect that had to wait until others are given back."""
        if job := self._suspects.start_now(self.held.values()):
            self._start([job])

    def _tray_of(self, job: Job) -> Tray:
        return self.children_tray if job.definition.in_process else self.tray

    def _take(self, delivery: Delivery, now: float) -> Job | None:
        """The job of a delivery that is new here and can be run."""
        if self._again.takes(delivery, now):
            return None
        job = self.held[key_of(delivery)] = Job(delivery, now)
        if dead := before_run(delivery, self._config.max_losses, self._config.dead_ttl):
            self._end(job, dead)
            return None
        try:
            job.read()
        except PayloadError as error:
            self._end(job, self._unreadable.outcome(job, error))
            return None
        return job

    def _let_go(self, job: Job) -> None:
        """It is settled, or lost: what waited for that has its turn."""
        key = key_of(job.delivery)
        del self.held[key]
        for waiting in self._again.later.take(key):
            self.accept([waiting.delivery], waiting.lease_ends - waiting.delivery.lease)

    def _begin(self, job: Job) -> None:
        self.alive.add(job)
        self._left -= 1

    def _may_start(self, job: Job) -> bool:
        """Whether a task with losses starts now; else it is given back.

        It waits nowhere: whatever kills its worker then takes no more with it. Only until others
        with two losses, handed out together with it, are given back: a third would be their end.
        """
        if self.counts_releases and not self._closed and self._left > 0:
            # Given back it would lose more than by waiting here.
            self._begin(job)
            self._tray_of(job).put(job)
            return False
        apart = is_suspect(job) and not self._suspects.is_free()
        if apart or self._closed or self._left <= 0 or not self._places.take():
            self._end(job, Release(job.delivery, SECONDS_APART))
            return False
        self._begin(job)
        return not is_suspect(job) or self._suspects.begin(job, self.held.values())

    def ended(self, batch: Iterable[Ended]) -> None:
        """These run no more: settle what became of them."""
        self.ended_at = time.monotonic()
        for job, outcome in batch:
            self.alive.discard(job)
            job.ran = job.seconds(self.ended_at)
            if isinstance(outcome, PayloadError):
                self._left += 1  # it has not run
                outcome = self._unreadable.outcome(job, outcome)
            elif job.ran < _LONG:
                self._ahead = self._concurrency
            self._end(job, outcome)
        self.look()

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.outcome = job.on_receipt(outcome)
        self._settle(job.outcome)

    def abandon(self, job: Job) -> None:
        """Its run is lost: leave it to its lease, which makes this a loss."""
        self.alive.discard(job)
        self._let_go(job)
        self.look()

    def settled(self, outcomes: Sequence[Outcome], lost: Sequence[Delivery], again: bool) -> None:
        """The backend has them: let the jobs go, and tell what happened.

        ``again``: they were sent more than once, so that what is lost may be what the first
        sending has settled.
        """
        fenced = {(key_of(delivery), delivery.receipt) for delivery in lost}
        now = time.monotonic()
        for outcome in outcomes:
            key, receipt = key_of(outcome.delivery), outcome.delivery.receipt
            job = self.held.get(key)
            if job is None or job.delivery.receipt != receipt:
                continue  # adopted anew since: that receipt is settled by itself
            is_lost = bool(fenced) and (key, receipt) in fenced
            self._again.settled(job, outcome, is_lost)
            # While its lease runs nobody else can have taken it: it was our own first sending,
            # or the task's own transaction, of which nobody knows. Where a lease is a connection it
            # may not have been: then it comes again, and is settled as was told (see Again).
            ours = again and now < job.lease_ends and job.transaction != "unknown"
            if is_lost and not ours:
                logger.warning("the lease of task %s was lost before it was settled", job)
            elif not job.told:
                job.told = True
                self._report.settled(job, outcome)
            self._let_go(job)
        self._start_waiting()

    def lost(self, delivery: Delivery) -> None:
        """The backend says that this lease is somebody else's now."""
        key = key_of(delivery)
        job = self.held.get(key)
        if job is None or job.delivery.receipt != delivery.receipt or job.outcome is not None:
            self._again.later.forget(delivery)
            return
        if job.acknowledged is not None:
            return  # by its own transaction, or about to be: that may be all that was seen
        if not self._keep_from_beginning(job):
            logger.warning("the lease of task %s was lost while it ran", job)
            return
        logger.warning("the lease of task %s was lost before it began: not run here", delivery.ref)
        self._left += 1
        self.abandon(job)
        self._start(())

    def _keep_from_beginning(self, job: Job) -> bool:
        """Whether it had not begun; then it will not, and its place is free."""
        if self._tray_of(job).withdraw(job):
            return True
        if not self._suspects.withdraw(job) and (job.definition.in_process or not job.claim()):
            return False
        self._places.free()
        return True

    def release_buffer(self) -> None:
        """Give back what waits for a place."""
        self._give_back((*self.tray.empty(), *self.children_tray.empty()))

    def _give_back(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self.alive.discard(job)
            self._left += 1
            self._end(job, Release(job.delivery))
        self.look()

    def release_stale(self, now: float) -> None:
        """Where tasks turn out to be long, let other workers have what waits here."""
        since = min(self.tray.waiting_since(), self.children_tray.waiting_since())
        if now - since > _LONG:
            self._ahead = 0
            self.release_buffer()

    def pause(self, paused: bool) -> None:
        """While nothing can start here, want nothing: other workers can have it."""
        self._paused = paused
        self.look()

    def close(self) -> None:
        """Start nothing any more; what was not started is given back."""
        self._closed = True
        self.release_buffer()
        self._again.give_back()
        # A loop that is blocked has not begun what it has taken.
        self._give_back([job for job in self.alive if self._keep_from_beginning(job)])

    def leave(self, jobs: Iterable[Job]) -> None:
        """Wait for these no longer: what cannot be stopped is left to its lease."""
        self._left_behind.update(jobs)
        self.look()

    def look(self) -> None:
        """Say what there is to wait for."""
        enough = 1 if self._left < self._concurrency else max(1, self._ahead // 2)
        open_ = not (self._closed or self._paused or self._suspects.want_to_be_alone())
        _set(self.room, open_ and self.wanted() >= enough)
        _set(self.idle, self.alive <= self._left_behind)
        _set(self.busy, bool(self.alive))
        _set(self.exhausted, self._left <= 0 and not self.alive)


def _set(event: asyncio.Event, wanted: bool) -> None:
    if wanted:
        event.set()
    else:
        event.clear()
