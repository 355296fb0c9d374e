"""What a worker looks like at one moment: for a screen, a health page, a test."""

from __future__ import annotations

from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

BackendState: TypeAlias = Literal["connecting", "connected", "away"]


class QueueSnapshot(Struct, frozen=True, kw_only=True):
    """What a worker did for one queue since it began."""

    name: str
    running: int = 0
    """Tasks that run right now."""
    completed: int = 0
    """Tasks completed, as the backend has acknowledged."""
    failed: int = 0
    """Attempts that failed: each of them is one of ``retried`` or of ``dead`` as well."""
    retried: int = 0
    """Failed attempts that another one follows."""
    dead: int = 0
    """Tasks that failed for good."""


class RunningTask(Struct, frozen=True, kw_only=True):
    """An attempt that runs right now."""

    name: str
    queue: str
    id: UUID
    attempt: int
    seconds: float
    """For how long it has run."""


class BlockedLoop(Struct, frozen=True):
    """The event loop that runs tasks does not answer."""

    by: str
    """The task that keeps it, in words."""
    seconds: float
    """For how long."""


class WorkerSnapshot(Struct, frozen=True, kw_only=True):
    """A worker at one moment. Names in it are what messages and users' code say: show them as text.

    Taken without stopping anything, so one number may be a moment older than the next.
    """

    worker: str
    """Its name: host and process id."""
    pid: int
    driver: str
    backend: BackendState
    away_for: float = 0.0
    """Seconds since the backend was found away; 0 while it is not."""
    concurrency: int
    """How many tasks may run at a time."""
    buffered: int = 0
    """Tasks that were taken over and wait for a slot."""
    queues: tuple[QueueSnapshot, ...]
    """In the order in which they are asked."""
    longest: tuple[RunningTask, ...] = ()
    """Those that run longest, ten at most, the longest first."""
    uptime: float = 0.0
    """Seconds since it began."""
    blocked: BlockedLoop | None = None
    stops_within: float | None = None
    """Once it stops: seconds that what runs still has to finish."""

    @property
    def running(self) -> int:
        """Tasks that run right now."""
        return sum(queue.running for queue in self.queues)

    @property
    def completed(self) -> int:
        """Tasks completed, as the backend has acknowledged."""
        return sum(queue.completed for queue in self.queues)

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return sum(queue.failed for queue in self.queues)

    @property
    def retried(self) -> int:
        """Failed attempts that another one follows."""
        return sum(queue.retried for queue in self.queues)

    @property
    def dead(self) -> int:
        """Tasks that failed for good."""
        return sum(queue.dead for queue in self.queues)
