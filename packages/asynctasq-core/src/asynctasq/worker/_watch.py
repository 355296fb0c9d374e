"""Health, seen from the I/O loop: the main loop answers, tasks end in time, slots move."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from types import FrameType
from typing import Final

from asynctasq.errors import WorkerFailed
from asynctasq.worker._exit import ExitCode
from asynctasq.worker._job import Job, is_ours
from asynctasq.worker._slots import Slots
from asynctasq.worker._vitals import Vitals

logger = logging.getLogger("asynctasq.worker")
BLOCKED: Final = 0.5
"""Seconds without an answer after which the main loop counts as blocked."""
_LOOK: Final = 0.25


class Watch:
    """Looks every quarter of a second while anything runs; sleeps while nothing does."""

    def __init__(
        self,
        slots: Slots,
        main: asyncio.AbstractEventLoop,
        main_thread: int,
        stop_grace: float,
        stuck_after: float | None,
        share: bool,
        vitals: Vitals,
    ) -> None:
        self._slots = slots
        self._main = main
        self._main_thread = main_thread
        self._stop_grace = stop_grace
        self._stuck_after = stuck_after
        self._vitals = vitals
        self._share = share
        """Whether what waits here long may be given back, so that others can have it."""
        self._began_at = 0.0
        """Since when there is anything to do."""
        self._asked_at: float | None = None
        self._late: set[Job] = set()
        self.blocked = asyncio.Event()
        """Set while the main loop owes an answer for too long."""
        self.overrun: set[Job] = set()
        """Jobs that did not stop: they are not waited for."""

    async def run(self) -> None:
        """For ever; raises `WorkerFailed` when this process has to be replaced."""
        while True:
            if not (self._slots.busy.is_set() or self.blocked.is_set()):
                await self._slots.busy.wait()
                self._began_at = time.monotonic()
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
            self._check_loop(now)
            self._check_timeouts(now)
            self._check_slots(now)
            if self._share:
                self._slots.release_stale(now)
            self._slots.look()

    def _check_loop(self, now: float) -> None:
        """Ask the main loop for an answer; tell of one that does not come."""
        asked_at = self._asked_at
        if asked_at is None:
            self._asked_at = now
            self._main.call_soon_threadsafe(self._answer)
        if asked_at is None or now - asked_at <= BLOCKED:
            if self.blocked.is_set():
                logger.warning("the event loop goes on: it is no longer blocked")
                self._slots.pause(False)
                self._vitals.blocked = None
            self.blocked.clear()
        elif not self.blocked.is_set():
            self.blocked.set()
            self._slots.pause(True)
            culprit = self._culprit()
            self._vitals.blocked = culprit, asked_at
            logger.warning(
                "%s blocks the event loop, for %.1f s so far: no other task goes on; leases are "
                "renewed. It is here:\n%s",
                culprit,
                now - asked_at,
                self._stack(),
            )

    def _answer(self) -> None:
        """On the main loop."""
        self._asked_at = None

    def _culprit(self) -> str:
        current = asyncio.current_task(self._main)
        for job in self._slots.running():
            if current is not None and job.running is current:
                return f"task {job}"
        return "code outside of any task"

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._main_thread)  # pyright: ignore[reportPrivateUsage]
        return "".join(traceback.format_list(_users_part(frame)))

    def _check_timeouts(self, now: float) -> None:
        """Tell of those that go on after their time-out, and fail at a later look at one.

        One look says nothing: after a pause of the whole process it may come before the task
        could be cancelled.
        """
        told_before = self._late & self._slots.alive
        self._late = set(told_before)
        for job in self._slots.running():
            late = job.late_by(now)
            if late <= min(_LOOK, self._stop_grace):
                continue
            if job not in told_before:
                self._late.add(job)
                logger.warning("task %s goes on after its time-out", job)
            elif late > self._stop_grace:
                self.overrun.add(job)
                raise WorkerFailed(
                    f"task {job} did not stop within {self._stop_grace:g} s after its time-out of "
                    f"{job.envelope.timeout:g} s",
                    ExitCode.OVERRAN,
                )

    def _check_slots(self, now: float) -> None:
        alive = self._slots.alive
        if self._stuck_after is None or not alive:
            return
        moved = max(self._slots.ended_at, self._began_at, *(job.started for job in alive))
        if now - moved > self._stuck_after:
            self.overrun.update(alive)
            running = ", ".join(map(str, self._slots.running()[:5]))
            raise WorkerFailed(
                f"no task has begun or ended within {self._stuck_after:g} s; running: {running}",
                ExitCode.STUCK,
            )


def _users_part(frame: FrameType | None) -> traceback.StackSummary:
    """The innermost calls, down from where asyncio or this library called them."""
    frames: list[tuple[FrameType, int]] = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if frames and (module.startswith("asyncio.") or is_ours(module)):
            break
        frames.insert(0, (frame, frame.f_lineno))
        frame = frame.f_back
    return traceback.StackSummary.extract(iter(frames))
