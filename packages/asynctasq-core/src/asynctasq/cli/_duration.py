"""Spans of time, as people say them."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


def duration(seconds: float) -> str:
    """A span in the largest unit of which it has two or more: ``45 s``, ``3 min``, ``36 h``."""
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def when(at: float, now: float) -> str:
    """A moment, seen from another: ``in 3 min``, ``45 s ago``."""
    return f"in {duration(at - now)}" if at > now else f"{duration(now - at)} ago"
