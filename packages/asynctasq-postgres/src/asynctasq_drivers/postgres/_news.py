"""Telling others what has come, after its commit, and not for each: NOTIFY makes commits wait for
each other, and whoever listens hears every one.

The first is told at once, and what comes in the next moments is told together. So no commit of a
message has a notification in it; a process that dies between the two leaves its word unsaid, and
who waits finds the message when it looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Generic, TypeVar

from asynctasq.errors import DriverError
from asynctasq_drivers.postgres._log import log

T = TypeVar("T")

FULL: Final = 7_900
"""Bytes of a notification at most; PostgreSQL's own limit is 8,000."""


class News(Generic[T]):
    """What is to be told: each once, however often it is said meanwhile."""

    def __init__(
        self, tell: Callable[[Iterable[T]], Coroutine[Any, Any, Any]], pause: float
    ) -> None:
        self._tell = tell
        self._pause = pause
        """Seconds from one notification to the next."""
        self._words: dict[T, None] = {}
        self._telling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, words: Iterable[T]) -> None:
        """Tell these, soon."""
        self._words.update(dict.fromkeys(words))
        if self._timer is None:
            self._begin()

    def _begin(self) -> None:
        self._timer = None
        if self._words and self._telling is None:
            words, self._words = self._words, {}
            self._telling = asyncio.ensure_future(self._run(words))

    async def _run(self, words: Iterable[T]) -> None:
        try:
            await self._tell(words)
        except DriverError as error:  # who waits looks again all the same
            log.debug("a notification could not be sent: %s", error)
        finally:
            self._telling = None
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._begin)

    async def told(self) -> None:
        """Wait until all is told."""
        while self._words or self._telling is not None:
            if self._telling is None:
                self._stop_timer()
                self._begin()
            if self._telling is not None:
                await asyncio.wait((self._telling,))
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def parts_of(words: Iterable[str]) -> list[str]:
    """As few notifications as hold them."""
    parts = [""]
    for word in words:
        if len(parts[-1]) + 1 + len(word) > FULL:
            parts.append("")
        parts[-1] += f" {word}" if parts[-1] else word
    return parts
