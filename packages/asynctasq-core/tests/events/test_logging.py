"""The log that is always on: which level each event has, and the fields of its record."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any
from uuid import UUID

import pytest

from asynctasq.core.events import LoggingEventEmitter
from asynctasq.events import (
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskEnqueued,
    TaskFailed,
    TaskReenqueued,
    TaskStarted,
    WorkerHeartbeat,
    WorkerOffline,
    WorkerOnline,
)

TASK: dict[str, Any] = {
    "at": 1.0,
    "id": UUID(int=7),
    "task": "mail.welcome",
    "queue": "mail",
    "attempt": 2,
    "correlation_id": "c-1",
    "worker": "host:1",
}
WORKER: dict[str, Any] = {"at": 1.0, "worker": "host:1", "queues": ("mail",), "concurrency": 3}
LEVELS: list[tuple[Event, int]] = [
    (WorkerOnline(**WORKER), logging.INFO),
    (WorkerHeartbeat(running=1, completed=2, failed=3, **WORKER), logging.INFO),
    (WorkerOffline(completed=2, failed=3, **WORKER), logging.INFO),
    (
        TaskFailed(final=False, error_type="KeyError", error="'x'", seconds=0.1, **TASK),
        logging.WARNING,
    ),
    (
        TaskFailed(final=True, error_type="KeyError", error="'x'", seconds=0.1, **TASK),
        logging.WARNING,
    ),
    (TaskEnqueued(delay=5.0, **TASK), logging.DEBUG),
    (TaskStarted(deliveries=4, **TASK), logging.DEBUG),
    (TaskCompleted(seconds=0.2, **TASK), logging.DEBUG),
    (TaskReenqueued(delay=3.0, **TASK), logging.DEBUG),
    (TaskCancelled(reason="timeout", **TASK), logging.DEBUG),
]


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Those of this thread: a bus that ends may still tell what happened in an earlier test."""
    return [record for record in caplog.records if record.thread == threading.get_ident()]


def tell(*events: Event) -> None:
    asyncio.run(LoggingEventEmitter().emit(events))


@pytest.mark.parametrize(("event", "level"), LEVELS, ids=lambda v: getattr(v, "name", v))
def test_each_event_has_its_level_and_its_fields(
    caplog: pytest.LogCaptureFixture, event: Event, level: int
) -> None:
    caplog.set_level(logging.DEBUG, "asynctasq.events")
    tell(event)
    (record,) = records(caplog)
    assert (record.name, record.levelno) == ("asynctasq.events", level)
    assert record.__dict__["event"] == event.name
    for field in event.__struct_fields__:
        assert record.__dict__[field] == getattr(event, field)


@pytest.mark.parametrize("threshold", [logging.DEBUG, logging.INFO, logging.WARNING])
def test_what_its_level_does_not_let_through_is_not_wanted(
    caplog: pytest.LogCaptureFixture, threshold: int
) -> None:
    caplog.set_level(threshold, "asynctasq.events")
    emitter = LoggingEventEmitter()
    for event, level in LEVELS:
        assert emitter.wants(type(event)) is (level >= threshold)
    tell(*(event for event, _ in LEVELS))
    assert len(records(caplog)) == sum(level >= threshold for _, level in LEVELS)


def test_a_line_names_what_somebody_looks_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "asynctasq.events")
    tell(*(event for event, _ in LEVELS))
    for record in records(caplog):
        if record.__dict__["event"].startswith("task_"):
            assert all(
                word in record.message for word in ("mail.welcome", str(UUID(int=7)), "mail")
            )
    failed, dead = (r.message for r in records(caplog) if r.__dict__["event"] == "task_failed")
    assert "failed on attempt 2" in failed
    assert "is dead on attempt 2" in dead
    assert "KeyError: 'x'" in dead


@pytest.mark.asyncio
async def test_text_of_tasks_forges_no_line_and_moves_no_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = "no user\n2026-01-01 INFO forged \x1b]0;title\x07\u202e"
    failed = TaskFailed(final=True, error_type="ValueError", error=error, seconds=0.1, **TASK)
    await LoggingEventEmitter().emit([failed])
    (record,) = records(caplog)
    assert record.getMessage().endswith(
        r"ValueError: no user 2026-01-01 INFO forged \x1b]0;title\x07\u202e"
    )
    assert record.getMessage().isprintable()
    assert record.error == error
