"""``asynctasq tasks``: single tasks, looked at and put right.

Each of its commands is a file of its name here. Reading goes `_store`, `_view`, `_refs`,
`_chosen`, then the commands.
"""

from __future__ import annotations

from typing import Final

import click

from asynctasq.cli._command import Group

_COMMANDS: Final = {
    "list": "List tasks, those that run first.",
    "show": "Show all that is known of a task, its arguments and its error.",
    "retry": "Make dead tasks pending again, their attempts and losses anew.",
    "delete": "Remove tasks that do not run.",
}


@click.group(cls=Group, modules="asynctasq.cli.tasks.", summaries=_COMMANDS)
def command() -> None:
    """List, show, retry and delete single tasks.

    A task is named by its id, or by QUEUE/ID, which asks the backend once instead of once for each
    of its queues.
    """
