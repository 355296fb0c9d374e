"""The thread that owns the connection: jobs in, answers out.

SQLite blocks its caller, on locks and on the disk; so it has a thread of its own. A job wakes it,
and one call back to the event loop brings the answers of all jobs that were carried out together.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, Literal, TypeAlias
from weakref import WeakSet

from asynctasq.errors import BackendRefused, DriverClosed, DriverError
from asynctasq_drivers.sqlite import _neighbours as neighbours
from asynctasq_drivers.sqlite._desk import Answer, Desk
from asynctasq_drivers.sqlite._job import Job
from asynctasq_drivers.sqlite._self_wait import SelfWait
from asynctasq_drivers.sqlite._session import Session

MANY: Final = 500
"""Jobs in one transaction at most."""

Token: TypeAlias = Literal["look", "end waits", "stop"]
OpenSession: TypeAlias = Callable[[threading.Event], Session]
"""Connects, on the thread; gives up when the event is set."""


LOOK: Final = 5.0
"""Seconds after which who has nothing to do looks whether its loop is still there."""


class Engine:
    """One thread, for the event loop that made it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, open_session: OpenSession, self_wait: SelfWait
    ) -> None:
        self.loop = loop
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.gone: DriverError | None = None
        """Why nothing is carried out any more."""
        self._open_session: OpenSession | None = open_session
        self._self_wait = self_wait
        self._stopping = threading.Event()
        self._inbox: SimpleQueue[Job[Any] | Token] = SimpleQueue()
        self._desk: Desk | None = None
        self._thread = threading.Thread(target=self._run, name="asynctasq-sqlite", daemon=True)
        _ENGINES.add(self)

    def start(self) -> None:
        """Connect; ``opened`` says how that went."""
        self._thread.start()

    def submit(self, job: Job[Any]) -> None:
        """Have a job carried out. Raises why that is not possible any more."""
        self._inbox.put(job)
        if self.gone is not None:
            self._drain(self.gone)

    def end_waits(self) -> None:
        """Answer those who wait as if their time was up."""
        self._inbox.put("end waits")

    def wake(self) -> None:
        """Serve those who wait: a neighbour has committed something."""
        if self._desk is not None and self._desk.listening:
            self._inbox.put("look")

    def stop(self) -> None:
        """Carry out what was submitted so far, disconnect; ``ended`` says when."""
        self._stopping.set()
        self._inbox.put("stop")

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended."""
        self._thread.join(seconds)

    def _run(self) -> None:
        reason: DriverError = DriverClosed("this sqlite driver is closed")
        try:
            assert self._open_session is not None
            session = self._open_session(self._stopping)
        except BaseException as error:
            self._tell(self.opened, error)
        else:
            self._open_session = None  # it may hold the driver, whose end is to end us
            self._tell(self.opened, None)
            reason = self._serve(session) or reason
        self.gone = reason
        self._drain(reason)
        self._tell(self.ended, None)

    def _serve(self, session: Session) -> DriverError | None:
        """Until it is stopped; returns what went wrong, if that is what ended it."""
        file = session.file
        session.on_locked = None  # from now on, only dispatches are refused
        desk = self._desk = Desk(session, lambda: neighbours.wake(file, self), self._self_wait)
        neighbours.join(file, self)
        try:
            while self._turn(desk):
                pass
        except BaseException as error:  # a mistake of ours: nobody shall wait for ever
            reason = BackendRefused(f"sqlite file {session.path}: the driver failed: {error!r}")
            reason.__cause__ = error
            self._deliver(desk.fail_all(reason))
            return reason
        finally:
            neighbours.leave(file, self)
            with suppress(sqlite3.Error):
                session.close()
        return None

    def _turn(self, desk: Desk) -> bool:
        """Do what there is to do; says whether to go on."""
        batch = self._next_batch(desk.pause())
        if self._stopping.is_set():
            desk.close()
        desk.carry_out([job for job in batch if isinstance(job, Job) and job.wanted()])
        desk.look(end=not {"end waits", "stop"}.isdisjoint(batch))
        self._deliver(desk.answered())
        if "stop" in batch and desk.is_busy:
            self._inbox.put("stop")
        elif self.loop.is_closed() and "stop" not in batch:
            self.stop()
        return "stop" not in batch or desk.is_busy

    def _next_batch(self, pause: float | None) -> list[Job[Any] | Token]:
        batch: list[Job[Any] | Token] = []
        with suppress(Empty):
            batch.append(self._inbox.get(timeout=LOOK if pause is None else pause))
            while len(batch) < MANY and batch[-1] != "stop":
                batch.append(self._inbox.get_nowait())
        return batch

    def _deliver(self, answers: list[Answer]) -> None:
        """All at once: to wake a loop costs more than most of the work."""
        if answers:
            try:
                self.loop.call_soon_threadsafe(_hand_over, answers)
            except RuntimeError:  # the loop is closed
                for job, answer, error in answers:
                    if error is None:
                        job.take_back(answer)

    def _drain(self, reason: DriverError) -> None:
        left: list[Answer] = []
        with suppress(Empty):
            while True:
                job = self._inbox.get_nowait()
                if isinstance(job, Job):
                    left.append((job, None, reason))
        self._deliver(left)

    def _tell(self, future: asyncio.Future[None], error: BaseException | None) -> None:
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(_settle, future, None, error)


def _hand_over(answers: list[Answer]) -> None:
    for job, answer, error in answers:
        if not _settle(job.future, answer, error) and error is None:
            job.take_back(answer)


def _settle(future: asyncio.Future[Any], answer: Any, error: BaseException | None) -> bool:
    """Whether somebody was still there to be told."""
    if future.done():
        return False
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)
    return True


_ENGINES: WeakSet[Engine] = WeakSet()
_OF_PARENTS: list[Engine] = []
"""Kept, as closing the connection of a parent process could release its locks."""


def _forked() -> None:
    """Threads and locks do not come along; a connection must not be used by two processes."""
    for engine in list(_ENGINES):
        engine.gone = DriverClosed(
            "this sqlite driver was opened before the process was forked: make another in the child"
        )
        _OF_PARENTS.append(engine)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
