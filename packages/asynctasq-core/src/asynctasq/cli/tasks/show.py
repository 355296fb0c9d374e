"""``asynctasq tasks show``: all that is known of one task."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click
import msgspec

from asynctasq._text import plain
from asynctasq.cli._backend import BackendCommand
from asynctasq.cli._output import as_json, lines
from asynctasq.cli.tasks._refs import Wanted, find, wanted
from asynctasq.cli.tasks._store import json_option, with_store
from asynctasq.cli.tasks._view import TaskView, attempts, error, moment, view


@click.command(cls=BackendCommand)
@click.argument("task", type=wanted)
@json_option
def command(task: Wanted, json: bool) -> None:
    """Show all that is known of TASK: its state, its arguments, and the error of its last attempt.

    TASK is an id, or QUEUE/ID.
    """
    found = with_store(lambda driver, store: find(driver, store, task))
    seen = view(found)
    if json:
        as_json(seen)
        return
    facts = [(name, text) for name, text in _facts(seen) if text]
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {plain(text)}")
    if seen.failure and seen.failure.traceback:
        click.echo()
        for line in lines(seen.failure.traceback):
            click.echo(line)


def _facts(task: TaskView) -> Iterator[tuple[str, str]]:
    yield "task", task.task or "(its body cannot be read by this version)"
    yield "id", str(task.id)
    yield "queue", task.queue
    yield "state", f"{task.state}, {moment(task)}".rstrip(", ")
    yield "attempt", attempts(task)
    yield "enqueued", _at(task.enqueued_at)
    yield "correlation id", task.correlation_id or ""
    yield "lease", f"{task.visibility_timeout:g} s"
    yield "time-out", "" if task.timeout is None else f"{task.timeout:g} s"
    yield "arguments", "" if task.args is None else msgspec.json.encode(task.args).decode()
    yield "error", error(task)


def _at(seconds: float | None) -> str:
    """A moment by this machine's calendar."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
    except (OverflowError, ValueError, OSError):  # what a backend says may be in no calendar
        return f"{seconds:g}"
