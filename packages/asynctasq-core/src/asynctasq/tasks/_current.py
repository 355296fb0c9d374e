"""Which task this code runs in."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final
from uuid import UUID

from msgspec import Struct


class CurrentTask(Struct, frozen=True):
    """The running task, as it sees itself."""

    id: UUID
    task: str
    queue: str
    attempt: int
    """1 for the first run, one more after each failed one."""
    correlation_id: str | None


RUNNING: Final[ContextVar[CurrentTask]] = ContextVar("asynctasq_current")


def current() -> CurrentTask:
    """The task that this code runs in; raises RuntimeError outside of one."""
    try:
        return RUNNING.get()
    except LookupError:
        raise RuntimeError("asynctasq.current() was called outside of a running task") from None


def current_correlation_id() -> str | None:
    """The running task's correlation id, which the tasks that it dispatches inherit."""
    running = RUNNING.get(None)
    return None if running is None else running.correlation_id


def enter_task(running: CurrentTask) -> None:
    """From here on, in this context, this task runs. For the worker."""
    RUNNING.set(running)
