"""A transaction of the memory backend, for code that is written against ``connection=``."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self


class MemoryTransaction:
    """What is dispatched with it is stored when it commits, all at once, or not at all.

    ``with MemoryTransaction() as transaction:`` commits at the end and rolls back on an error. In a
    task, `asynctasq.transaction()` gives one, which acknowledges the task by the same commit.
    """

    def __init__(self) -> None:
        self._work: list[Callable[[], None]] = []
        self._locks: list[Callable[[], None]] = []

    def add(self, work: Callable[[], None], unlock: Callable[[], None] | None = None) -> None:
        """Do this on commit, or that on rollback. For the driver."""
        self._work.append(work)
        if unlock is not None:
            self._locks.append(unlock)

    def commit(self) -> None:
        """Make true what was enqueued and acknowledged since the last commit or rollback."""
        work, self._work, self._locks = self._work, [], []
        for step in work:
            step()

    def rollback(self) -> None:
        """Forget what was enqueued and acknowledged since the last commit or rollback."""
        locks, self._work, self._locks = self._locks, [], []
        for unlock in locks:
            unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()
