"""What is written to the terminal behind standard error, caught.

Caught where all of it comes by, at the file descriptors: logging, ``print``, code that is not
Python, child processes. Whoever writes waits no more for a terminal than without a screen.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from contextlib import suppress
from typing import Final

from asynctasq._text import plain
from asynctasq.cli._terminal import ERRORS, fill_standard

_PIPE_SIZE: Final = 1 << 20
_CHUNK: Final = 1 << 16
_COLOUR: Final = re.compile(r"(\x1b\[[0-9]{0,3}(?:;[0-9]{0,3}){0,15}m)")
"""No longer than any that means something: Python refuses to read numbers of 5000 digits."""


class Capture:
    """Standard error, and standard output where that is the same terminal, caught in a pipe."""

    def __init__(self) -> None:
        fill_standard()  # an application may have closed one, and `dup` would take its number
        self.terminal = os.dup(ERRORS)
        self.pipe, end = os.pipe()
        _widen(self.pipe)
        os.set_blocking(self.pipe, False)
        self._saved = {number: os.dup(number) for number in (1, 2) if _is_terminal(number)}
        self._releasing = threading.Lock()
        self._partial = b""
        flush()
        for number in self._saved:
            os.dup2(end, number)
        os.close(end)

    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal."""
        try:
            columns, rows = os.get_terminal_size(self.terminal)
        except OSError:
            columns, rows = 0, 0
        return columns or 80, rows or 24  # some terminals do not know it

    def read(self) -> bool:
        """Take over what was written by now; whether it is so much that it has to be shown."""
        with suppress(BlockingIOError):
            self._partial += os.read(self.pipe, _CHUNK)
        return len(self._partial) >= _CHUNK

    def lines(self, *, last: bool = False) -> list[str]:
        """What was read, and made harmless; of a line that has no end yet nothing, but at last."""
        *whole, self._partial = self._partial.split(b"\n")
        if self._partial and (last or len(self._partial) >= _CHUNK):
            whole.append(self._partial)
            self._partial = b""
        return [harmless(line.decode(errors="backslashreplace").rstrip("\r")) for line in whole]

    def release(self) -> None:
        """Let all be written to the terminal itself again; what was caught can still be read.

        From any thread. Nothing is flushed: for that somebody has to read the pipe, and it may be
        the caller who does.
        """
        with self._releasing:
            saved, self._saved = self._saved, {}
            for number, copy in saved.items():
                os.dup2(copy, number)
                os.close(copy)


def harmless(line: str) -> str:
    """A line in which a terminal finds nothing to act on but colours."""
    parts = _COLOUR.split(line.expandtabs())
    return "".join(part if number % 2 else plain(part) for number, part in enumerate(parts))


def flush() -> None:
    """Have written what Python keeps of standard output and errors. Waits as any writer does."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _is_terminal(number: int) -> bool:
    """Whether it leads to the terminal of standard error."""
    if not os.isatty(number):
        return False
    return os.fstat(number).st_rdev == os.fstat(ERRORS).st_rdev


def _widen(pipe: int) -> None:
    """Let more be written while nobody reads, where the system can."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
