"""``asynctasq purge``: drop what waits in a queue, once somebody has said yes to it."""

from __future__ import annotations

import click

from asynctasq.cli._ask import make_sure
from asynctasq.cli._backend import BackendCommand, backend_name, with_backend
from asynctasq.cli._output import as_json
from asynctasq.cli._queue_name import queue_name
from asynctasq.driver import QueueStats


@click.command(cls=BackendCommand)
@click.argument("queue", type=queue_name)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--json", "json", is_flag=True, help="Print JSON, for programs. Needs --yes.")
def command(queue: str, yes: bool, json: bool) -> None:
    """Drop the tasks of QUEUE that wait: those pending and, where the backend can, those scheduled.

    They are gone for good. What runs goes on, and dead tasks stay.
    """
    if not yes:
        (before,) = with_backend(lambda driver: driver.stats([queue]))
        make_sure(f"Drop {_waiting(before)} of queue {queue!r} on {backend_name()}?")
    purged = with_backend(lambda driver: driver.purge(queue))
    if json:
        as_json({"queue": queue, "count": purged.count})
    else:
        count = "tasks that waited" if purged.count is None else f"{purged.count:,} task(s)"
        click.echo(f"{count} dropped")


def _waiting(stats: QueueStats) -> str:
    return f"{_counted(stats.pending)} pending and {_counted(stats.scheduled)} scheduled task(s)"


def _counted(count: int | None) -> str:
    return "an unknown number of" if count is None else f"{count:,}"
