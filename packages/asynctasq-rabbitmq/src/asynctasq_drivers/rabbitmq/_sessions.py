"""The channel that messages are pushed to: opened when first needed, and anew once it has ended.

With a channel end its leases: the broker hands out again all that was not acknowledged. What comes
back to this instance goes on where it was; that is no loss of a worker, and not counted as one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final

from aiormq import exceptions as client

from asynctasq.driver import Delivery
from asynctasq_drivers.rabbitmq import _messages
from asynctasq_drivers.rabbitmq._channel import Delivered
from asynctasq_drivers.rabbitmq._errors import of_asking
from asynctasq_drivers.rabbitmq._link import Link
from asynctasq_drivers.rabbitmq._log import log
from asynctasq_drivers.rabbitmq._session import Held, Session
from asynctasq_drivers.rabbitmq._topology import Topology

_REMEMBERED: Final = 10_000


class Sessions:
    """One after the other."""

    def __init__(self, link: Link, topology: Topology, on_lost: Callable[[], None]) -> None:
        self._link = link
        self._topology = topology
        self._on_lost = on_lost
        self._opening: asyncio.Task[Session] | None = None
        self._open: Session | None = None
        self._handed: dict[str, Held] = {}
        """By origin: what somebody here has."""
        self._had: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By origin: attempt and deliveries of what an earlier session held."""

    @property
    def open(self) -> Session | None:
        """The one that holds; None: there is none."""
        if self._open is not None and not self._open.connection.is_open:
            self._open.end()  # the client library may take its time to say so
        return self._open

    async def current(self, queues: Iterable[str]) -> Session:
        """The one that holds, with all that is needed for these queues. Raises `DriverError`."""
        names = tuple(queues)
        while True:
            ready = all(self._topology.has(queue) for queue in names)
            if ready and (session := self.open) is not None:
                return session
            if self._opening is None:
                self._opening = asyncio.ensure_future(self._begin(names))
                self._opening.add_done_callback(self._opened)
            await asyncio.shield(self._opening)

    def _opened(self, opening: asyncio.Task[Session]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # who waited has it

    async def _begin(self, queues: tuple[str, ...]) -> Session:
        connection = await self._link.connection()
        await self._topology.ensure(connection, queues)
        if (session := self.open) is not None:
            return session
        try:
            channel = await connection.channel()
        except Exception as error:
            raise of_asking(error) from error
        self._open = made = Session(connection, channel, self._ended)
        channel.on_cancel(lambda tag: self._cancelled(made, tag))
        return made

    def _cancelled(self, session: Session, tag: str) -> None:
        """Somebody deleted the queue, or RabbitMQ 4.3 waited longer than a policy lets it.

        What is acknowledged after that would be for nothing, and may hold up others: all anew.
        """
        if session.ended:
            return  # by the one before
        log.warning("RabbitMQ ended the consumer %s", tag)
        self.abandon(session)

    def _ended(self, session: Session, why: BaseException | None) -> None:
        if isinstance(why, client.ChannelNotFoundEntity):
            self._topology.forget()  # somebody has deleted a queue
        if session is not self._open:
            return
        self._open = None
        for held in chain(session.unacked.values(), session.unanswered.values()):
            it = held.delivery
            assert it.origin is not None
            self._had[it.origin] = (it.attempt, it.deliveries)
        while len(self._had) > _REMEMBERED:
            self._had.popitem(last=False)
        if session.unacked:
            reason = str(why or "") or "its connection was closed"
            log.warning("%d deliveries are handed out again: %s", len(session.unacked), reason)
        self._handed.clear()
        self._on_lost()

    def received(self, session: Session, queue: str, delivered: Delivered) -> Held | None:
        """Note what was pushed; None: too late, it is handed out again."""
        tag = delivered.delivery_tag
        if session.ended or tag is None:
            return None
        it = _messages.arrived(delivered)
        attempt, deliveries = self._had.get(it.origin, (0, 0))
        delivery = Delivery(
            id=it.id,
            queue=queue,
            body=delivered.body,
            attempt=it.attempt,
            visibility_timeout=it.visibility_timeout,
            headers=it.headers,
            deliveries=deliveries if attempt == it.attempt else it.deliveries,
            receipt=session.receipt(tag),
            lease=_messages.SECONDS_OF_LEASE,
            origin=it.origin,
        )
        held = Held(tag, delivery, delivered.header.properties.timestamp)
        session.came(held)
        return held

    def other(self, held: Held) -> Held | None:
        """Another one of the same origin that somebody here has."""
        return self._handed.get(held.delivery.origin or "")

    def hand(self, held: Held) -> None:
        """Somebody has it now."""
        self._handed[held.delivery.origin or ""] = held

    def settled(self, held: Held) -> None:
        """Nobody has it any more."""
        origin = held.delivery.origin or ""
        self._had.pop(origin, None)
        if self._handed.get(origin) is held:
            del self._handed[origin]

    def abandon(self, session: Session) -> None:
        """It did not answer, or nobody knows what it did: it ends, with its connection."""
        if not session.ended:
            self._link.abort()
            session.end()
