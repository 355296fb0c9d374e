"""What the thread does with jobs: one transaction for many, and patience with those who wait.

Jobs that came together share a transaction, so that they share its write to the disk. Where it
fails, each is tried alone, so that each fails alone.

Who waits for a message or a record is served when this process commits one, when a look at the
file (`PRAGMA data_version`) shows that another process has, and when something becomes due. The
looks are 4 ms apart while there is work, and grow apart to 250 ms while there is none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from time import monotonic
from typing import Any, Final, TypeAlias

from asynctasq.errors import DriverError, DriverUnavailable
from asynctasq_drivers.sqlite._errors import locked, of_commit, translated
from asynctasq_drivers.sqlite._job import Job
from asynctasq_drivers.sqlite._outcomes import sweep
from asynctasq_drivers.sqlite._self_wait import SelfWait
from asynctasq_drivers.sqlite._session import WHEN_CLOSING, Session

SHORTEST_LOOK: Final = 0.004
LONGEST_LOOK: Final = 0.25
"""Seconds between two looks at the file while somebody waits."""
LIVELY: Final = 1.0
"""Seconds after the last work for which the looks stay that near to each other."""
TURN: Final = 0.05
"""Seconds to wait for the lock before what came meanwhile is looked at."""
SWEEP: Final = 1.0
"""Seconds between two sweeps of what has expired, while anything is written."""

Answer: TypeAlias = tuple[Job[Any], Any, DriverError | None]


class Desk:
    """Carries out jobs over one session. Everything but ``listening`` is the thread's alone."""

    def __init__(self, session: Session, announce: Callable[[], None], self_wait: SelfWait) -> None:
        self.listening = False
        """Whether somebody waits here: set before the look after which nothing may be missed."""
        self._session = session
        self._announce = announce
        self._self_wait = self_wait
        self._locked_out: list[Job[Any]] = []
        self._waiting: list[Job[Any]] = []
        self._answers: list[Answer] = []
        self._closing_at = float("inf")
        self._version: int | None = None
        self._next_due = 0.0
        self._lively = self._swept = monotonic()

    def answered(self) -> list[Answer]:
        """The answers since it was asked last."""
        answers, self._answers = self._answers, []
        return answers

    def close(self) -> None:
        """Let nobody wait for long any more."""
        self._closing_at = min(self._closing_at, monotonic())

    @property
    def is_busy(self) -> bool:
        """Whether something has to be written still."""
        return bool(self._locked_out)

    def fail_all(self, error: DriverError) -> list[Answer]:
        """The answers of all who are left."""
        self._fail([*self._locked_out, *self._waiting], error)
        return self.answered()

    def pause(self) -> float | None:
        """Seconds until the next look; None: nobody waits for anything."""
        if self._locked_out:
            return 0.0
        if not self._waiting:
            return None
        moment = monotonic()
        idle = moment - self._lively - LIVELY
        look = min(max(idle * 0.02, SHORTEST_LOOK), LONGEST_LOOK)
        until = min(self._next_due, *(job.until for job in self._waiting)) - moment
        return max(min(look, until), 0.0)

    def carry_out(self, jobs: Sequence[Job[Any]]) -> None:
        """Write, then read; answers are kept until asked for."""
        writing = [job for job in (*self._locked_out, *jobs) if job.writes and job.wanted()]
        self._locked_out = []
        try:
            if any(self._until_ready(job) <= 0 for job in writing):
                self._write(writing)
            else:
                for job in writing:
                    self._answer(job, job.nothing)
        except DriverError as error:
            self._fail(writing, error)
        for job in jobs:
            if not job.writes:
                self._read(job)

    def _until_ready(self, job: Job[Any]) -> float:
        return 0.0 if job.ready is None else self._session.read(job.ready)

    def _read(self, job: Job[Any]) -> None:
        try:
            self._answer(job, self._session.read(job.work))
        except DriverError as error:
            self._fail([job], error)

    def _write(self, jobs: Sequence[Job[Any]]) -> None:
        """Carry out jobs in one transaction, unless somebody else holds the lock."""
        try:
            self._session.begin(TURN)
        except DriverUnavailable as error:
            self._postpone([job for job in jobs if job.wanted()], error)
        except DriverError as error:
            self._fail(jobs, error)
        else:
            self._transact(jobs)

    def _postpone(self, jobs: Sequence[Job[Any]], error: DriverError) -> None:
        """Let them try again together with what comes meanwhile, for as long as allowed."""
        moment, patience = monotonic(), self._session.patience
        for job in jobs:
            job.since = job.since or moment - TURN
        if any(job.ids for job in jobs) and self._self_wait.is_found():
            self._fail([job for job in jobs if job.ids], self._self_wait.error())
            jobs = [job for job in jobs if not job.ids]
        for job in jobs:
            if moment >= min(job.since + patience, self._closing_at + WHEN_CLOSING):
                said = locked(str(self._session.path), moment - job.since)
                said.__cause__ = error.__cause__
                self._fail([job], said)
            else:
                self._locked_out.append(job)

    def _transact(self, jobs: Sequence[Job[Any]]) -> None:
        """Work and commit; where that fails, each job alone."""
        committing = False
        try:
            with closing(self._session.connection.cursor()) as cursor:
                answers = [job.work(cursor) for job in jobs]
                self._sweep(cursor)
            committing = True
            self._session.commit()
        except Exception as error:
            self._session.rollback()
            if len(jobs) == 1:
                self._fail(jobs, self._said(error, jobs[0], committing))
            else:
                for job in jobs:
                    self._write([job])
        else:
            self._committed(jobs, answers)

    def _said(self, error: Exception, job: Job[Any], committing: bool) -> DriverError:
        path = str(self._session.path)
        said = of_commit(error, path, job.ids) if committing else translated(error, path)
        if said is not error:
            said.__cause__ = error
        return said

    def _committed(self, jobs: Sequence[Job[Any]], answers: Sequence[Any]) -> None:
        for job, answer in zip(jobs, answers, strict=True):
            job.since = 0.0
            self._answer(job, answer)
        self._lively = monotonic()
        if any(job.announces for job in jobs):
            self._next_due = 0.0
            self._announce()

    def _sweep(self, cursor: sqlite3.Cursor) -> None:
        if monotonic() - self._swept > SWEEP and not sweep(cursor):
            self._swept = monotonic()

    def _answer(self, job: Job[Any], answer: Any) -> None:
        if answer == job.nothing and job.until > monotonic():
            self._waiting.append(job)
            self._next_due = 0.0
        else:
            self._answers.append((job, answer, None))

    def _fail(self, jobs: Sequence[Job[Any]], error: DriverError) -> None:
        self._answers += [(job, None, error) for job in jobs]

    def look(self, *, end: bool) -> None:
        """Serve those who wait, if anything has changed; ``end``: let nobody wait any longer."""
        self._waiting = [job for job in self._waiting if job.wanted()]
        self.listening = bool(self._waiting)
        if self._waiting:
            try:
                self._serve(end)
            except DriverError as error:
                self._fail(self._waiting, error)
                self._waiting = []

    def _serve(self, end: bool) -> None:
        self._session.check_file()
        version = self._session.data_version()
        if version != self._version or monotonic() >= self._next_due:
            if version != self._version:
                self._version, self._lively = version, monotonic()
            self._serve_ready()
        moment = float("inf") if end else monotonic()
        self._answers += [(job, job.nothing, None) for job in self._waiting if job.until <= moment]
        self._waiting = [job for job in self._waiting if job.until > moment]

    def _serve_ready(self) -> None:
        waiting, self._next_due = list(self._waiting), float("inf")
        for job in waiting:
            seconds = self._until_ready(job)
            if seconds > 0:
                self._next_due = min(self._next_due, monotonic() + seconds)
                continue
            self._waiting.remove(job)
            if job.writes:
                self._write([job])
            else:
                self._read(job)
