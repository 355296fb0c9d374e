"""A channel that messages are pushed to, and what of it is not acknowledged yet.

A receipt is the number of a session and a delivery tag. Tags count from 1 on each channel: one of
an old channel, used on a new one, would acknowledge another message.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from datetime import datetime
from itertools import count
from time import monotonic
from typing import Final, TypeAlias, cast

from asynctasq.driver import Delivery, Outcome
from asynctasq_drivers.rabbitmq._channel import Channel
from asynctasq_drivers.rabbitmq._client import Connection

QUIET: Final = 1.0
"""Seconds after which a queue has had all that its channel was told."""
Receipt: TypeAlias = tuple[int, int]
_NUMBERS = count(1)


class Held:
    """A message that the broker has pushed, until it is acknowledged."""

    __slots__ = ("copy", "delivery", "sent_at", "settling", "tag")

    def __init__(self, tag: int, delivery: Delivery, sent_at: datetime | None) -> None:
        self.tag = tag
        self.delivery = delivery
        self.sent_at = sent_at
        self.settling: asyncio.Future[None] | None = None
        """While an outcome of it is under way."""
        self.copy: tuple[Outcome, asyncio.Future[None]] | None = None
        """For which a copy of it is on its way, held up by an alarm, and its confirm."""


class Session:
    """One channel. Its end is the end of all leases on it."""

    def __init__(
        self,
        connection: Connection,
        channel: Channel,
        on_end: Callable[[Session, BaseException | None], None],
    ) -> None:
        self.number = next(_NUMBERS)
        self.connection = connection
        self.channel = channel
        self.unacked: dict[int, Held] = {}
        """By delivery tag, in the order in which they came."""
        self.unanswered: dict[int, Held] = {}
        """Acknowledged, and the broker has not said that it knows."""
        self.told: Counter[str] = Counter()
        """By queue: how many acknowledgements the channel was told, in all calls together."""
        self.reached: Counter[str] = Counter()
        """By queue: how many of them it has surely passed on."""
        self._told_at: dict[str, float] = {}
        self._all_came = 0
        """Each tag up to this one was noted."""
        self._early = set[int]()
        """Those above it that were."""
        self.lock = asyncio.Lock()
        """Held from saying how far ahead the next consumer is pushed, to its beginning."""
        self.ended = False
        self._on_end = on_end
        channel.on_end(self.end)

    def end(self, why: BaseException | None = None) -> None:
        """Nothing that it held is held any more."""
        if not self.ended:
            self.ended = True
            self._on_end(self, why)

    def came(self, held: Held) -> None:
        """Note what was pushed. Tags count from 1, without a gap."""
        self.unacked[held.tag] = held
        self._early.add(held.tag)
        while self._all_came + 1 in self._early:
            self._all_came += 1
            self._early.discard(self._all_came)

    def receipt(self, tag: int) -> Receipt:
        """What its delivery is given."""
        return self.number, tag

    def held(self, receipt: Hashable) -> Held | None:
        """What that receipt stands for, if it was given here and holds."""
        if self.ended or not isinstance(receipt, tuple):
            return None
        number, tag = cast("Receipt", receipt)
        return self.unacked.get(tag) if number == self.number else None

    async def acknowledge(self, tags: Collection[int]) -> None:
        """In one write; returns once the broker has done so. Raises the client library's errors."""
        acks = list(frames(self.unacked, tags, self._all_came))
        now = monotonic()
        for queue in {self.unacked[tag].delivery.queue for tag in tags}:
            if now - self._told_at.get(queue, 0.0) > QUIET:
                self.reached[queue] = self.told[queue]
            self._told_at[queue] = now
            self.told[queue] += len(acks)
        for tag in tags:
            self.unanswered[tag] = self.unacked.pop(tag)  # what is sent next comes after it
        await self.channel.acknowledge(acks)
        for tag in tags:
            del self.unanswered[tag]


def frames(
    unacked: Iterable[int], tags: Collection[int], all_came: int
) -> Iterator[tuple[int, bool]]:
    """One for all before the first that still is at work, then one for each.

    ``all_came``: up to this tag nothing is still on its way to be noted.
    """
    asked = set(tags)
    at_work = min((tag for tag in unacked if tag not in asked), default=all_came + 1)
    last = max((tag for tag in asked if tag < at_work and tag <= all_came), default=0)
    if last:
        yield last, True
    for tag in sorted(tag for tag in asked if tag > last):
        yield tag, False
