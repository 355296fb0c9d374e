"""Deliveries that came while the same task is still being settled here: their turn comes then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from asynctasq.driver import Delivery
from asynctasq.worker._job import Job

Key: TypeAlias = tuple[str, int]


def key_of(delivery: Delivery) -> Key:
    """Queue and id; the id as a number, as a UUID is hashed in Python code."""
    return delivery.queue, delivery.id.int


class Later:
    """They wait, under leases that are renewed. Few ever do, and not for long."""

    def __init__(self) -> None:
        self._waiting: dict[Key, list[Job]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        return (job for jobs in self._waiting.values() for job in jobs)

    def put(self, delivery: Delivery, now: float) -> None:
        """Let it wait."""
        self._waiting.setdefault(key_of(delivery), []).append(Job(delivery, now))
        self._count += 1

    def take(self, key: Key) -> list[Job]:
        """Those of a task that is here no longer, in the order in which they came."""
        if not self._waiting:
            return []
        taken = self._waiting.pop(key, [])
        self._count -= len(taken)
        return taken

    def forget(self, delivery: Delivery) -> None:
        """The backend says that this lease is somebody else's now."""
        key = key_of(delivery)
        for job in self.take(key):
            if job.delivery.receipt != delivery.receipt:
                self._waiting.setdefault(key, []).append(job)
                self._count += 1
