"""A screen while it is shown: painted by a thread of its own, which no task can block.

Nothing waits for it: what is written goes into a pipe, and comes out above the screen. Should it
fail, what is written comes out alone.

That thread empties the pipe. So it may neither log nor print nor flush: whoever holds the lock for
that may be waiting until the pipe is emptied.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from rich.ansi import AnsiDecoder
from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from asynctasq._text import plain
from asynctasq.cli._exits import AT_THE_END
from asynctasq.cli._terminal import SHOW_CURSOR
from asynctasq.cli.screen._capture import Capture, flush

_EVERY: Final = 0.25
_END_WITHIN: Final = 30.0
"""Seconds for what was written before the end; a process left behind may go on for ever."""
_STALLS_AFTER: Final = 2.0
"""Seconds in which a terminal takes nothing, until nobody waits for it any more."""
_PIECE: Final = 1 << 12
"""Bytes written at once: after each is known whether the terminal still takes anything."""
_MARGIN: Final = 4
"""Cells at the right in which a terminal shows ``^C``, where it would wrap the line otherwise."""
_WIDEST: Final = 104
"""Wider lines are hard to read along."""


class Picture(Protocol):
    """What is shown, at any moment. Called by one thread."""

    def lines(self, width: int, height: int) -> list[Text]:
        """For a terminal of this size; none is wider or higher than it."""
        ...

    def summary(self, width: int) -> list[Text]:
        """What stays in the end."""
        ...


@contextmanager
def shown(picture: Picture) -> Generator[Capture, None, None]:
    """Show it beside the block, also where that ends by `end_at_once`."""
    screen = _Screen(picture)
    AT_THE_END.append(screen.stop)
    try:
        yield screen.capture
    finally:
        screen.stop()
        AT_THE_END.remove(screen.stop)


class _Terminal(io.FileIO):
    """Takes what is written in pieces, and tells how far that has come.

    The process closes it: a thread left behind may be writing to it.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.taken = 0
        """Bytes."""

    def write(self, data: Any, /) -> int | None:  # type: ignore[override]
        taken: int | None = super().write(memoryview(data)[:_PIECE])
        self.taken += taken or 0  # None: one that does not block takes nothing now
        return taken


class _Screen:
    def __init__(self, picture: Picture) -> None:
        self.capture = Capture()
        self._picture = picture
        self._lines: Sequence[Text] = ()
        self._unprinted: list[str] = []
        """Lines taken from the pipe, until they are printed: should that fail, they are left."""
        self._stopping = threading.Event()
        self._woken, self._wake = os.pipe()
        self._terminal = _Terminal(self.capture.terminal)
        self._console = Console(
            file=io.TextIOWrapper(
                io.BufferedWriter(self._terminal), encoding="utf-8", errors="replace"
            ),
            force_terminal=True,
            force_interactive=True,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
            get_renderable=self._group,
        )
        self._width = 0
        self._thread = threading.Thread(target=self._run, name="asynctasq-screen", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the last state, and give the terminal back. From any thread; idempotent.

        Waits while the terminal takes what was written, however slowly, for half a minute at most.
        """
        flush()  # while the pipe is read, so that it comes before what is written later
        if not self._stopping.is_set():
            self._stopping.set()
            os.write(self._wake, b"\n")
        self._wait_for_end()
        self.capture.release()

    def _wait_for_end(self) -> None:
        until = time.monotonic() + _END_WITHIN
        taken = -1
        while taken != self._terminal.taken and time.monotonic() < until:
            taken = self._terminal.taken
            self._thread.join(_STALLS_AFTER)
            if not self._thread.is_alive():
                return

    def _run(self) -> None:
        try:
            self._live.start()
            while not self._stopping.is_set():
                self._paint(self._picture.lines)
                self._listen()
            self.capture.release()
            self._end()
        except Exception as error:
            self._pass_on(error)

    def _pass_on(self, error: Exception) -> None:
        """Write what is caught, and no more: one who writes, so that lines keep their order."""
        self._write(SHOW_CURSOR.decode(), ["", *_told(error), *self._unprinted])
        while not self._stopping.is_set():
            self._listen()
            self._write("", self.capture.lines())
        self.capture.release()
        while self.capture.read():
            self._write("", self.capture.lines())
        self._write("", self.capture.lines(last=True))

    def _write(self, before: str, lines: Sequence[str]) -> None:
        with suppress(OSError):  # where the terminal is gone, nobody is to wait for it
            self._console.file.write(before + "".join(f"{line}\n" for line in lines))
            self._console.file.flush()

    def _listen(self) -> None:
        """Take over what is written, until it is time to paint."""
        until = time.monotonic() + _EVERY
        while (left := until - time.monotonic()) > 0 and not self._stopping.is_set():
            ready, _, _ = select.select((self.capture.pipe, self._woken), (), (), left)
            if self.capture.pipe in ready and self.capture.read():
                return

    def _end(self) -> None:
        while self.capture.read():
            self._paint(self._picture.lines)
        self._paint(lambda width, _: self._picture.summary(width), last=True)
        self._live.stop()

    def _paint(self, lines: Callable[[int, int], Sequence[Text]], *, last: bool = False) -> None:
        """What was written, and the screen below it; if nothing is new, nothing."""
        width, height = self.capture.size()
        before, self._lines = self._lines, lines(max(min(width - _MARGIN, _WIDEST), 1), height)
        self._unprinted += self.capture.lines(last=last)
        if not self._unprinted and self._lines == before and width == self._width:
            return
        self._console.size = ConsoleDimensions(width, height)
        with self._console:
            self._erase_wrapped(before, width)
            self._print()
            self._live.refresh()
        self._width = width

    def _print(self) -> None:
        if self._unprinted:
            self._console.print(_as_text(self._unprinted), soft_wrap=True)
            self._unprinted = []

    def _erase_wrapped(self, painted: Sequence[Text], width: int) -> None:
        """A terminal that became narrower has wrapped what stood there: erase these lines too."""
        if width < self._width:
            wrapped = sum((line.cell_len - 1) // width for line in painted if line.cell_len)
            self._console.file.write("\r\x1b[2K" + "\x1b[1A\x1b[2K" * wrapped)

    def _group(self) -> Group:
        return Group(*self._lines)


def _as_text(lines: Sequence[str]) -> Text:
    """Lines with their colours, each by itself: one that is not closed colours no other."""
    return Text("\n").join(
        AnsiDecoder().decode_line(line) if "\x1b" in line else Text(line) for line in lines
    )


def _told(error: Exception) -> list[str]:
    """What the log would say, of which every line is harmless."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return ["asynctasq: the screen ends, the work goes on", *map(plain, lines)]
