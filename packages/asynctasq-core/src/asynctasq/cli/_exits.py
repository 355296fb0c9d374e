"""How a process that is nothing but a worker ends: what its exit code says, and ending at once."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from asynctasq.worker import ExitCode

MEANING: Final[Mapping[int, str]] = {
    ExitCode.DONE: "stopped as asked, or --max-tasks have run",
    ExitCode.FAILED: "an error nobody expected, or no backend at the start",
    ExitCode.USAGE: "asked for wrongly: arguments, options, a driver that is not there",
    ExitCode.BACKEND_REFUSED: "the backend said no for good: credentials, schema, disk",
    ExitCode.PART_DIED: "a background part of the worker died",
    ExitCode.OVERRAN: "a task did not stop within stop_grace after its time-out",
    ExitCode.STUCK: "no task began or ended within --stuck-after",
}
AT_THE_END: Final[list[Callable[[], None]]] = []
"""Called before this process is ended at once; another second is theirs."""
_BY_SIGNAL: Final = 128
_LOG_WITHIN: Final = 1.0
_END_WITHIN: Final = 1.0


def described(code: int) -> str:
    """How a process ended: `code` is as in `subprocess`, negative for a signal."""
    if code < 0:
        return f"was ended by {_signal(-code)}"
    if code > _BY_SIGNAL:
        return f"ended with exit code {code}, at once on {_signal(code - _BY_SIGNAL)}"
    return f"ended with exit code {code}, {MEANING.get(code, 'which no worker uses')}"


def for_shells(code: int) -> int:
    """The same as an exit code, where a process that a signal ended counts 128 + its number."""
    return _BY_SIGNAL - code if code < 0 else code


def end_at_once(code: int) -> None:
    """End this process, whatever its threads are doing; what is logged so far is written.

    From any thread. Not for longer than a second does it wait for a log that cannot be written.
    """
    try:
        _within(_LOG_WITHIN, logging.shutdown, _flush)
        _within(_END_WITHIN, *AT_THE_END)
    finally:
        os._exit(code)


def _within(seconds: float, *calls: Callable[[], None]) -> None:
    """Each in a thread of its own, so that one that waits keeps no other."""
    threads = [threading.Thread(target=_quietly, args=(call,), daemon=True) for call in calls]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _quietly(call: Callable[[], None]) -> None:
    with suppress(Exception):
        call()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # there is none, or it cannot be written
            stream.flush()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
