"""Signals that reach a worker although its main loop is blocked.

Python runs handlers on the main thread, between two steps of its code: too late where that code
does not come back. The interpreter also writes each signal's number to a file descriptor, at once
(https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd), which the I/O loop reads.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

_HANDLED: Final = (signal.SIGTERM, signal.SIGINT)
_WAKE: Final = 1.0
"""Seconds after which an idle main loop looks whether a handler is to be called."""


class Signals:
    """The first signal stops, the second ends at once. Other code may take the descriptor away;
    then the handler, late as it may be, counts as well."""

    def __init__(self, stop: Callable[[], None], at_once: Callable[[int], None] | None) -> None:
        self._stop = stop
        self._at_once = at_once
        self._seen = 0
        self._handled = 0
        self._before = {number: signal.signal(number, self._handle) for number in _HANDLED}

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let this loop, of another thread, hear them."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._ends = (ours, theirs)
        loop.call_soon_threadsafe(loop.add_reader, ours, self._read)
        loop.call_soon_threadsafe(_wake, loop, asyncio.get_running_loop())

    def detach(self) -> None:
        """What came before is in force again. On the main thread, when that loop has ended."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for end in self._ends:
            end.close()

    def _read(self) -> None:
        """On the I/O loop."""
        for number in self._ends[0].recv(64):
            if number in _HANDLED:
                self._seen += 1
                self._act(number)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        """On the main thread."""
        self._handled += 1
        if self._handled > self._seen:
            self._act(number)

    def _act(self, number: int) -> None:
        if max(self._seen, self._handled) == 1:
            self._stop()
        elif self._at_once is not None:
            self._at_once(128 + number)


def _wake(loop: asyncio.AbstractEventLoop, main: asyncio.AbstractEventLoop) -> None:
    """uvloop, idle, calls no handler unless it hears of signals by the descriptor itself."""
    main.call_soon_threadsafe(_nothing)
    loop.call_later(_WAKE, _wake, loop, main)


def _nothing() -> None:
    """Python calls handlers before it comes here."""
