"""An event in one line: when, what, of which task, and what else there is to know."""

from __future__ import annotations

from datetime import datetime
from typing import Final, get_args

import click

from asynctasq._text import plain
from asynctasq.events import (
    AnyEvent,
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskEnqueued,
    TaskEvent,
    TaskFailed,
    TaskReenqueued,
    TaskStarted,
    WorkerEvent,
    WorkerHeartbeat,
    WorkerOffline,
)

KINDS: Final[tuple[type[Event], ...]] = get_args(AnyEvent)
"""All nine."""
_COLOURS: Final[dict[type[Event], str]] = {
    TaskCompleted: "green",
    TaskFailed: "red",
    TaskCancelled: "yellow",
    TaskReenqueued: "yellow",
}
"""The others: cyan. Where there is no terminal, the command line takes colours away."""
_WIDTH: Final = max(len(kind.name) for kind in KINDS)


def event_line(event: Event) -> str:
    """Times are those of this machine's calendar."""
    name = click.style(event.name.ljust(_WIDTH), fg=_COLOURS.get(type(event), "cyan"))
    return f"{_time(event.at)}  {name}  {plain(_subject(event))}{plain(_detail(event))}"


def _time(at: float) -> str:
    try:
        return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]
    except (OverflowError, ValueError, OSError):  # whoever told it has no calendar
        return "??:??:??.???"


def _subject(event: Event) -> str:
    match event:
        case TaskEvent():
            correlated = f"  [{event.correlation_id}]" if event.correlation_id else ""
            return f"{event.queue}  {event.task} {event.id}{correlated}"
        case WorkerEvent():
            return f"{','.join(event.queues)}  {event.worker}"
        case _:
            return ""


def _detail(event: Event) -> str:
    match event:
        case TaskEnqueued(delay=delay):
            return f"  due in {delay:g} s" if delay else ""
        case TaskStarted(attempt=attempt, deliveries=deliveries):
            again = f", handed out for the {deliveries}. time" if deliveries > attempt else ""
            return f"  attempt {attempt}{again}"
        case TaskCompleted(seconds=seconds):
            return f"  after {seconds:.3f} s"
        case TaskFailed(final=final, attempt=attempt):
            after = "dead" if final else "failed"
            return f"  attempt {attempt} {after}: {event.error_type}: {event.error}"
        case TaskReenqueued(delay=delay):
            return f"  due in {delay:.1f} s"
        case TaskCancelled(reason=reason):
            return f"  {reason}"
        case WorkerHeartbeat():
            counts = f"{event.running} running, {event.completed} completed"
            return f"  {counts}, {event.failed} failed"
        case WorkerOffline(completed=completed, failed=failed):
            return f"  {completed} completed, {failed} failed"
        case _:
            return ""
