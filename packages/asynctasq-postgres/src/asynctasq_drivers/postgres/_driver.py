"""The verbs of the contract: each checks what it is given, and is one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence, Set
from time import monotonic
from typing import ClassVar, Final
from uuid import UUID

import msgspec

from asynctasq.driver import (
    API,
    Capabilities,
    Context,
    Delivery,
    Enqueued,
    Message,
    Outcome,
    Purged,
    QueueStats,
    Release,
    Renewed,
    Retry,
    Settled,
    check_messages,
    check_outcomes,
)
from asynctasq.errors import DriverError, OutcomeUnknown
from asynctasq_drivers.postgres import _rows
from asynctasq_drivers.postgres._log import log
from asynctasq_drivers.postgres._low_water import LowWater, Timer
from asynctasq_drivers.postgres._options import PostgresOptions
from asynctasq_drivers.postgres._outcomes import are_plain, columns_of
from asynctasq_drivers.postgres._transactions import PostgresTransactions
from asynctasq_drivers.postgres._wakes import LOOK_AGAIN, told

PURGED_AT_ONCE: Final = 5_000
MOST_IN_DOUBT: Final = 10_000
SHORTEST_POLL: Final = 0.05
LONGEST_POLL: Final = 1.0
"""Seconds from look to look, where nobody can be told: through PgBouncer, or at a limit."""
SHORTEST_WAIT: Final = 0.01
"""Seconds before the next look, at what is due and in somebody else's hands."""


class PostgresDriver(PostgresTransactions):
    """Keeps messages in tables of a PostgreSQL database, which any number of machines may use."""

    name: ClassVar[str] = "postgres"
    api: ClassVar[tuple[int, int]] = API
    capabilities: Capabilities = Capabilities(
        lease="timed",
        max_lease=None,
        max_delay=None,
        delay_resolution=0.05,
        max_body=500_000_000,  # of the gigabyte that a message of the protocol has
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

    def __init__(self, options: PostgresOptions, context: Context) -> None:
        super().__init__(options, context)
        self._low_water, self._timer = LowWater(), Timer()
        self._in_doubt: set[UUID] = set()
        """What was sent, and whose reply was lost: it may be sent again."""
        if options.postgres_pgbouncer:
            self.capabilities = msgspec.structs.replace(
                type(self).capabilities, wakes=False, delay_resolution=LONGEST_POLL
            )

    async def enqueue(self, messages: Sequence[Message]) -> Enqueued:
        sql = self._running()
        check_messages(messages, self.capabilities)
        ids = tuple(message.id for message in messages)
        if messages:
            columns = _rows.message_columns(messages)
            again = not self._in_doubt.isdisjoint(ids)
            undo = (sql.undo_enqueue, columns[:2]) if again else None
            try:
                await self._send(sql.enqueue, *columns, then=undo, ids=ids)
            except (OutcomeUnknown, asyncio.CancelledError):
                if len(self._in_doubt) < MOST_IN_DOUBT:
                    self._in_doubt.update(ids)
                raise
            self._in_doubt.difference_update(ids)
            self._announce(message.queue for message in messages)
        return Enqueued(ids)

    async def dequeue(
        self, queues: Sequence[str], *, limit: int, wait: float
    ) -> tuple[Delivery, ...]:
        self._running()
        self._begin_consuming()
        names = tuple(dict.fromkeys(queues))
        deadline, poll = monotonic() + wait, SHORTEST_POLL
        with self._wakes.waiting(names) as event:
            while not self._closed:
                event.clear()
                heard = self._wakes.listening
                found = await self._look(names, limit)
                left = deadline - monotonic()
                if found or left <= 0:
                    return found
                if self.capabilities.wakes and not heard and await self._wakes.hears():
                    continue  # what came before that, nobody was told of
                longest = LOOK_AGAIN if self._wakes.listening else poll
                await told(event, min(left, await self._until_due(names, longest)))
                poll = min(1.5 * poll, LONGEST_POLL)
        return ()

    async def _until_due(self, queues: tuple[str, ...], longest: float) -> float:
        """Seconds until something becomes due, or until it is time to look anyway."""
        if self._closed or not self._timer.may_ask():
            return longest
        start = monotonic()
        seconds = (await self._send(self._sql.next_due, queues))[0][0]
        self._timer.answered(monotonic() - start)
        return longest if seconds is None else min(max(seconds, SHORTEST_WAIT), longest)

    async def _look(self, queues: tuple[str, ...], limit: int) -> tuple[Delivery, ...]:
        """What is due now. Once sent, it ends."""
        look = self._spawn(self._taken(queues, limit))
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            look.add_done_callback(self._give_back)
            raise

    async def _taken(self, queues: tuple[str, ...], limit: int) -> tuple[Delivery, ...]:
        marks, start = self._low_water.marks(queues), monotonic()
        rows = await self._send(self._sql.dequeue, queues, marks, limit)
        self._low_water.looked(marks, monotonic() - start, [(row[0], row[4]) for row in rows])
        return _rows.deliveries(rows, queues) if rows else ()

    def _give_back(self, look: asyncio.Future[tuple[Delivery, ...]]) -> None:
        """Of a dequeue that was cancelled: the next one takes it, or another instance."""
        if not look.cancelled() and look.exception() is None and (taken := look.result()):
            self._spawn(self._given_back(taken))

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
        if not outcomes:
            return Settled()
        sql = self._sql.ack if are_plain(outcomes, self._context) else self._sql.settle
        columns = columns_of(outcomes, self._context)
        ((seqs, tokens),) = await self._send(sql, *columns, urgent=True)
        done: set[Hashable] = set(zip(seqs or (), tokens or (), strict=True))
        self._tell_of(outcomes, done)
        return Settled(tuple(o.delivery for o in outcomes if o.delivery.receipt not in done))

    def _tell_of(self, outcomes: Sequence[Outcome], done: Set[Hashable]) -> None:
        """Somebody may wait for what they brought: a message, or a record."""
        queues, ended = set[str](), list[UUID]()
        for outcome in outcomes:
            delivery = outcome.delivery
            if isinstance(outcome, (Retry, Release)):
                queues.add(delivery.queue)
            elif outcome.record is not None and delivery.receipt in done:
                ended.append(delivery.id)
        self._announce(queues)
        self._announce_results(ended)

    async def extend(self, deliveries: Sequence[Delivery]) -> Renewed:
        self._running()
        if not deliveries:
            return Renewed()
        columns = _rows.held_columns(deliveries)
        rows = await self._send(self._sql.extend, *columns, urgent=True)
        lost: set[Hashable] = {(seq, token) for seq, token in rows}
        return Renewed(tuple(d for d in deliveries if d.receipt in lost))

    async def stats(self, queues: Sequence[str] | None = None) -> tuple[QueueStats, ...]:
        if queues is None:
            queues = [name for (name,) in await self._send(self._running().queues)]
        rows = await self._send(self._running().stats, queues)
        return tuple(_rows.queue_stats(row) for row in rows)

    async def purge(self, queue: str) -> Purged:
        sql = self._running()
        ((start,),) = await self._send("SELECT clock_timestamp()")
        count = 0
        while True:
            ((some,),) = await self._send(sql.purge, queue, start, PURGED_AT_ONCE)
            count += some
            if some < PURGED_AT_ONCE:
                return Purged(count)
