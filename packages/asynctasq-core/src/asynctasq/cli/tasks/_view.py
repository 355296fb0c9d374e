"""A stored task as people and programs may see it. Nothing of it is imported, built or run."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from asynctasq.cli._duration import duration, when
from asynctasq.codec import decode_envelope
from asynctasq.driver import Failure, StoredTask, TaskState


class TaskView(Struct, frozen=True, kw_only=True):
    """What is known of a task; times are Unix seconds by the backend's clock."""

    id: UUID
    queue: str
    state: TaskState
    task: str | None = None
    """The registered name. This and what else is in its body is None where that cannot be read."""
    attempt: int
    max_attempts: int | None = None
    losses: int
    """Runs that ended with their worker."""
    correlation_id: str | None = None
    enqueued_at: float | None
    due_at: float | None
    """When it is due, or, while it runs, when its lease ends."""
    finished_at: float | None
    failure: Failure | None
    """Of its last failed attempt."""
    visibility_timeout: float
    timeout: float | None = None
    args: Any = None
    """Its arguments by name, as they were sent."""


def view(task: StoredTask) -> TaskView:
    """Read a stored task, as far as its body can be read."""
    outside = TaskView(
        id=task.ref.id,
        queue=task.ref.queue,
        state=task.state,
        attempt=task.attempt,
        losses=_losses(task),
        enqueued_at=task.enqueued_at,
        due_at=task.due_at,
        finished_at=task.finished_at,
        failure=task.failure,
        visibility_timeout=task.visibility_timeout,
    )
    try:
        envelope = decode_envelope(task.body)
        args = _showable(msgspec.msgpack.decode(envelope.args))
    except Exception:  # anything may be in it: a day of the year 10,000, say
        return outside
    return replace(
        outside,
        task=envelope.task,
        max_attempts=envelope.max_attempts,
        correlation_id=envelope.correlation_id,
        timeout=envelope.timeout,
        args=args,
    )


def _showable(args: Any) -> Any:
    """What JSON can hold; of the rest, how Python writes it: a map by pairs, say."""
    try:
        msgspec.json.encode(args)
    except (TypeError, ValueError):
        return repr(args)
    return args


def _losses(task: StoredTask) -> int:
    """Deliveries that no attempt accounts for; that of a task which waits is still to come."""
    waits = task.state in ("scheduled", "pending")
    return max(0, task.deliveries - task.attempt + waits)


def attempts(task: TaskView) -> str:
    """``2/5``: which attempt it is, and how many it has."""
    of = "?" if task.max_attempts is None else task.max_attempts
    lost = f" ({task.losses} lost)" if task.losses else ""
    return f"{task.attempt}/{of}{lost}"


def moment(task: TaskView, now: float | None = None) -> str:
    """When it ended, is or was due, or, while it runs, for how long its lease runs."""
    now = time.time() if now is None else now
    at = task.due_at if task.finished_at is None else task.finished_at
    if at is None:
        return ""
    return f"lease {duration(at - now)}" if task.state == "running" else when(at, now)


def error(task: TaskView) -> str:
    """The error of its last failed attempt, in a line."""
    if task.failure is None:
        return ""
    return f"{task.failure.type}: {task.failure.text}" if task.failure.text else task.failure.type
