"""``asynctasq tasks retry``: dead tasks get another life."""

from __future__ import annotations

import click

from asynctasq.cli._backend import BackendCommand
from asynctasq.cli.tasks._chosen import change_all, change_named, check_choice, conclude
from asynctasq.cli.tasks._refs import Wanted, wanted
from asynctasq.cli.tasks._store import json_option, queue_option


@click.command(cls=BackendCommand)
@click.argument("tasks", metavar="[TASK]...", nargs=-1, type=wanted)
@click.option("--all", "everything", is_flag=True, help="All that are dead.")
@queue_option
@json_option
def command(tasks: tuple[Wanted, ...], everything: bool, queue: str | None, json: bool) -> None:
    """Make dead tasks pending again: each TASK (an id, or QUEUE/ID), or all of them.

    Their attempts and losses begin anew. Exit code 1 if one was not dead.
    """
    check_choice(tasks, everything)
    if everything:
        changed = change_all("dead", queue, lambda store, refs: store.retry_dead(refs))
    else:
        changed = change_named(tasks, queue, lambda store, refs: store.retry_dead(refs))
    conclude(changed, "retried", "is not dead, so there is nothing to retry", json)
