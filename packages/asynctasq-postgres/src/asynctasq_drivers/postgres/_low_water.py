"""Where the next look for messages may begin, while looking from the beginning is slow.

Each look steps over what was deleted at the beginning of the line since the last vacuum, and while
somebody holds a transaction open no vacuum helps: the more tasks, the slower each. So, once looks
have become slow, most begin where the last one found something, and only as many from the beginning
as take a tenth of the time. What has come back to a place before that is found by those, so late at
most.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final

SLOW: Final = 0.01
"""Seconds of a look, beside the quickest ones, that are too many."""
TIMES: Final = 8
"""How many of the quickest looks are too many."""
IN_A_ROW: Final = 10
"""How many slow ones are no accident."""
SHARE: Final = 10
"""A look from the beginning comes after so many times the time that the last one took."""


class LowWater:
    """What is known of the looks of one driver."""

    def __init__(self) -> None:
        self._quickest = float("inf")
        self._slow_ones = 0
        self._full_at = 0.0
        """When the next look from the beginning is due, while those are slow."""
        self._marks: dict[str, datetime] = {}

    def marks(self, queues: Sequence[str]) -> list[datetime | None]:
        """For each queue, from which due time on to look; None: from the beginning."""
        if self._slow_ones < IN_A_ROW or monotonic() >= self._full_at:
            return [None] * len(queues)
        return [self._marks.get(queue) for queue in queues]

    def looked(self, marks: Sequence[datetime | None], seconds: float, rows: Sequence[Any]) -> None:
        """A look with these marks took so long and found these: rows with queue and due time."""
        if None in marks:
            self._judge(seconds)
        for queue, due in rows:
            mark = self._marks.get(queue)
            if mark is None or mark < due:
                self._marks[queue] = due

    def _judge(self, seconds: float) -> None:
        if is_slow(seconds, self._quickest):
            self._slow_ones += 1
            self._full_at = monotonic() + SHARE * seconds
        else:
            self._slow_ones = 0
            self._quickest = min(self._quickest, seconds)


def is_slow(seconds: float, quickest: float) -> bool:
    """Whether a look steps over much that is dead."""
    return seconds > max(SLOW, TIMES * quickest)


class Timer:
    """When something becomes due: asked less often while the answer is slow."""

    def __init__(self) -> None:
        self._ask_at = 0.0

    def may_ask(self) -> bool:
        """Whether to ask."""
        return monotonic() >= self._ask_at

    def answered(self, seconds: float) -> None:
        """The answer took so long."""
        self._ask_at = monotonic() + SHARE * seconds if seconds > SLOW else 0.0
