"""Hand-over between the two loops: any number of things for one wake-up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Takes things from one thread and gives them, in batches, to a function on another's loop.

    What that raises goes to ``broken``: an error there would leave what was handed over to nobody.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[list[T]], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        self._loop = loop
        self._receive = receive
        self._broken = broken
        self._waiting: deque[T] = deque()
        self._ringing = False

    def put(self, *things: T) -> None:
        """Hand over, soon; nothing: let it look. Dropped where the other loop is closed."""
        self._waiting.extend(things)
        if not self._ringing:
            self._ringing = True
            with suppress(RuntimeError):  # the loop was closed: nobody is left to act on it
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # Before it is emptied: what is put from now on rings again.
        self._ringing = False
        try:
            self._receive([self._waiting.popleft() for _ in range(len(self._waiting))])
        except Exception as error:
            self._broken(error)
