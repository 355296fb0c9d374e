"""``asynctasq queues``: how much waits, runs and is dead."""

from __future__ import annotations

import click

from asynctasq.cli._backend import BackendCommand, backend_name, with_backend
from asynctasq.cli._duration import duration
from asynctasq.cli._output import as_json, table
from asynctasq.cli._queue_name import queue_name
from asynctasq.driver import QueueStats

_HEADS = ("queue", "pending", "scheduled", "running", "dead", "oldest")


@click.command(cls=BackendCommand)
@click.argument("names", metavar="[QUEUE]...", nargs=-1, type=queue_name)
@click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")
def command(names: tuple[str, ...], json: bool) -> None:
    """Show how much waits, runs and is dead, in these queues or in all.

    pending: due, and not taken yet; scheduled: due later; oldest: for how long the first of those
    pending has been due. What a backend cannot know is shown as ?, in JSON as null.
    """
    queues = with_backend(lambda driver: driver.stats(names or None))
    if json:
        as_json(queues)
    elif queues:
        table(_HEADS, [_row(queue) for queue in queues], numbers=_HEADS[1:])
    else:
        click.echo(f"no queues on {backend_name()}", err=True)


def _row(queue: QueueStats) -> tuple[str, ...]:
    counts = (queue.pending, queue.scheduled, queue.running, queue.dead)
    waits = "" if queue.oldest_pending is None else duration(queue.oldest_pending)
    return queue.queue, *("?" if n is None else f"{n:,}" for n in counts), waits
