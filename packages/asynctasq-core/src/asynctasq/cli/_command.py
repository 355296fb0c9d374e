"""What all commands have in common: ``--debug``, help that is legible, commands loaded late."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from asynctasq.cli._errors import switch_on_debug
from asynctasq.plugins import nearest


class _Formatter(click.HelpFormatter):
    """Headings and names stand out on a terminal; elsewhere click takes the colours away."""

    def write_heading(self, heading: str) -> None:
        super().write_heading(click.style(heading, bold=True))

    def write_dl(self, rows: Any, col_max: int = 34, col_spacing: int = 2) -> None:
        styled = [(click.style(name, fg="cyan"), text) for name, text in rows]
        super().write_dl(styled, col_max, col_spacing)


class _Context(click.Context):
    formatter_class: type[click.HelpFormatter] = _Formatter


class Command(click.Command):
    """A command that shows tracebacks when it is told to."""

    context_class: type[click.Context] = _Context

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *own, last = super().get_params(ctx)
        return [*own, _debug(), last]


class Group(Command, click.Group):
    """Commands, each ``command`` in a module of its own that is imported when it is run.

    ``commands``: what each does, in a line, by its name, so that help imports none of them.
    """

    command_class: type[click.Command] | None = Command

    def __init__(self, *args: Any, modules: str, summaries: Mapping[str, str], **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._modules = modules
        self._summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._summaries:
            return None
        module = import_module(f"{self._modules}{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self._summaries:
            near = nearest(args[0], self._summaries)
            meant = f"; did you mean {near!r}?" if near else ""
            raise click.UsageError(f"no command {args[0][:200]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))


def _debug() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=switch_on_debug,
        help="Show the traceback of an error, not only its line.",
    )
