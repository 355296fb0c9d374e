"""Tasks under way while something goes wrong, and an account of what became of each.

A worker in the process of the test remembers what it has run, so that with one of them no task
has a reason to run the same attempt twice, whatever happens to its connection.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, chdir
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID, uuid4

import asynctasq
from asynctasq.driver import Failure, Message, ResultStore
from asynctasq.errors import DriverError, OutcomeUnknown
from asynctasq.worker import Worker
from tools.driver_tests.note import GATES, RUNS, UNTIL_TOLD, Run, body
from tools.driver_tests.subject import D, Subject
from tools.driver_tests.waiting import ANY, CERTAIN, PATIENCE, again, until

T = TypeVar("T")
LATE: Final = 1.0
"""Seconds by which some tasks are delayed."""


class Sort(NamedTuple):
    """What a task does, and when."""

    fails: int = 0
    seconds: float = 0.0
    delay: float = 0.0


class Sent(NamedTuple):
    """A message that was confirmed, and the attempts that it needs."""

    message: Message
    attempts: int


class Plan(NamedTuple):
    """What is sent, and who runs it."""

    batch: Sequence[Sort] = (Sort(), Sort(), Sort(), Sort(delay=LATE))
    """Something late in it, so that at any time some are confirmed that have not run yet."""
    pause: float = 0.01
    """Seconds between two batches."""
    lease: float = 60.0
    workers: int = 2
    concurrency: int = 10
    patience: float = PATIENCE


class Load(Generic[D]):
    """A producer that goes on by itself, and what it and the workers were told."""

    def __init__(self, driver: D, queue: str, plan: Plan, workers: Sequence[Worker]) -> None:
        self.driver = driver
        self.queue = queue
        self.confirmed: list[Sent] = []
        """In their order."""
        self.told: list[DriverError] = []
        """The errors of the producer."""
        self._plan = plan
        self._workers = workers
        self._store = driver if isinstance(driver, ResultStore) else None
        self._repeated = ANY if driver.capabilities.idempotent_enqueue else CERTAIN
        self._unknown_at = 0.0
        self._stopped = self._ended = False
        self.producing = asyncio.ensure_future(self._produce())

    def _sent(self, sort: Sort) -> Sent:
        content = body(sort.fails, sort.seconds, store_result=self._store is not None)
        lease = self._plan.lease
        message = Message(
            queue=self.queue, body=content, delay=sort.delay, visibility_timeout=lease
        )
        return Sent(message, sort.fails + 1)

    async def _produce(self) -> None:
        """A few tasks every now and then, each sent again until it is confirmed.

        Where a driver might store it twice, nothing is expected of what is unknown.
        """
        while not self._stopped:
            batch = [self._sent(sort) for sort in self._plan.batch]
            try:
                messages = [sent.message for sent in batch]
                await self._again(partial(self.driver.enqueue, messages), self.told)
                self.confirmed += batch
            except OutcomeUnknown as error:
                if OutcomeUnknown in self._repeated:
                    raise
                self.told.append(error)
                self._unknown_at = monotonic()
            await asyncio.sleep(self._plan.pause)

    async def goes_on(self, count: int = 40) -> float:
        """Wait until so many that were sent from now on have run; returns the seconds it took."""
        start, known = monotonic(), len(self.confirmed)
        await self._until(lambda: len(self.confirmed) > known + count, "producing goes on")
        awaited = [m for m, _ in self.confirmed[known : known + count] if not m.delay]
        await self._until(lambda: all(RUNS.get(m.id) for m in awaited), "consuming goes on")
        return monotonic() - start

    async def sent_from_now_on(self) -> int:
        """Where those begin that are sent from now on: behind the batch that is under way."""
        known = len(self.confirmed)
        await self._until(lambda: len(self.confirmed) > known, "producing goes on")
        return len(self.confirmed)

    @asynccontextmanager
    async def outlasting(self, count: int = 5) -> AsyncGenerator[list[Sent]]:
        """So many more tasks, each of which runs from before this block until after it."""
        more = [self._sent(Sort(seconds=UNTIL_TOLD)) for _ in range(count)]
        await self.driver.enqueue([sent.message for sent in more])
        self.confirmed += more
        await self._until(lambda: all(map(_runs, more)), "they run")
        yield more
        for sent in more:
            GATES[sent.message.id].set()

    async def first_run_after(self, moment: float) -> float:
        """When anything ran again, whether its sender was told that it is stored or not."""

        def after() -> list[float]:
            return [r.moment for runs in tuple(RUNS.values()) for r in runs if r.moment > moment]

        await self._until(after, "consuming goes on")
        return min(after())

    async def ends(self, since: int = 0) -> None:
        """Send nothing more. All that was confirmed, from that one on, ends well; none is left.

        Of those before it the server has lost the data.
        """
        self._stopped = True
        await until(self.producing.done, "the last is confirmed", self._plan.patience)
        self.producing.result()
        if self._store:
            await self._each_is_recorded(self._store, self.confirmed[since:])
            assert not any(left := await self._left()), left
        else:
            await self._each_is_acknowledged(self.confirmed[since:])
            await self._none_is_left()
        self._ended = True

    async def closed(self) -> None:
        """Once the workers are: none is left that they had kept to themselves."""
        if self._ended:
            assert not any(await self._left()), "not acknowledged when it had run"

    def run_again(self) -> dict[UUID, list[float]]:
        """When those have run of which some attempt was begun twice, or one too many."""
        return {
            sent.message.id: [run.moment for run in _runs(sent)]
            for sent in self.confirmed
            if _too_often([run.attempt for run in _runs(sent)], sent.attempts)
        }

    async def _each_is_recorded(self, store: ResultStore, confirmed: Sequence[Sent]) -> None:
        for message, _ in confirmed:
            record = await self._again(partial(store.result, message.ref, self._plan.patience))
            assert record, f"{message.id} is lost, or has not ended"
            assert record.state == "completed"
            assert not isinstance(record.value, Failure), "its outcome was refused at first"

    async def _each_is_acknowledged(self, confirmed: Sequence[Sent]) -> None:
        """Nobody but the workers tells. What perhaps was stored has had the time to run, too."""
        await asyncio.sleep(max(self._unknown_at + LATE + 1.5 - monotonic(), 0))
        patience = self._plan.patience
        await until(lambda: all(map(_has_run, confirmed)), "all has run", patience)
        await until(lambda: self._completed() >= len(confirmed), "all is acknowledged", patience)

    def _completed(self) -> int:
        return sum(worker.completed for worker in self._workers)

    async def _none_is_left(self) -> None:
        deadline = monotonic() + self._plan.patience
        while any(left := await self._left()):
            assert monotonic() < deadline, f"(pending, dead) are {left}"
            await asyncio.sleep(0.1)

    async def _left(self) -> tuple[int | None, ...]:
        """What the queue holds: where results are kept, none of it can be unknown."""
        (left,) = await self._again(partial(self.driver.stats, [self.queue]))
        found = (left.pending, left.dead)
        if self._store:
            found += (left.scheduled, left.running)
        assert None not in found
        return found

    async def _until(self, reached: Callable[[], Any], what: str) -> None:
        """While the producer goes on, too; else its own error is raised."""
        await until(lambda: reached() or self.producing.done(), what, self._plan.patience)
        if self.producing.done():
            self.producing.result()

    async def _again(
        self, call: Callable[[], Awaitable[T]], told: list[DriverError] | None = None
    ) -> T:
        return await again(call, told, self._repeated, self._plan.patience)


def _runs(sent: Sent) -> Sequence[Run]:
    return RUNS.get(sent.message.id, ())


def _has_run(sent: Sent) -> bool:
    """To its end: it was tried as often as it needs."""
    return any(run.attempt == sent.attempts for run in _runs(sent))


def _too_often(attempts: list[int], needed: int) -> bool:
    return len(set(attempts)) < len(attempts) or max(attempts, default=0) > needed


@asynccontextmanager
async def under_load(
    subject: Subject[D], url: str, plan: Plan, **options: Any
) -> AsyncGenerator[Load[D]]:
    """A producer and workers on a queue of their own, which are at work when the block begins.

    When it has ended well, after `Load.ends`, nothing is in the queue that a worker kept to itself.
    """
    queue = f"load-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        stack.enter_context(chdir(stack.enter_context(tempfile.TemporaryDirectory())))
        asynctasq.init(subject.settings(url, **options))
        stack.push_async_callback(asynctasq.close)
        driver = await stack.enter_async_context(subject.opened(url, **options))
        at_work = await stack.enter_async_context(AsyncExitStack())
        workers = [Worker([queue], concurrency=plan.concurrency) for _ in range(plan.workers)]
        for worker in workers:
            await at_work.enter_async_context(worker)
        load = Load(driver, queue, plan, workers)
        try:
            await load.goes_on()
            yield load
        finally:
            load.producing.cancel()
            await asyncio.wait((load.producing,))
        await at_work.aclose()
        await load.closed()
