"""What a supervisor knows of its processes, for whoever looks from another thread."""

from __future__ import annotations

import time
from typing import Final

import msgspec
from msgspec import Struct

from asynctasq.cli._exits import described
from asynctasq.worker import WorkerSnapshot

COUNTS: Final = ("completed", "failed", "retried", "dead")


class Process(Struct, frozen=True, kw_only=True):
    """A process that runs as a number, or the one that ran last as it."""

    number: int
    pid: int | None
    seen: WorkerSnapshot | None = None
    """What it told last; None: nothing so far."""
    ended: str = ""
    """How it ended, in words; empty: it runs."""
    replaced_at: float | None = None
    """When the next one starts as this number, by the monotonic clock."""


class Board:
    """Rows are replaced whole, so that a reader needs no lock."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.began: float = time.monotonic()
        self.stopping = False
        self._rows: dict[int, Process] = {}
        self._former: dict[str, int] = dict.fromkeys(COUNTS, 0)

    def started(self, number: int, pid: int) -> None:
        """A process runs as this number."""
        if before := self._rows.get(number):
            for name, count in _counts(before).items():
                self._former[name] += count
        self._rows[number] = Process(number=number, pid=pid)

    def told(self, number: int, seen: WorkerSnapshot | None) -> None:
        """It has told what it does."""
        self._rows[number] = msgspec.structs.replace(self._rows[number], seen=seen)

    def ended(self, number: int, pid: int | None, code: int, pause: float | None) -> None:
        """It ended; another one takes its place after so many seconds, or none does."""
        before = self._rows.get(number) or Process(number=number, pid=pid)
        self._rows[number] = msgspec.structs.replace(
            before,
            ended=described(code),
            replaced_at=None if pause is None else time.monotonic() + pause,
        )

    def rows(self) -> tuple[Process, ...]:
        """In the order of their numbers."""
        return tuple(sorted(self._rows.copy().values(), key=lambda row: row.number))

    def totals(self) -> dict[str, int]:
        """Counts of all that run and of all that ran, as far as they have told."""
        rows = tuple(self._rows.values())
        return {
            name: self._former[name] + sum(_counts(row)[name] for row in rows) for name in COUNTS
        }


def _counts(row: Process) -> dict[str, int]:
    return {name: getattr(row.seen, name) if row.seen else 0 for name in COUNTS}
