"""The command line as a whole: which commands there are, and how it ends.

Exit codes: 0, done; 1, what was asked for failed; 2, it was asked for wrongly: arguments, options
of the configuration, a driver that is not there.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click

from asynctasq.cli._output import plain
from asynctasq.errors import AsyncTasQError, ConfigError, PluginError

_COMMANDS: Final = ("drivers", "migrate", "worker")
"""Each is ``command`` in the module of its name, with ``_`` for ``-``."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"asynctasq.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"asynctasq-core {version('asynctasq-core')}")
    except PackageNotFoundError:
        click.echo("asynctasq-core, run from a source tree")
    ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
    try:
        group(prog_name="asynctasq")
    except AsyncTasQError as error:
        click.echo(f"asynctasq: {plain(str(error))}", err=True)
        sys.exit(2 if isinstance(error, (ConfigError, PluginError)) else 1)
