"""A terminal to run commands in, which understands what they write as one on a desk does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

CTRL_C = b"\x03"
_TAKE_IT = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes a terminal that of its session: only then does Ctrl-C reach anybody."""


class Terminal:
    """One command and the terminal that it controls."""

    def __init__(self, *command: str, columns: int, lines: int, stdout: int | None = None) -> None:
        self.columns, self.lines = columns, lines
        self.screen = pyte.Screen(columns, lines)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        self.draws = True
        """Whether what comes is shown; else it stands in `raw`, which is much quicker."""
        self.pause = 0.0
        """Seconds that a slow one needs for each read."""
        self._is_open = True
        self._resize()
        self.process = subprocess.Popen(
            (sys.executable, "-c", _TAKE_IT, *command),
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def resize(self, columns: int, lines: int) -> None:
        """As if somebody dragged a corner of its window."""
        self.columns, self.lines = columns, lines
        self.screen.resize(lines, columns)
        self._resize()

    def _resize(self) -> None:
        size = struct.pack("HHHH", self.lines, self.columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def hang_up(self) -> None:
        """As if somebody closed its window, or its connection broke."""
        os.close(self._ours)
        self._is_open = False

    def press(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._ours, keys)

    @property
    def text(self) -> str:
        """What somebody in front of it sees."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def squeezed(self) -> str:
        """The same without any space: where a long line is wrapped depends on numbers in it."""
        return "".join(self.text.split())

    @property
    def cursor_is_visible(self) -> bool:
        return not self.screen.cursor.hidden

    def shows(self, pattern: str) -> bool:
        return bool(re.search(pattern, self.text, re.MULTILINE))

    def until(self, wanted: str | Callable[[], object], seconds: float = 20) -> None:
        """Go on until it shows a pattern, or something holds."""
        reached = (lambda: self.shows(wanted)) if isinstance(wanted, str) else wanted
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, f"{wanted} was not reached:\n{self.text}"
            assert self._read(0.1), f"it ended before {wanted}:\n{self.text}"

    def ended(self, seconds: float = 20) -> int:
        """Go on until the command and all that write here have ended; its exit code."""
        end = time.monotonic() + seconds
        while self._read(0.1):
            assert time.monotonic() < end, f"it did not end:\n{self.text}"
        return self.process.wait(seconds)

    def _read(self, seconds: float) -> bool:
        """Show what was written meanwhile; whether anybody is left who could write."""
        if not select.select((self._ours,), (), (), seconds)[0]:
            return True
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # Linux says so that nobody has it open any more
            return False
        time.sleep(self.pause)
        self.raw += data
        if self.draws:
            self._stream.feed(data)
        return bool(data)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self._is_open:
            self.hang_up()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Terminal]]:
    """Run a command in a terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    opened: list[Terminal] = []

    def start(
        *command: str, columns: int = 100, lines: int = 50, stdout: int | None = None
    ) -> Terminal:
        opened.append(Terminal(*command, columns=columns, lines=lines, stdout=stdout))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def worker(
    terminal: Callable[..., Terminal], tmp_path: Path, clean: Path
) -> Callable[..., Terminal]:
    """Run ``asynctasq worker`` in a terminal, on this source of an application.

    ``shell``: how a shell is to run it.
    """

    def start(source: str, *words: str, shell: str = "", **size: int) -> Terminal:
        (clean / "shop.py").write_text(source)
        command = (sys.executable, "-m", "asynctasq", "worker", "--app", "shop", *words)
        if shell:
            command = ("/bin/sh", "-c", shell.format(f"exec {shlex.join(command)}"))
        return terminal(*command, **size)

    return start
