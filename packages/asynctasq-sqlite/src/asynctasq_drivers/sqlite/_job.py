"""A call, on its way to the thread that owns the connection."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


@dataclass(slots=True, eq=False, kw_only=True)
class Job(Generic[T]):
    """What to do, and who waits for the answer. The work may be done anew: it only uses SQL."""

    work: Callable[[sqlite3.Cursor], T]
    future: asyncio.Future[T]
    writes: bool
    announces: bool = False
    """Whether somebody may wait for what it commits."""
    ids: tuple[UUID, ...] = ()
    """Of the messages that it stores."""
    undo: Callable[[T], None] | None = None
    """Takes back an answer that nobody is there to get. Called on the loop's thread."""
    until: float = 0.0
    """Until when (monotonic seconds) an empty answer is waited over."""
    ready: Callable[[sqlite3.Cursor], float] | None = None
    """Seconds until there may be an answer, by a look that takes no lock; None: there is one."""
    since: float = 0.0
    """Since when (monotonic seconds) it waits for the lock."""
    nothing: Any = None
    """The answer when the time is up."""

    def wanted(self) -> bool:
        """Whether anybody waits for it still."""
        return not self.future.done()

    def take_back(self, answer: T) -> None:
        """Undo what nobody will ever know of."""
        if self.undo is not None:
            self.undo(answer)
