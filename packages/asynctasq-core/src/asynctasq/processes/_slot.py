"""The thread that keeps one child: it starts it, feeds it, replaces it."""

from __future__ import annotations

import pickle
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from asynctasq.processes._died import ChildDied, ChildNotStarted
from asynctasq.processes._process import Child, NotHandedOver

_LOOK = 1.0
"""Seconds between looks at an idle child."""
_BACK_OFF = (0.1, 30.0)
"""The first and the longest pause, in seconds, after a child that did not start."""
_PAUSE = 0.05
"""Seconds between looks for a slot that cannot start a child while others have theirs."""
_GRACE = 5.0
_STARTS = 3
"""Attempts before the back-off: one that is killed as it starts says nothing about the next."""


class RemoteTraceback(Exception):
    """Where in a child an error came from: the ``__cause__`` of what a run raises."""


class Job:
    """One run: its message, its limit in seconds, and where its outcome goes."""

    def __init__(self, message: bytes, timeout: float | None) -> None:
        self.message = message
        self.timeout = timeout
        self.future: Future[Any] = Future()
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._is_dropped = False

    def abandon(self) -> None:
        """Nobody waits any more: kill the child that runs it."""
        with self._lock:
            self._is_dropped = True
            if self._child is not None:
                self._child.kill()

    def run_on(self, child: Child) -> bytes:
        """Return the answer; `abandon` kills this child from here to there, and no later."""
        with self._lock:
            if self._is_dropped:
                raise ChildDied("the run was cancelled before it began")
            self._child = child
        try:
            return child.run(self.message, self.timeout)
        finally:
            with self._lock:
                self._child = None
            if self._is_dropped:
                child.end()


class Slot(threading.Thread):
    """One child at a time, for as long as `None` does not come out of the queue."""

    def __init__(
        self, jobs: queue.SimpleQueue[Job | None], modules: Sequence[str], max_runs: int | None
    ) -> None:
        super().__init__(name="asynctasq-child", daemon=True)
        self.ready: Future[None] = Future()
        self.ready.set_running_or_notify_cancel()  # nobody who waits for it can cancel it
        self.child: Child | None = None
        self.is_busy = False
        self.restarts = 0
        self.peers: Sequence[Slot] = ()
        """All slots of the pool: while another one has a child, one that has none takes no run."""
        self._stirred = threading.Event()
        self._jobs = jobs
        self._modules = modules
        self._max_runs = max_runs
        self._is_killed = False
        self._failed: Exception | None = None
        self._failures = 0
        self._retry_at = 0.0

    def kill(self) -> None:
        """End the child at once and start no other; runs that wait end with `ChildDied`."""
        self._is_killed = True
        self._stirred.set()
        if (child := self.child) is not None:
            child.kill()

    def run(self) -> None:
        self._keep()
        if self._failed is None:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(self._failed)
        while (job := self._next()) is not None:
            self._take(job)
        if self.child is not None:
            self.child.close(_GRACE)
            self.child = None  # peers look at it

    def _next(self) -> Job | None:
        while True:
            self._keep()
            if self._leaves_runs_to_others():
                self._stirred.wait(_PAUSE)
                continue
            with suppress(queue.Empty):
                return self._jobs.get(timeout=_LOOK)

    def _leaves_runs_to_others(self) -> bool:
        if self.child is not None or self._is_killed:
            return False
        return any(peer.child is not None for peer in self.peers)

    def _take(self, job: Job) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        self.is_busy = True
        try:
            outcome = self._outcome(job)
        except Exception as error:
            self.is_busy = False
            job.future.set_exception(error)
        else:
            self.is_busy = False
            job.future.set_result(outcome)
        self._keep()

    def _outcome(self, job: Job) -> Any:
        while True:
            self._keep()
            if self.child is None:
                raise self._why_none()
            try:
                is_value, outcome, text = _read(job.run_on(self.child))
            except NotHandedOver:
                self.child.kill()
                self.child.close(0)
                continue
            if is_value:
                return outcome
            outcome.__cause__ = RemoteTraceback(f"\n{text}")
            raise outcome

    def _why_none(self) -> Exception:
        if isinstance(self._failed, ChildDied | OSError):
            return ChildNotStarted(f"no child process could be started: {self._failed}")
        return self._failed or ChildDied("the pool of child processes was shut down")

    def _keep(self) -> None:
        """See to it that there is a child that lives and may take a run."""
        child = self.child
        if child is not None:
            is_old = self._max_runs is not None and child.runs >= self._max_runs
            if child.is_alive and not (is_old or child.is_spent or self._is_killed):
                return
            self.child = None
            child.close(_GRACE if is_old and not (child.is_spent or self._is_killed) else 0)
            self.restarts += 1
        if not self._is_killed and time.monotonic() >= self._retry_at:
            self._start()

    def _start(self) -> None:
        for _ in range(_STARTS):
            try:
                self._start_once()
            except Exception as error:
                if self.child is not None:
                    self.child.close(0)
                self.child, self._failed = None, error
                if self._is_killed or not isinstance(error, ChildDied):
                    break
            else:
                self._failed, self._failures = None, 0
                return
        first, longest = _BACK_OFF
        self._retry_at = time.monotonic() + min(longest, first * 2**self._failures)
        self._failures = min(self._failures + 1, 16)

    def _start_once(self) -> None:
        self.child = child = Child(self._modules)
        if self._is_killed:
            child.kill()
        child.wait_until_ready()


def _read(answer: bytes) -> tuple[bool, Any, str]:
    try:
        is_value, outcome, text = pickle.loads(answer)
    except Exception as error:
        raise RuntimeError(f"the result of a child process cannot be unpickled: {error}") from error
    return is_value, outcome, text
