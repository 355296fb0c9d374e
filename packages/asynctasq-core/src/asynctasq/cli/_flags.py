"""Every option of the configuration as a flag, for the drivers that are installed."""

from __future__ import annotations

from typing import Any

import click

from asynctasq.config import Option, known_options, set_flags
from asynctasq.driver import Secret


class ConfiguredCommand(click.Command):
    """A command that takes, beside its own flags, one for each option, and sets what was given.

    A flag of the command itself keeps its name.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        taken = {param.name for param in own}
        return [*own, *(_flag(o) for o in known_options().values() if o.name not in taken)]

    def invoke(self, ctx: click.Context) -> Any:
        own = {param.name for param in self.params}
        options = known_options()
        given = {
            name: ctx.params.pop(name)
            for name in tuple(ctx.params)
            if name in options and name not in own
        }
        asked = {name: value for name, value in given.items() if value is not None}
        for name in asked:
            if options[name].kind is Secret:
                click.echo(
                    f"asynctasq: --{_dashed(name)} can be read in the process list: better set "
                    f"ASYNCTASQ_{name.upper()}",
                    err=True,
                )
        if asked:
            set_flags(asked)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {param.name for param in self.params}
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Configuration": []}
        for param in self.get_params(ctx):
            configures = param.name in known_options() and param.name not in own
            if record := param.get_help_record(ctx):
                sections["Configuration" if configures else "Options"].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _flag(option: Option) -> click.Option:
    shown = "" if option.default is None else f" [default: {option.default}]"
    return click.Option(
        [f"--{_dashed(option.name)}", option.name],
        metavar=option.kind.__name__.upper()
        if not option.choices
        else "|".join(map(str, option.choices)),
        help=f"{option.description[:1].upper()}{option.description[1:].rstrip('.')}.{shown}",
    )


def _dashed(name: str) -> str:
    return name.replace("_", "-")
