"""``asynctasq tasks delete``: tasks that nobody needs any more."""

from __future__ import annotations

import click

from asynctasq.cli._ask import make_sure
from asynctasq.cli._backend import BackendCommand, backend_name
from asynctasq.cli.tasks._chosen import change_all, change_named, check_choice, conclude
from asynctasq.cli.tasks._refs import Wanted, wanted
from asynctasq.cli.tasks._store import STATES, json_option, queue_option
from asynctasq.driver import TaskState

_DELETABLE = [state for state in STATES if state != "running"]


@click.command(cls=BackendCommand)
@click.argument("tasks", metavar="[TASK]...", nargs=-1, type=wanted)
@click.option("--all", "everything", is_flag=True, help="All in the state that --status says.")
@click.option("--status", "state", type=click.Choice(_DELETABLE), help="With --all: which state.")
@queue_option
@click.option("--yes", "-y", is_flag=True, help="With --all: do not ask.")
@json_option
def command(
    tasks: tuple[Wanted, ...],
    everything: bool,
    state: TaskState | None,
    queue: str | None,
    yes: bool,
    json: bool,
) -> None:
    """Remove tasks, with their results: each TASK (an id, or QUEUE/ID), or all in one state.

    What runs cannot be removed. Exit code 1 if not all were.
    """
    check_choice(tasks, everything)
    if state is not None and not everything:
        raise click.UsageError("--status goes with --all: a task that is named may be in any")
    if not everything:
        changed = change_named(tasks, queue, lambda store, refs: store.delete(refs))
    elif state is None:
        raise click.UsageError("--all: say with --status which tasks are meant")
    else:
        if not yes:
            where = f"queue {queue!r}" if queue else "all queues"
            make_sure(f"Delete every {state} task of {where} on {backend_name()}?")
        changed = change_all(state, queue, lambda store, refs: store.delete(refs))
    conclude(changed, "deleted", "was not deleted: it runs, or is gone", json)
