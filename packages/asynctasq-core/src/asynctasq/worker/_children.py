"""Tasks of child processes, run from the I/O loop: no task on the main loop can delay them."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from asynctasq.config import Config
from asynctasq.driver import Capabilities, Failure, Outcome, Release
from asynctasq.errors import PayloadError, TaskFailed
from asynctasq.processes import ChildDied, ChildNotStarted, get_default_manager
from asynctasq.tasks import TASKS
from asynctasq.worker._child import Answer, run_on_loop, run_plainly
from asynctasq.worker._decide import after_error, after_success
from asynctasq.worker._job import Job
from asynctasq.worker._report import Reporter
from asynctasq.worker._slots import Slots
from asynctasq.worker._tray import Places

logger = logging.getLogger("asynctasq.worker")
_SECONDS_APART: Final = 1.0


class _Users:
    """The workers of this process that use its pool."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._started = False
        """Whether one of them has started it; else it is not theirs to end."""

    def join(self, started: bool) -> None:
        with self._lock:
            self._count += 1
            self._started = self._started or started

    def leave(self) -> bool:
        """Whether the last one goes, and the pool is theirs."""
        with self._lock:
            self._count -= 1
            ends = self._started and not self._count
            self._started = self._started and not ends
            return ends


_USERS: Final = _Users()


class Children:
    """Runs jobs in the pool of this process; warms it itself if nobody has."""

    def __init__(
        self,
        config: Config,
        capabilities: Capabilities,
        places: Places,
        slots: Slots,
        report: Reporter,
        on_free: Callable[[], None],
    ) -> None:
        self._config = config
        self._by_time = capabilities.lease == "timed"
        self._places = places
        self._slots = slots
        self._on_free = on_free
        self._report = report
        self._pool = get_default_manager()
        self._joined = False
        self._warming = asyncio.Lock()
        self._free: asyncio.Semaphore | None = None
        self._runs: dict[Job, asyncio.Task[None]] = {}

    async def warm(self) -> None:
        """Start the children, if any task that is known by now runs in them."""
        if any(TASKS.get(name).in_process for name in TASKS.names()):
            await self._ready()

    async def _ready(self) -> asyncio.Semaphore:
        async with self._warming:
            started = not await self._pool.ready()
            if started:
                config = self._config
                definitions = map(TASKS.get, TASKS.names())
                modules = {each.module for each in definitions if each.in_process}
                await self._pool.initialize(
                    config.process_pool_size,
                    config.process_pool_max_tasks_per_child,
                    modules=sorted(modules),
                )
            if not self._joined:
                _USERS.join(started)
                self._joined = True
            if self._free is None:
                self._free = asyncio.Semaphore(self._pool.size)
            return self._free

    def start(self, jobs: Sequence[Job]) -> None:
        """Run these, which have their places, and what can be run of those in the tray."""
        for job in jobs:
            self._begin(job)
        while (ready := self._slots.children_tray.take()) is not None:
            self._begin(ready)

    def _begin(self, job: Job) -> None:
        self._runs[job] = asyncio.ensure_future(self._run(job))

    def stop(self, job: Job) -> None:
        """Kill its child, and give it back."""
        if run := self._runs.get(job):
            job.stopping = True
            run.cancel()

    async def close(self) -> None:
        """End the children, if a worker has started them and no other one uses them."""
        if self._joined and _USERS.leave():
            await self._pool.shutdown()

    async def _run(self, job: Job) -> None:
        ended: Outcome | PayloadError | None
        try:
            async with await self._ready():
                ended = await self._outcome(job)
        except ChildNotStarted as error:
            ended = PayloadError(str(error))
        except ChildDied as error:
            ended = self._lost(job, error)
        except asyncio.CancelledError:
            ended = Release(job.delivery)
        except Exception as error:  # the pool itself: its module does not import, say
            logger.exception("task %s cannot be run in a child process", job)
            ended = PayloadError(f"no child process can run it: {error}")
        del self._runs[job]
        self._places.free()
        if ended is None:
            self._slots.abandon(job)
        else:
            self._slots.ended([(job, ended)])
        self._on_free()

    def _lost(self, job: Job, error: ChildDied) -> Outcome | None:
        """A run that ended with its process is a loss, as if the whole worker had ended."""
        if self._by_time:
            logger.warning("task %s: %s; it runs again when its lease ends", job, error)
            return None
        logger.warning("task %s: %s; it runs again", job, error)
        # Held as long as the connection is: given back, which such a backend counts.
        return Release(job.delivery, _SECONDS_APART)

    async def _outcome(self, job: Job) -> Outcome | PayloadError:
        self._report.started(job)
        try:
            answer = await self._answer(job)
        except TimeoutError as error:
            job.timed_out = True
            late = f"the attempt ran longer than {job.envelope.timeout} s: its process was killed"
            job.error = TimeoutError(late)
            return self._failed(job, Failure.of(job.error.with_traceback(error.__traceback__)))
        if answer.unreadable is not None:
            return PayloadError(answer.unreadable)
        if answer.failure is None:
            return after_success(job.delivery, job.envelope, answer.value, self._config.result_ttl)
        job.error = _error_of(answer)
        return self._failed(job, answer.failure, wanted=answer.wants_retry)

    async def _answer(self, job: Job) -> Answer:
        at = job.delivery
        function: Callable[..., Any] = run_on_loop if job.definition.is_async else run_plainly
        where = (at.id, at.queue, at.attempt)
        timeout = job.envelope.timeout
        answer: Answer = await self._pool.run(
            function, job.definition.module, at.body, where, timeout=timeout
        )
        return answer

    def _failed(self, job: Job, failure: Failure, wanted: bool = True) -> Outcome:
        return after_error(
            job.delivery, job.envelope, failure, wanted=wanted, dead_ttl=self._config.dead_ttl
        )


def _error_of(answer: Answer) -> Exception:
    """The error itself where it can travel, for ``failed()``; else what is known of it."""
    assert answer.failure is not None
    try:
        error = pickle.loads(answer.error)
    except Exception:
        error = None
    if isinstance(error, Exception):
        return error
    failure = answer.failure
    return TaskFailed(failure.type, failure.text, failure.traceback)
