"""Our output where a supervisor shows a screen: a pipe that it reads, as long as it does.

We hold a reading end ourselves, and the terminal. So nobody who writes fails when the supervisor
was killed, and nobody waits for one that was suspended.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
from contextlib import suppress
from typing import Final

from asynctasq.cli._terminal import SHOW_CURSOR

_EVERY: Final = 0.5
_CHUNK: Final = 1 << 16


def keep_flowing(pipe: int, terminal: int, gone: threading.Event) -> None:
    """Pass on what the supervisor leaves unread, and once it is gone, all."""
    before = 0
    while not gone.wait(_EVERY):
        unread = _unread(pipe)
        if unread and unread == before and _takes_more(terminal):
            _pour(pipe, terminal)
        before = unread
    _take_back(pipe, terminal)


def _unread(pipe: int) -> int:
    """Bytes. As many a while later: nobody reads, for who reads takes all there is."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    (count,) = struct.unpack("i", answer)
    return int(count)


def _takes_more(terminal: int) -> bool:
    """Not where Ctrl-S has stopped it: the supervisor waits for that itself, and then goes on."""
    return bool(select.select((), (terminal,), (), 0)[1])


def _take_back(pipe: int, terminal: int) -> None:
    """Write to the terminal itself; child processes still write to the pipe, until its end."""
    try:
        os.write(terminal, SHOW_CURSOR + b"\n")
    except OSError:
        terminal = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        with suppress(OSError):  # it may be closed
            if os.path.sameopenfile(number, pipe):
                os.dup2(terminal, number)
    os.set_blocking(pipe, True)
    _pour(pipe, terminal)


def _pour(pipe: int, terminal: int) -> None:
    """All that is there, or until the end of the pipe where reading waits."""
    with suppress(BlockingIOError):
        while data := os.read(pipe, _CHUNK):
            with suppress(OSError):
                os.write(terminal, data)
