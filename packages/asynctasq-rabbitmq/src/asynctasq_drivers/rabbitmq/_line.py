"""One queue, as one instance consumes it: what was pushed and nobody has asked for yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from asynctasq_drivers.rabbitmq._session import Held

FOR_A_WHILE: Final = 0.1
"""Seconds after which a window that is too small does not grow by itself."""
MOST: Final = 65_535
"""As far ahead as a consumer can be pushed: the number has 16 bits."""


class Waiter:
    """A dequeue that waits."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.news = False
        """Something has come since it looked last."""
        self._woken: asyncio.Future[None] | None = None

    async def woken(self, seconds: float) -> None:
        """Return when something has come, or after so many seconds."""
        if not self.news:
            self._woken = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._woken,), timeout=seconds)

    def wake(self) -> None:
        """Something has come."""
        self.news = True
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


class Line:
    """A queue's consumers, and what they were pushed."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.lock = asyncio.Lock()
        """Held while consumers of it begin or end."""
        self.waiting: list[Waiter] = []
        self.touched = 0.0
        """When somebody last took all that there was, or found nothing."""
        self.reset()

    def reset(self) -> None:
        """Its channel is gone, and with it everything here."""
        self.buffer: deque[Held] = deque()
        self.tags: list[str] = []
        """Of its consumers; a further one begins where a dequeue wants more than before."""
        self.window = 0
        """How many may be unacknowledged, of all of them together."""
        self.pushed: set[int] = set()
        """The tags of those that are: what was pushed to a consumer that has ended takes no room of
        the others."""
        self._most = 0
        """As far as was asked for at once."""
        self.unacked = 0
        """How many are, whichever consumer they were pushed to, those in the buffer among them."""
        self.stirred = False
        """Whether something was acknowledged since the queue answered by itself."""
        self.short = 0
        """By how much the window has been too small since then."""
        self.short_since = 0.0

    def missing(self, per_slot: int) -> int:
        """How much further it has to be pushed, so that each who waits gets what it asks for."""
        free = self.window - len(self.pushed) + len(self.buffer)
        wanted = per_slot * sum(waiter.limit for waiter in self.waiting)
        self._most = max(self._most, wanted)
        return min(max(wanted - free, 0), MOST)

    def growth(self, per_slot: int, now: float, *, patient: bool) -> int:
        """How much further it has to be pushed, now that somebody looks.

        At once as far as was ever asked for at once. Beyond that, for who is patient, what has been
        missing for a while: what ended a moment ago, and is about to be acknowledged, makes room by
        itself.
        """
        missing = self.missing(per_slot)
        if self.buffer:
            missing = 0
        elif self._most > self.window:
            missing = min(missing, self._most - self.window)
            patient = False
        if not (missing and self.tags and patient):
            self.short = 0
            return missing
        if not self.short:
            self.short, self.short_since = missing, now
        self.short = min(self.short, missing)
        if now - self.short_since < FOR_A_WHILE:
            return 0
        grown, self.short = self.short, 0
        return grown

    @property
    def may_be_pushed(self) -> bool:
        """Whether something may be on its way that an acknowledgement has made room for."""
        return self.stirred and len(self.pushed) < self.window

    def end(self) -> list[str]:
        """None of its consumers goes on; which they were."""
        tags, self.tags, self.window, self._most = self.tags, [], 0, 0
        self.pushed.clear()
        return tags

    def arrived(self, held: Held, consumer: str | None) -> None:
        """The broker has pushed something."""
        self.unacked += 1
        if consumer in self.tags:
            self.pushed.add(held.tag)
        self.buffer.append(held)
        self.wake()

    def settled(self, held: Held) -> None:
        """It is acknowledged."""
        self.unacked -= 1
        self.stirred = True
        self.pushed.discard(held.tag)

    def wake(self) -> None:
        """Let those who wait look."""
        for waiter in self.waiting:
            waiter.wake()
