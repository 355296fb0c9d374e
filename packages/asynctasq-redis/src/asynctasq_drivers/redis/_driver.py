"""The verbs of the contract: each is one script, sent once for each queue it is about."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from time import monotonic
from typing import Any, ClassVar, Final, TypeVar

from asynctasq.driver import (
    API,
    Capabilities,
    Delivery,
    Enqueued,
    Message,
    Outcome,
    Purged,
    QueueStats,
    Release,
    Renewed,
    Settled,
    check_messages,
    check_outcomes,
)
from asynctasq.errors import DriverError, OutcomeUnknown
from asynctasq_drivers.redis import _rows
from asynctasq_drivers.redis._keys import keys_of
from asynctasq_drivers.redis._outcomes import outcome_rows
from asynctasq_drivers.redis._scripts import Script, run
from asynctasq_drivers.redis._tasks import RedisTasks
from asynctasq_drivers.redis._wakes import LOOK_AGAIN, Waiter

T = TypeVar("T")
Item = TypeVar("Item")

PURGED_AT_ONCE: Final = 5_000

_ENQUEUE: Final = Script("enqueue")
_DEQUEUE: Final = Script("dequeue")
_SETTLE: Final = Script("settle")
_EXTEND: Final = Script("extend")
_STATS: Final = Script("stats")
_PURGE: Final = Script("purge")


class RedisDriver(RedisTasks):
    """Keeps messages in Redis or Valkey: one server, one that Sentinels watch, or a cluster."""

    name: ClassVar[str] = "redis"
    api: ClassVar[tuple[int, int]] = API
    capabilities: Capabilities = Capabilities(
        lease="timed",
        max_lease=None,
        max_delay=None,
        delay_resolution=0.05,
        max_body=500_000_000,  # of the 512 MB of a value
        retention=None,
        atomic=frozenset(("ack", "retry", "dead_letter", "release")),
        per_message_lease=True,
        idempotent_enqueue=True,
        uncounted_release=True,
        reports_lost=True,
        fifo=True,
        strict_queue_order=True,
        wakes=True,
        exact_stats=True,
        counts_scheduled=True,
        purges_scheduled=True,
    )

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        self._running()
        check_messages(messages, self.capabilities)
        batches = _by_queue(messages, lambda message: message.queue)
        rows = {queue: [_rows.message_row(m) for m in batch] for queue, batch in batches.items()}
        if len(batches) == 1:
            ((queue, batch),) = batches.items()
            await self._enqueue(queue, batch, rows[queue])
            return Enqueued(tuple(message.id for message in messages))
        calls = [self._enqueue(queue, batch, rows[queue]) for queue, batch in batches.items()]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return _together(messages, dict(zip(batches, answers, strict=True)))

    async def _enqueue(self, queue: str, batch: Sequence[Message], rows: Sequence[Any]) -> None:
        servers, keys = self._running(), keys_of(queue)
        await self._register(servers, queue)
        names = [*keys.all, *(keys.result(message.id) for message in batch)]
        ids = [message.id for message in batch]
        heads, bodies = zip(*rows, strict=True)
        replicas = self._options.redis_wait_replicas
        words = (_rows.pack(heads), *bodies)
        try:
            fresh = await run(servers, _ENQUEUE, names, *words, ids=ids, replicas=replicas)
        except OutcomeUnknown:  # nobody else may have been told that it is new
            self._known.discard(queue)
            raise
        if fresh:  # its data, and perhaps its name, were lost since they were stored
            self._known.discard(queue)
            try:
                await self._register(servers, queue)
            except DriverError as error:  # whose "nothing is stored" would not be true
                raise OutcomeUnknown(ids, f"the queue's name is not stored: {error}") from error

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        self._running()
        names = tuple(dict.fromkeys(queues))
        deadline = monotonic() + wait
        with self._wakes.waiter() as waiter:
            listed = False
            while not self._closed:
                lists = monotonic() < deadline and self._wakes.listening
                found, change = await self._look(names, limit, waiter, lists, listed)
                left = deadline - monotonic()
                if found or (left <= 0 and not lists):
                    return found
                listed = listed or lists
                if not lists and await self._wakes.listen():
                    continue
                if left > 0:
                    longest = max(LOOK_AGAIN, len(names) / 2) if self._splits else LOOK_AGAIN
                    await waiter.wait(min(left, change, longest))
        return ()

    async def _look(
        self, queues: tuple[str, ...], limit: int, waiter: Waiter, lists: bool, listed: bool
    ) -> tuple[tuple[Delivery, ...], float]:
        """What is due now, and the seconds until something else will be. Once sent, it ends."""
        waiter.looks()
        look = self._start(self._taken(queues, limit, waiter.token, lists, listed))
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            look.add_done_callback(self._give_back)
            raise

    async def _taken(
        self, queues: tuple[str, ...], limit: int, token: str, lists: bool, listed: bool
    ) -> tuple[tuple[Delivery, ...], float]:
        words = (token if lists else "", 2 * LOOK_AGAIN, token if listed else "")
        taken: list[Delivery] = []
        soonest = float("inf")
        for some in [(q,) for q in queues] if self._splits else [queues] if queues else []:
            keys = [key for queue in some for key in keys_of(queue).all]
            if len(taken) == limit:
                break
            asked = run(self._running_or_closing(), _DEQUEUE, keys, limit - len(taken), *words)
            try:
                *found, change = await asked
            except DriverError:
                if taken:  # of the queues before: it would be lost until its leases end
                    break
                raise
            for queue, rows in zip(some, found, strict=True):
                taken += _rows.deliveries(queue, rows)
            soonest = min(soonest, change / 1e6) if change >= 0 else soonest
        return tuple(taken), soonest

    def _give_back(self, look: asyncio.Future[tuple[tuple[Delivery, ...], float]]) -> None:
        """Of a dequeue that was cancelled: the next one takes it, or another instance."""
        if look.cancelled() or look.exception() is not None:
            return
        if taken := look.result()[0]:
            self._start(self._given_back(taken))

    async def _given_back(self, taken: Sequence[Delivery]) -> None:
        try:
            await self._settle([Release(delivery) for delivery in taken])
        except DriverError as error:
            log.debug("%d deliveries come back when their leases end: %s", len(taken), error)

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        self._running()
        check_outcomes(outcomes, self.capabilities)
        return await self._settle(outcomes)

    async def _settle(self, outcomes: Sequence[Outcome]) -> Settled:
        servers, context = self._running_or_closing(), self._context
        completed = context.completed_ttl if context.keep_completed_tasks else ""
        dead = "" if context.dead_ttl is None else context.dead_ttl

        async def send(queue: str, batch: Sequence[Outcome]) -> Iterable[Outcome]:
            rows, results, records = outcome_rows(batch, keys_of(queue), context)
            keys, ids = (*keys_of(queue).all, *results), [o.delivery.id for o in batch]
            words = (_rows.pack(rows), completed, dead, *records)
            lost = await run(servers, _SETTLE, keys, *words, ids=ids)
            return _of(batch, lost)

        lost = await _each(outcomes, lambda outcome: outcome.delivery.queue, send)
        return Settled(tuple(outcome.delivery for outcome in lost))

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        servers = self._running()

        async def send(queue: str, batch: Sequence[Delivery]) -> Iterable[Delivery]:
            rows = [(d.id, d.receipt, d.lease) for d in batch]
            ids = [delivery.id for delivery in batch]
            lost = await run(servers, _EXTEND, keys_of(queue).all, _rows.pack(rows), ids=ids)
            return _of(batch, lost)

        return Renewed(tuple(await _each(deliveries, lambda delivery: delivery.queue, send)))

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        servers = self._running()
        names = await self._queues() if queues is None else queues
        answers = await asyncio.gather(
            *(run(servers, _STATS, keys_of(queue).all) for queue in names)
        )
        return tuple(_stats(*both) for both in zip(names, answers, strict=True))

    async def purge(self, queue: str) -> Purged:
        servers, keys = self._running(), keys_of(queue).all
        dropped, there = await run(servers, _PURGE, keys, PURGED_AT_ONCE)
        while dropped < there:
            some, _ = await run(servers, _PURGE, keys, min(PURGED_AT_ONCE, there - dropped))
            if not some:
                break
            dropped += some
        return Purged(dropped)


log: Final = logging.getLogger("asynctasq.redis")


def _stats(queue: str, counts: Sequence[int]) -> QueueStats:
    pending, scheduled, running, dead, age = counts
    return QueueStats(queue, pending, scheduled, running, dead, None if age < 0 else age / 1e6)


def _of(batch: Sequence[Item], numbers: Iterable[int]) -> list[Item]:
    return [batch[number - 1] for number in numbers]


def _by_queue(items: Sequence[Item], queue_of: Callable[[Item], str]) -> dict[str, list[Item]]:
    batches: dict[str, list[Item]] = {}
    for queue, some in groupby(items, queue_of):
        batches.setdefault(queue, []).extend(some)
    return batches


async def _each(
    items: Sequence[Item],
    queue_of: Callable[[Item], str],
    send: Callable[[str, Sequence[Item]], Awaitable[Iterable[Item]]],
) -> list[Item]:
    """What `send` answers for each queue, all of them at once. Raises the first of their errors."""
    batches = _by_queue(items, queue_of)
    if len(batches) == 1:
        ((queue, batch),) = batches.items()
        return list(await send(queue, batch))
    calls = [send(queue, batch) for queue, batch in batches.items()]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    found: list[Item] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        found += answer
    return found


def _together(messages: Sequence[Message], answers: dict[str, BaseException | None]) -> Enqueued:
    """What became of a batch of several queues, each of which stored all of its part or none."""
    errors = {queue: e for queue, e in answers.items() if isinstance(e, BaseException)}
    for error in errors.values():
        if isinstance(error, OutcomeUnknown):
            raise OutcomeUnknown([m.id for m in messages], str(error.__cause__)) from error
        if not isinstance(error, DriverError) or len(errors) == len(answers):
            raise error
    failed = {m.id: errors[m.queue] for m in messages if m.queue in errors}
    stored = tuple(message.id for message in messages if message.id not in failed)
    return Enqueued(stored, {id: e for id, e in failed.items() if isinstance(e, Exception)})
