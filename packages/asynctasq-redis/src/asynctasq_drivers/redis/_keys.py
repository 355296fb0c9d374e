"""What is stored where. The braces are part of the names: one queue is one slot of a cluster."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from asynctasq.driver import QUEUE_NAME
from asynctasq.errors import InvalidMessage

QUEUES: Final = "asynctasq:queues"
"""The set of all names of queues: nothing ever scans the keyspace for them."""

PLACES: Final = (
    "",  # list: ids that are ready, the oldest first
    ":delayed",  # sorted set: ids by when they are due; what was given back, by when it was due
    ":processing",  # sorted set: ids by when their lease ends
    ":dead",  # sorted set: ids by when they failed for good
    ":completed",  # sorted set: ids by when they were completed, where these are kept
    ":messages",  # hash: id to what was enqueued, once
    ":runs",  # hash: id to attempt, deliveries, receipt and due time, from the first hand-out on
    ":failures",  # hash: id to its last failure, as JSON
    ":expiry",  # sorted set: ids of ended tasks by when they are dropped
    ":clock",  # string: the last time given to a message or receipt, in microseconds
    ":waiters",  # sorted set: who waits for a message, by until when
    ":awaited",  # hash: id to those who wait for its record
)
"""In the order in which `lua/_common.lua` names them."""


class Keys(NamedTuple):
    """The keys of one queue."""

    all: tuple[str, ...]
    """One for each of `PLACES`."""
    results: str
    """What the key of each result begins with."""

    @property
    def ready(self) -> str:
        """The first of them, by which a cluster finds the node."""
        return self.all[0]

    def result(self, id: UUID) -> str:
        """Where the record of a task is."""
        return f"{self.results}{id}"


@lru_cache(maxsize=4096)
def keys_of(queue: str) -> Keys:
    """The keys of a queue. Raises `InvalidMessage` for what cannot be the name of one."""
    if not QUEUE_NAME.fullmatch(queue):
        raise InvalidMessage(f"queue {queue[:200]!r}: expected {QUEUE_NAME.pattern}")
    line = f"queue:{{{queue}}}"
    return Keys(tuple(line + place for place in PLACES), f"{line}:result:")
