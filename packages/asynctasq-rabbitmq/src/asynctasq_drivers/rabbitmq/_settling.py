"""Settling: the new copy is confirmed, then the old one is acknowledged, all of a batch together.

A crash in between leaves both, which is the second run that the capabilities declare. Round trips
do not grow with the batch: one for what is only acknowledged, beside it one for the copies, and one
to acknowledge what they stand for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aiormq import exceptions as client

from asynctasq.driver import Ack, DeadLetter, Outcome, Release, Retry, Settled
from asynctasq.errors import DriverError, DriverUnavailable, OutcomeUnknown
from asynctasq_drivers.rabbitmq import _messages
from asynctasq_drivers.rabbitmq._consumer import Consumer
from asynctasq_drivers.rabbitmq._messages import Parcel
from asynctasq_drivers.rabbitmq._publisher import UNBLOCKED, Failures, Late, Publisher, alarmed
from asynctasq_drivers.rabbitmq._session import Held, Session
from asynctasq_drivers.rabbitmq._sessions import Sessions
from asynctasq_drivers.rabbitmq._topology import Names, dead_queue

_PASSED_ON_AT_ONCE: Final = 30
"""Of more acknowledgements than that, a channel keeps some back until its queue has had the others,
and forgets them if it ends before: they are done once the queue has answered."""
_ENDS: Final = (client.AMQPError, OSError, TimeoutError, RuntimeError, asyncio.CancelledError)


class Settling:
    """Makes outcomes true, of what the current session holds."""

    def __init__(
        self,
        names: Names,
        publisher: Publisher,
        sessions: Sessions,
        consumer: Consumer,
        dead_ttl: float | None,
    ) -> None:
        self._names = names
        self._publisher = publisher
        self._sessions = sessions
        self._consumer = consumer
        self._dead_ttl = dead_ttl

    async def settle(self, outcomes: Sequence[Outcome]) -> Settled:
        """See `Driver.settle`. Not to be cancelled."""
        await self._alone(outcomes)
        session = self._sessions.open
        mine: list[tuple[Outcome, Held]] = []
        for outcome in outcomes:
            if session is not None and (held := session.held(outcome.delivery.receipt)):
                mine.append((outcome, held))
        if session is not None and mine:
            await self._settle(session, mine)
        kept = {outcome.delivery.receipt for outcome, _ in mine}
        return Settled(tuple(o.delivery for o in outcomes if o.delivery.receipt not in kept))

    async def _alone(self, outcomes: Sequence[Outcome]) -> None:
        """Wait while another call settles any of these."""
        while session := self._sessions.open:
            held = [session.held(outcome.delivery.receipt) for outcome in outcomes]
            busy = {one.settling for one in held if one is not None and one.settling is not None}
            if not busy:
                return
            await asyncio.wait(busy)

    async def _settle(self, session: Session, mine: Sequence[tuple[Outcome, Held]]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for _, held in mine:
            held.settling = done
        try:
            errors = await self._make_true(session, mine)
        finally:
            for _, held in mine:
                held.settling = None
            done.set_result(None)
            self._consumer.look_again({held.delivery.queue for _, held in mine})
        if errors:
            # Of several, what happened perhaps is the one to tell of.
            raise min(errors, key=lambda error: not isinstance(error, OutcomeUnknown))

    async def _make_true(
        self, session: Session, mine: Sequence[tuple[Outcome, Held]]
    ) -> list[DriverError]:
        plain = [held for outcome, held in mine if isinstance(outcome, Ack)]
        copied = [(o, held) for o, held in mine if not isinstance(o, Ack)]
        error, failures = await asyncio.gather(
            self._acknowledge(session, plain), self._publish(copied)
        )
        there = [held for n, (_, held) in enumerate(copied) if n not in failures]
        late = await self._acknowledge(session, there)
        return [e for e in (error, late, *failures.values()) if e is not None]

    async def _acknowledge(self, session: Session, held: Sequence[Held]) -> DriverError | None:
        if not held:
            return None
        if session.ended:
            return DriverUnavailable("the connection to RabbitMQ ended, and with it the leases")
        try:
            # Not a moment later: what they are copies of may be handed out here again.
            await self.acknowledge(session, held)
        except _ENDS as error:
            self._sessions.abandon(session)
            made = OutcomeUnknown(
                (one.delivery.id for one in held), "RabbitMQ did not answer an acknowledgement"
            )
            made.__cause__ = error
            return made
        return None

    async def acknowledge(self, session: Session, held: Sequence[Held]) -> None:
        """These are done with. Raises the client library's errors."""
        for one in held:
            self._consumer.settled(one)
        await session.acknowledge([one.tag for one in held])
        for queue in {one.delivery.queue for one in held}:
            told = session.told[queue]
            if told - session.reached[queue] > _PASSED_ON_AT_ONCE:
                await self._consumer.reach(session, queue)
                session.reached[queue] = max(session.reached[queue], told)
        for one in held:
            self._sessions.settled(one)

    async def _publish(self, copied: Sequence[tuple[Outcome, Held]]) -> Failures:
        """What an alarm holds up goes on until it is stored, so that it is not stored twice."""
        late = await _late(copied)
        fresh = [n for n in range(len(copied)) if n not in late]
        failures = {n: error for n, error in late.items() if error is not None}
        if fresh:
            parcels = [self._copy(*copied[n]) for n in fresh]
            errors = await self._publisher.publish(parcels, patient=True)
            failures |= {fresh[n]: error for n, error in errors.items()}
        for n in fresh:
            outcome, held = copied[n]
            error = failures.get(n)
            cause = None if error is None else error.__cause__
            held.copy = (outcome, cause.confirm) if isinstance(cause, Late) else None
        return failures

    def _copy(self, outcome: Outcome, held: Held) -> Parcel:
        delivery = outcome.delivery
        if isinstance(outcome, DeadLetter):
            properties = _messages.properties_of_dead(outcome, held.sent_at, self._dead_ttl)
            key = dead_queue(delivery.queue)
            return Parcel("", key, delivery.body, properties, delivery.queue, delivery.id)
        assert isinstance(outcome, (Retry, Release))
        exchange, key = self._names.route(delivery.queue, outcome.delay)
        properties = _messages.properties_of_copy(outcome, held.sent_at)
        return Parcel(
            exchange, key, delivery.body, properties, delivery.queue, delivery.id, outcome.delay
        )


async def _late(copied: Sequence[tuple[Outcome, Held]]) -> dict[int, DriverError | None]:
    """Places of those of which the same copy is on its way, or was; and why it is not stored."""
    confirms = {
        n: held.copy[1]
        for n, (outcome, held) in enumerate(copied)
        if held.copy is not None and held.copy[0] == outcome
    }
    if confirms:
        await asyncio.wait(confirms.values(), timeout=UNBLOCKED)
    failed = {
        n for n, one in confirms.items() if one.done() and (one.cancelled() or one.exception())
    }
    return {n: None if one.done() else alarmed() for n, one in confirms.items() if n not in failed}
