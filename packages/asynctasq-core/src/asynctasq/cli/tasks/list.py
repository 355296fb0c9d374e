"""``asynctasq tasks list``: which tasks there are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Final, TypeAlias

import click

from asynctasq.cli._backend import BackendCommand
from asynctasq.cli._output import as_json, is_terminal, table
from asynctasq.cli.tasks._store import STATES, json_option, queue_option, stored, with_store
from asynctasq.cli.tasks._view import TaskView, attempts, error, moment, view
from asynctasq.driver import Driver, TaskState, TaskStore
from asynctasq.errors import Unsupported

Listing: TypeAlias = tuple[list[TaskView], list[TaskState]]
"""What was found, and the states that were not looked for."""
_HEADS: Final = ("id", "state", "attempt", "when", "queue", "task", "error")


@click.command(cls=BackendCommand)
@click.option(
    "--status",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="Only tasks in this state; may be given several times. [default: all]",
)
@queue_option
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many are listed at most.",
)
@json_option
def command(states: tuple[TaskState, ...], queue: str | None, limit: int, json: bool) -> None:
    """List tasks: those that run first, then pending, scheduled, dead and completed ones."""

    found, unseen = with_store(partial(_listed, states, queue, limit))
    if json:
        as_json(found[:limit])
    elif found:
        table(_HEADS, [_row(task) for task in found[:limit]], numbers=("attempt",))
    else:
        click.echo("no such tasks", err=True)
    if unseen:
        click.echo(f"not looked for, as this backend cannot: {', '.join(unseen)} tasks", err=True)
    if len(found) > limit and (not json or is_terminal(sys.stderr)):
        click.echo(f"there are more than these {limit}: see --limit", err=True)


async def _listed(
    states: Sequence[TaskState], queue: str | None, limit: int, _driver: Driver, store: TaskStore
) -> Listing:
    found: list[TaskView] = []
    unseen: list[TaskState] = []
    for state in states or STATES:
        try:
            async for task in stored(store, (state,), queue, limit + 1):
                found.append(view(task))
                if len(found) > limit:  # one more, to know that there are more
                    return found, unseen
        except Unsupported:
            if states:
                raise
            unseen.append(state)
    return found, unseen


def _row(task: TaskView) -> tuple[str, ...]:
    name = task.task or "(unreadable)"
    what = (str(task.id), task.state, attempts(task), moment(task))
    return *what, task.queue, name, error(task)
