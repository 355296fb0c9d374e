"""The terminal behind standard error, and what is written to it meanwhile, caught.

Caught where all of it comes by, at the file descriptors: logging, ``print``, code that is not
Python, child processes. Whoever writes waits no more for a terminal than without a screen.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import Final

from asynctasq._text import plain
from asynctasq.errors import ConfigError

SHOW_CURSOR: Final = b"\x1b[?25h"
_ERRORS: Final = 2
_PIPE_SIZE: Final = 1 << 20
_CHUNK: Final = 1 << 16
_NO_SCREEN_ON: Final = ("", "dumb", "unknown")
_COLOUR: Final = re.compile(r"(\x1b\[[0-9;]*m)")


def shows_screen(asked: bool | None) -> bool:
    """Whether a screen is shown: as asked, else if standard error is a terminal that can.

    Raises ConfigError where it was asked for and there is none.
    """
    if asked is False:
        return False
    can = os.isatty(_ERRORS) and os.environ.get("TERM", "") not in _NO_SCREEN_ON
    if asked and not can:
        raise ConfigError("--screen: standard error is no terminal that can show one")
    return can


class Capture:
    """Standard error, and standard output where that is the same terminal, caught in a pipe."""

    def __init__(self) -> None:
        self.terminal = os.dup(_ERRORS)
        self.pipe, end = os.pipe()
        _widen(self.pipe)
        os.set_blocking(self.pipe, False)
        self._saved = {number: os.dup(number) for number in (1, 2) if _is_terminal(number)}
        self._partial = b""
        _flush()
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
        """Let all be written to the terminal itself again; what was caught can still be read."""
        _flush()
        while self._saved:
            number, saved = self._saved.popitem()
            os.dup2(saved, number)
            os.close(saved)


def harmless(line: str) -> str:
    """A line in which a terminal finds nothing to act on but colours."""
    parts = _COLOUR.split(line.expandtabs())
    return "".join(part if number % 2 else plain(part) for number, part in enumerate(parts))


def _is_terminal(number: int) -> bool:
    """Whether it leads to the terminal of standard error."""
    if not os.isatty(number):
        return False
    return os.fstat(number).st_rdev == os.fstat(_ERRORS).st_rdev


def _widen(pipe: int) -> None:
    """Let more be written while nobody reads, where the system can."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
