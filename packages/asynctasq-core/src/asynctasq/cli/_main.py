"""The command line as a whole: which commands there are, and how it ends."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Final

import click

from asynctasq.cli._command import Group
from asynctasq.cli._errors import guarded

_COMMANDS: Final = {
    "worker": "Run tasks until told to stop.",
    "queues": "Show how much waits, runs and is dead in each queue.",
    "tasks": "List, show, retry and delete single tasks.",
    "purge": "Drop what waits in a queue.",
    "events": "Follow what happens to tasks and workers, live.",
    "config": "Show every option, its value and where that comes from.",
    "drivers": "List the drivers that are installed, and what is wrong with any.",
    "migrate": "Bring the schema of the configured driver up to date.",
}
"""Each is ``command`` in the module of its name, with ``_`` for ``-``."""


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"asynctasq-core {version('asynctasq-core')}")
    except PackageNotFoundError:
        click.echo("asynctasq-core, run from a source tree")
    ctx.exit()


@click.group(
    cls=Group,
    modules="asynctasq.cli.",
    summaries=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version of asynctasq-core and exit.",
)
def group() -> None:
    """Run AsyncTasQ workers and look after their queues.

    Every option of the configuration can also be set by the environment, for example
    ASYNCTASQ_DRIVER, or in a file named .env in the working directory.
    """


def main() -> None:
    """Run the command that the process was started with, then exit."""
    # https://no-color.org; elsewhere click sees for itself whether there is a terminal.
    color = False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None
    run = partial(group, prog_name="asynctasq", standalone_mode=False, color=color)
    sys.exit(guarded(run))
