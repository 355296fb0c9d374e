"""Outcomes on their way to the backend: in batches as they arrive, kept until they are settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

import msgspec

from asynctasq.driver import (
    Ack,
    DeadLetter,
    Delivery,
    Driver,
    Failure,
    Outcome,
    Release,
    ResultStore,
    Retry,
)
from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq.worker._committed import Committed
from asynctasq.worker._vitals import Backend

OnSettled: TypeAlias = Callable[[Sequence[Outcome], Sequence[Delivery], bool], None]
"""Told of a batch, of what was lost of it, and whether it was sent more than once."""

logger = logging.getLogger("asynctasq.worker")
_BATCH = 1000
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_REFUSED_PAUSE = 1.0
_LONGEST_REFUSED_PAUSE = 60.0


class Settler:
    """Settles whatever was added, one batch at a time; no timer, nothing to do when idle."""

    def __init__(
        self,
        driver: Driver,
        results: ResultStore | None,
        backend: Backend,
        completed_ttl: float | None = None,
    ) -> None:
        self._driver = driver
        self._results = results
        """Where records go first, if the driver keeps none itself."""
        self._completed_ttl = completed_ttl
        """Seconds for which they keep what a completed task left; None: as long as its result."""
        self._backend = backend
        self._by_time = driver.capabilities.lease == "timed"
        self._refused: dict[Hashable, float] = {}
        """What was refused and is kept, and in how many seconds it is sent the next time."""
        self._put_off: set[Hashable] = set()
        """Those of the batch that is under way."""
        self._waiting: list[Outcome] = []
        self._under_way = 0
        self._sent_before = False
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, outcome: Outcome) -> None:
        """Settle this, soon."""
        if not self._waiting:
            self._news.set()
            self._idle.clear()
        self._waiting.append(outcome)

    async def drained(self, seconds: float) -> None:
        """Wait until everything is settled; what is not in time is left to its lease."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            unsettled = self._under_way + len(self._waiting)
            logger.error("%d outcomes could not be settled in time", unsettled)
        if self._refused:
            logger.error("%d outcomes were refused: their tasks run again", len(self._refused))

    async def run(self, on_settled: OnSettled) -> None:
        """Settle, for ever, and tell of each batch what was settled and what was lost."""
        while True:
            await self._news.wait()
            batch = _in_time(self._waiting[:_BATCH], self._driver.capabilities.max_delay)
            self._waiting = self._waiting[_BATCH:]
            self._under_way = len(batch)
            self._sent_before = False
            lost = await self._settle(batch)
            self._backend.answered()
            on_settled(self._settled(batch), lost, self._sent_before)
            self._under_way = 0
            if not self._waiting:
                self._news.clear()
                self._idle.set()

    async def _settle(self, batch: Sequence[Outcome]) -> Sequence[Delivery]:
        """Until the backend has taken them: a reply that was lost is asked for again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                left = await self._store_records(batch)
                return (await self._driver.settle(left)).lost if left else ()
            except (DriverUnavailable, OutcomeUnknown) as error:
                logger.warning("%d outcomes wait for the backend: %s", len(batch), error)
                self._backend.missed()
                self._sent_before = True
            except DriverError as error:
                if len(batch) > 1:
                    return [lost for one in batch for lost in await self._settle((one,))]
                if (lesser := _without_value(batch[0], error)) is None:
                    self._sent_before = False
                    return self._refuse(batch[0])
                batch = (lesser,)
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _refuse(self, outcome: Outcome) -> Sequence[Delivery]:
        """In the handling of the refusal: what is lost by it.

        A lease ends by itself, and the task runs again. A connection does not: the message would
        be held by it, and settled by nobody. So the outcome is sent again, ever later: it is still
        what became of the task, and once there is room or leave for it, no run is repeated.
        """
        delivery = outcome.delivery
        if isinstance(outcome, Committed):
            logger.exception("refused: the result of %s", delivery.ref)
            return ()
        if self._by_time:
            logger.exception("refused, left to its lease: %s", delivery.ref)
            return (delivery,)
        token = _token(outcome)
        pause = self._refused.get(token, _REFUSED_PAUSE)
        self._refused[token] = min(2 * pause, _LONGEST_REFUSED_PAUSE)
        self._put_off.add(token)
        logger.exception("refused, sent again in %g s: %s of %s", pause, outcome.name, delivery.ref)
        asyncio.get_running_loop().call_later(pause, self.add, outcome)
        return ()

    def _settled(self, batch: Sequence[Outcome]) -> Sequence[Outcome]:
        """Those that were not put off."""
        if not self._refused:
            return batch
        settled = [outcome for outcome in batch if _token(outcome) not in self._put_off]
        for outcome in settled:
            self._refused.pop(_token(outcome), None)
        self._put_off.clear()
        return settled

    async def _store_records(self, batch: Sequence[Outcome]) -> Sequence[Outcome]:
        """Store those that do not go with an outcome; returns what is left to settle.

        Where results live on another backend: first there, then the outcome here.
        """
        committed = [o for o in batch if isinstance(o, Committed)]
        left = [o for o in batch if not isinstance(o, Committed)] if committed else batch
        store: ResultStore | None = self._results
        apart: Sequence[Outcome] = batch
        if isinstance(self._driver, ResultStore):
            store, apart = self._driver, committed
        else:
            if self._completed_ttl is not None:
                apart = [_kept_for(outcome, self._completed_ttl) for outcome in batch]
            left = [_without_record(outcome) for outcome in left]
        if store is not None and apart:
            await _store(store, apart)
        return left


async def _store(results: ResultStore, outcomes: Sequence[Outcome]) -> None:
    ends = [o.record for o in outcomes if isinstance(o, (Ack, DeadLetter))]
    if records := [record for record in ends if record is not None]:
        await results.store(records)


def _token(outcome: Outcome) -> Hashable:
    return outcome.delivery.id, outcome.delivery.receipt


def _in_time(batch: Sequence[Outcome], longest: float | None) -> Sequence[Outcome]:
    """Due as late as the backend can keep it: a retry that comes early is better than none."""
    if longest is None:
        return batch
    return [
        msgspec.structs.replace(outcome, delay=longest)
        if isinstance(outcome, Retry | Release) and outcome.delay > longest
        else outcome
        for outcome in batch
    ]


def _without_value(outcome: Outcome, error: DriverError) -> Outcome | None:
    """The same without its result: one that cannot be stored must not let the task run again."""
    if not isinstance(outcome, Ack) or outcome.record is None:
        return None
    if isinstance(outcome.record.value, Failure):
        return None
    reason = Failure("ResultError", f"its result could not be stored: {error}")
    record = msgspec.structs.replace(outcome.record, value=reason)
    return msgspec.structs.replace(outcome, record=record)


def _kept_for(outcome: Outcome, seconds: float) -> Outcome:
    """The same, its record kept for so long at least: all that there will be of the task."""
    record = outcome.record if isinstance(outcome, Ack) else None
    if record is None or record.keep_for is None or record.keep_for >= seconds:
        return outcome
    record = msgspec.structs.replace(record, keep_for=seconds)
    return msgspec.structs.replace(outcome, record=record)


def _without_record(outcome: Outcome) -> Outcome:
    if isinstance(outcome, (Ack, DeadLetter)):
        return msgspec.structs.replace(outcome, record=None)
    return outcome
