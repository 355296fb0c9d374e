"""Outcomes on their way to the backend: in batches as they arrive, kept until they are settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from asynctasq.driver import Ack, DeadLetter, Delivery, Driver, Outcome, ResultStore
from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown

OnSettled: TypeAlias = Callable[[Sequence[Outcome], Sequence[Delivery]], None]

logger = logging.getLogger("asynctasq.worker")
_BATCH = 1000
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Settler:
    """Settles whatever was added, one batch at a time; no timer, nothing to do when idle."""

    def __init__(self, driver: Driver, results: ResultStore | None) -> None:
        self._driver = driver
        self._results = results
        """Where records go first, if the driver keeps none itself."""
        self._waiting: list[Outcome] = []
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, outcome: Outcome) -> None:
        """Settle this, soon."""
        self._waiting.append(outcome)
        self._news.set()
        self._idle.clear()

    async def drained(self, seconds: float) -> None:
        """Wait until everything is settled; what is not in time is left to its lease."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            logger.error("%d outcomes could not be settled in time", len(self._waiting))

    async def run(self, on_settled: OnSettled) -> None:
        """Settle, for ever, and tell of each batch what was settled and what was lost."""
        while True:
            await self._news.wait()
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            lost = await self._settle(batch)
            on_settled(batch, lost)
            if not self._waiting:
                self._news.clear()
                self._idle.set()

    async def _settle(self, batch: Sequence[Outcome]) -> Sequence[Delivery]:
        """Until the backend has taken them: a reply that was lost is asked for again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return (await self._driver.settle(await self._store_records(batch))).lost
            except (DriverUnavailable, OutcomeUnknown) as error:
                logger.warning("%d outcomes wait for the backend: %s", len(batch), error)
            except DriverError:
                if len(batch) == 1:
                    logger.exception("refused, left to its lease: %s", batch[0].delivery.ref)
                    return (batch[0].delivery,)
                return [lost for one in batch for lost in await self._settle((one,))]
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _store_records(self, batch: Sequence[Outcome]) -> Sequence[Outcome]:
        """Where results live on another backend: first there, then the outcome here."""
        if isinstance(self._driver, ResultStore):
            return batch
        ends = [o for o in batch if isinstance(o, (Ack, DeadLetter)) and o.record is not None]
        if self._results is not None and ends:
            await self._results.store([o.record for o in ends if o.record is not None])
        return [_without_record(outcome) for outcome in batch]


def _without_record(outcome: Outcome) -> Outcome:
    if isinstance(outcome, (Ack, DeadLetter)):
        return msgspec.structs.replace(outcome, record=None)
    return outcome
