"""The emitter that is always on: events as log records, with their fields."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from asynctasq._text import plain
from asynctasq.events._types import (
    Event,
    TaskEvent,
    TaskFailed,
    WorkerEvent,
    WorkerHeartbeat,
    WorkerOffline,
    WorkerOnline,
)

logger = logging.getLogger("asynctasq.events")
_LEVELS: dict[type[Event], int] = {
    WorkerOnline: logging.INFO,
    WorkerHeartbeat: logging.INFO,
    WorkerOffline: logging.INFO,
    TaskFailed: logging.WARNING,
}
"""The others: DEBUG."""


class LoggingEventEmitter:
    """Workers at INFO, failures at WARNING, the rest at DEBUG, on the logger `asynctasq.events`.

    Each is one line with nothing in it that a terminal acts on: errors are text of others. Every
    field of the event is an attribute of its record, as it is: ``task``, ``queue``, ``id``,
    ``attempt``, ``correlation_id`` and so on.
    """

    def wants(self, kind: type[Event]) -> bool:
        """Whether the logger would let it through."""
        return logger.isEnabledFor(_LEVELS.get(kind, logging.DEBUG))

    async def emit(self, events: Sequence[Event]) -> None:
        """Log each event that its level lets through."""
        for event in events:
            level = _LEVELS.get(type(event), logging.DEBUG)
            if logger.isEnabledFor(level):
                fields = msgspec.structs.asdict(event)
                logger.log(
                    level, "%s", plain(describe(event)), extra={"event": event.name, **fields}
                )

    async def close(self) -> None:
        """Nothing is held."""


def describe(event: Event) -> str:
    """An event in one line."""
    if isinstance(event, TaskFailed):
        after = "is dead" if event.final else "failed"
        return (
            f"task {event.task} {event.id} {after} on attempt {event.attempt} "
            f"(queue {event.queue}): {event.error_type}: {event.error}"
        )
    if isinstance(event, TaskEvent):
        return f"{event.name}: {event.task} {event.id} attempt {event.attempt} on {event.queue}"
    if isinstance(event, WorkerEvent):
        return f"{event.name}: {event.worker} on {', '.join(event.queues)}{_counts(event)}"
    return event.name


def _counts(event: WorkerEvent) -> str:
    if isinstance(event, WorkerHeartbeat):
        counts = f"{event.running} running, {event.completed} completed"
        return f": {counts}, {event.failed} attempts failed"
    if isinstance(event, WorkerOffline):
        return f": {event.completed} completed, {event.failed} attempts failed"
    return ""
