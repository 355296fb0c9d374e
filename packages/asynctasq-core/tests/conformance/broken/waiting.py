"""Drivers that wait badly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Iterable, Sequence

from asynctasq.driver import (
    Context,
    Delivery,
    Outcome,
    Record,
    Release,
    Retry,
    Settled,
    TaskRef,
)
from asynctasq.memory import MemoryDriver

from ..modest import ModestDriver  # noqa: TID252


class ComesBackEarly(MemoryDriver):
    """Waits for a moment, whatever it was told: its caller asks in a hot loop."""

    caught_by = "Waiting"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        return await super().dequeue(queues, limit=limit, wait=min(wait, 0.01))


class PollsTightly(MemoryDriver):
    """Looks again as fast as it can."""

    caught_by = "Waiting"

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        end = time.monotonic() + wait
        while not (taken := await super().dequeue(queues, limit=limit, wait=0)):
            if time.monotonic() > end:
                return ()
            await asyncio.sleep(0)
        return taken


class WaitsOnEveryConnection(MemoryDriver):
    """Waiting takes a connection of the pool, and there are ten: none is left to acknowledge."""

    caught_by = "Waiting"

    def __init__(self, options: None, context: Context) -> None:
        super().__init__(options, context)
        self._pool = asyncio.Semaphore(10)

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        async with self._pool:
            return await super().dequeue(queues, limit=limit, wait=wait)

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        async with self._pool:
            return await super().settle(outcomes)


class WakesNobodyForReleases(MemoryDriver):
    """A consumer that waits hears of new messages alone."""

    caught_by = "Waiting"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        wake, self._wake = self._wake, lambda keys: None  # type: ignore[method-assign]
        try:
            return await super().settle(outcomes)
        finally:
            self._wake = wake  # type: ignore[method-assign]


class WakesNobodyForRetries(WakesNobodyForReleases):
    """A retry is put where no consumer that waits is looking."""

    caught_by = "Waiting"

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        retries = [outcome for outcome in outcomes if isinstance(outcome, Retry)]
        silent = await super().settle(retries)
        others = [outcome for outcome in outcomes if not isinstance(outcome, Retry)]
        heard = await MemoryDriver.settle(self, others)
        return Settled((*silent.lost, *heard.lost))


class WakesForOneQueueOfABatch(MemoryDriver):
    """One notification for each batch, and it names one queue."""

    caught_by = "Waiting"

    def _wake(self, keys: Iterable[Hashable]) -> None:
        super()._wake([*keys][:1])


class NeverHearsOfResults(MemoryDriver):
    """Waits for all of its time, and only then looks."""

    caught_by = "Results"

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        if (record := await super().result(ref, 0.0)) is None:
            await asyncio.sleep(wait)
            record = await super().result(ref, 0.0)
        return record


class PollsResultsTightly(MemoryDriver):
    """Looks for a result as fast as it can."""

    caught_by = "Results"

    async def result(self, ref: TaskRef, wait: float) -> Record | None:
        end = time.monotonic() + wait
        while (record := await super().result(ref, 0.0)) is None and time.monotonic() < end:
            await asyncio.sleep(0)
        return record


class StaysSubscribed(ModestDriver):
    """Takes for a moment what nobody asks for any more, and gives it back as delivered."""

    caught_by = "Waiting"
    _staying: asyncio.Future[None]

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        taken = await super().dequeue(queues, limit=limit, wait=wait)
        if not taken:
            self._staying = asyncio.ensure_future(self._stay(queues))
        return taken

    async def _stay(self, queues: Sequence[str]) -> None:
        late = await super().dequeue(queues, limit=1, wait=1.0)
        await self.settle([Release(delivery) for delivery in late])
