"""The nine events, as frozen structs. Each is emitted after the fact that it reports."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, tag_field="event"):
    """Something that happened, at ``at`` (Unix seconds, by the clock of who tells it)."""

    name: ClassVar[str] = "event"
    at: float


class TaskEvent(Event, frozen=True, kw_only=True):
    """An event of one task."""

    id: UUID
    task: str
    """The registered name of the task."""
    queue: str
    attempt: int = 1
    correlation_id: str | None = None
    worker: str | None = None
    """The worker it ran on; None for what a producer tells."""


class TaskEnqueued(TaskEvent, frozen=True, kw_only=True, tag="task_enqueued"):
    """The backend holds the task; with ``connection=``: once the caller commits."""

    name: ClassVar[str] = "task_enqueued"
    delay: float = 0.0


class TaskStarted(TaskEvent, frozen=True, kw_only=True, tag="task_started"):
    """An attempt began."""

    name: ClassVar[str] = "task_started"
    deliveries: int = 1


class TaskCompleted(TaskEvent, frozen=True, kw_only=True, tag="task_completed"):
    """The task is done and the backend has acknowledged that."""

    name: ClassVar[str] = "task_completed"
    seconds: float
    """How long the attempt ran."""


class TaskFailed(TaskEvent, frozen=True, kw_only=True, tag="task_failed"):
    """An attempt failed and the backend holds what becomes of it; ``final``: the task is dead."""

    name: ClassVar[str] = "task_failed"
    final: bool
    error_type: str
    error: str
    seconds: float


class TaskReenqueued(TaskEvent, frozen=True, kw_only=True, tag="task_reenqueued"):
    """The task waits for its next attempt, or was given back unrun."""

    name: ClassVar[str] = "task_reenqueued"
    delay: float
    """Seconds until it is due again."""


class TaskCancelled(TaskEvent, frozen=True, kw_only=True, tag="task_cancelled"):
    """An attempt was stopped by a shutdown or by its time-out."""

    name: ClassVar[str] = "task_cancelled"
    reason: str


class WorkerEvent(Event, frozen=True, kw_only=True):
    """An event of a worker."""

    worker: str
    queues: tuple[str, ...]
    concurrency: int


class WorkerOnline(WorkerEvent, frozen=True, kw_only=True, tag="worker_online"):
    """The worker has connected and begins to fetch."""

    name: ClassVar[str] = "worker_online"


class WorkerHeartbeat(WorkerEvent, frozen=True, kw_only=True, tag="worker_heartbeat"):
    """The worker lives; the counts are since it came online."""

    name: ClassVar[str] = "worker_heartbeat"
    running: int
    completed: int
    failed: int


class WorkerOffline(WorkerEvent, frozen=True, kw_only=True, tag="worker_offline"):
    """The worker has stopped, and holds nothing any more."""

    name: ClassVar[str] = "worker_offline"
    completed: int
    failed: int
