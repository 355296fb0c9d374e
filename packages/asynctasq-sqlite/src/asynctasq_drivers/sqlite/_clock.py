"""The backend's clock: that of the machine on which the file lies, and all who use it run."""

from __future__ import annotations

import sys
import time

LONGEST = 1e11
"""Seconds, three thousand years: what is longer is as long as this."""


def now() -> int:
    """Microseconds since 1970: SQLite's own milliseconds are too coarse for an order."""
    if sys.platform == "win32":
        return time.time_ns() // 1000
    return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1000


def after(moment: int, seconds: float) -> int:
    """The moment so many seconds later."""
    return moment + int(min(seconds, LONGEST) * 1e6)


def expiry(moment: int, seconds: float | None) -> int | None:
    """The same for what may be kept for ever."""
    return None if seconds is None else after(moment, seconds)
