"""Our output where a supervisor shows a screen: a pipe that it reads, as long as it does.

We hold a reading end ourselves, and the terminal. So nobody who writes fails when the supervisor
was killed, and nobody waits for one that was suspended.
"""

from __future__ import annotations

import os
import select
import struct
import threading
from contextlib import suppress
from typing import Final

from asynctasq.cli._terminal import SHOW_CURSOR

_EVERY: Final = 0.5
_CHUNK: Final = 1 << 16


class Output:
    """The pipe, and the terminal that is behind it."""

    def __init__(self, pipe: int, terminal: int) -> None:
        self._pipe = pipe
        self._terminal = terminal
        self._pouring = threading.Lock()
        self._is_taken_back = False

    def keep_flowing(self, gone: threading.Event) -> None:
        """Pass on what the supervisor leaves unread, and once it is gone, all."""
        before = 0
        while not gone.wait(_EVERY):
            unread = self._unread()
            if unread and unread == before and self._takes_more():
                self._pour()
            before = unread
        self.take_back()
        while self._pour():  # child processes still write there
            select.select((self._pipe,), (), ())

    def take_back(self) -> None:
        """Write to the terminal itself, after what is in the pipe. From any thread; idempotent."""
        with self._pouring:
            if not self._is_taken_back:
                self._is_taken_back = True
                self._replace()
        self._pour()

    def _replace(self) -> None:
        try:
            os.write(self._terminal, SHOW_CURSOR + b"\n")
        except OSError:
            self._terminal = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            with suppress(OSError):  # it may be closed
                if os.path.sameopenfile(number, self._pipe):
                    os.dup2(self._terminal, number)

    def _pour(self) -> bool:
        """All that is there; whether more may come."""
        with self._pouring, suppress(BlockingIOError):
            while data := os.read(self._pipe, _CHUNK):
                with suppress(OSError):
                    os.write(self._terminal, data)
            return False
        return True

    def _unread(self) -> int:
        """Bytes. As many a while later: nobody reads, for who reads takes all there is."""
        import fcntl  # a worker without a supervisor also runs where there is none
        import termios

        (count,) = struct.unpack("i", fcntl.ioctl(self._pipe, termios.FIONREAD, bytes(4)))
        return int(count)

    def _takes_more(self) -> bool:
        """Not where Ctrl-S has stopped it: the supervisor waits for that itself, then goes on."""
        return bool(select.select((), (self._terminal,), (), 0)[1])
