"""Tasks in the order of their times. Plain data, no locks, no waits.

Nearly all come in that order: what is enqueued is due now, and most leases are equally long. So
they stand in a line, where putting and taking costs the same however long it is; whoever comes with
an earlier time than the last of them goes into a heap beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from asynctasq.memory._queue import Task

Entry: TypeAlias = "tuple[float, int, int, Task]"
"""(due, serial, turn, task). One that names an older turn than its task means nothing any more."""


class Line:
    """What is put comes out by its time, then in the order in which it was stored."""

    def __init__(self) -> None:
        self._in_order: deque[Entry] = deque()
        self._others: list[Entry] = []

    def put(self, task: Task) -> None:
        """Let a task stand here for its present turn."""
        entry = (task.due, task.serial, task.turn, task)
        if not self._in_order or self._in_order[-1] < entry:
            self._in_order.append(entry)
        else:
            heappush(self._others, entry)

    def first(self) -> Task | None:
        """The first of them, once the entries of older turns before it are dropped."""
        entry = _first(self._in_order, self._in_order.popleft)
        other = _first(self._others, partial(heappop, self._others)) if self._others else None
        if other is not None and (entry is None or other < entry):
            entry = other
        return None if entry is None else entry[3]

    def compact(self, most: int) -> None:
        """Drop all entries of older turns, if there are more than so many entries."""
        if len(self) > most:
            self._in_order = deque(_present(self._in_order))
            self._others = list(_present(self._others))
            heapify(self._others)

    def __len__(self) -> int:
        """Entries, of older turns too."""
        return len(self._in_order) + len(self._others)


def _first(entries: Sequence[Entry], drop: Callable[[], object]) -> Entry | None:
    while entries:
        entry = entries[0]
        if entry[3].turn == entry[2]:
            return entry
        drop()
    return None


def _present(entries: Iterable[Entry]) -> Iterable[Entry]:
    return (entry for entry in entries if entry[3].turn == entry[2])
