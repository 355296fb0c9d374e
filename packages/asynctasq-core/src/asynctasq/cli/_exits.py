"""How a process that is nothing but a worker ends: what its exit code says, and ending at once."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
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
"""Called before this process is ended at once, within the time that the log has as well."""
_BY_SIGNAL: Final = 128
_FLUSH_WITHIN: Final = 2.0


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

    From any thread. Not for longer than two seconds does it wait for a log that cannot be written.
    """
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(_FLUSH_WITHIN)
    os._exit(code)


def _flush() -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    for call in tuple(AT_THE_END):
        with suppress(Exception):
            call()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
